// The handshake's client role: bytes of an upstream's answer, in pieces. What is accepted becomes
// one 101 for the client; what is a refusal becomes one head whose framing fits the body behind it.
//   byte 0  1 protocols offered, 2 deflate offered, 4 offered with parameters, 8 the upstream ends
//   byte 1  how the bytes are cut
#include <optional>
#include <string>
#include <vector>

#include "net/check.h"
#include "protocol/handshake.h"
#include "tests/fuzz/head_oracle.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Outcome = Http1Parser::Outcome;
using Framing = Http1Parser::Framing;
using Views = std::vector<std::string_view>;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view accept_text = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // RFC 6455 1.3

struct Offers {
  Views protocols;
  Views deflate;
};

Offers offers_of(uint8_t choice) {
  Offers offers;
  if ((choice & 1) != 0) offers.protocols = {"chat", "superchat"};
  if ((choice & 2) != 0) offers.deflate.push_back("permessage-deflate");
  if ((choice & 4) != 0) {
    offers.deflate.push_back(
        "permessage-deflate; client_max_window_bits; server_max_window_bits=10; "
        "server_no_context_takeover");
  }
  return offers;
}

// All that an answer came to; must not depend on the pieces.
struct Story {
  HeadReading reading;
  int interim = 0;
  int status = 0;
  std::string accepted;  // the 101 for the client
  std::string wrong;     // or why there is none
  std::string refusal;   // or the refusal's head
  std::string body;
  Outcome body_outcome = Outcome::more;
  size_t body_consumed = 0;

  friend bool operator==(const Story&, const Story&) = default;
};

HeadReading read_own_head(Http1Parser& parser, const std::string& bytes) {
  const HeadReading reading = read_head(parser, bytes, 0);
  SLUICE_CHECK(reading.outcome == Outcome::complete && reading.consumed == bytes.size());
  check_accepted_head(bytes, parser.answer());
  return reading;
}

void check_client_answer(const AnswerHead& head, const std::string& bytes, const Offers& offers) {
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 64 * 1024});
  read_own_head(parser, bytes);
  const AnswerHead& built = parser.answer();
  SLUICE_CHECK(built.status == 101 && built.count("Sec-WebSocket-Accept") == 1);
  SLUICE_CHECK(*built.find("Sec-WebSocket-Accept") == accept_text);
  SLUICE_CHECK(built.count("Connection") == 1 && built.count("Upgrade") == 1);
  SLUICE_CHECK(built.count("Sec-WebSocket-Protocol") <= 1);
  SLUICE_CHECK(built.count("Sec-WebSocket-Extensions") <= (offers.deflate.empty() ? 0u : 1u));
  for (const std::string_view extension : list_elements(built, "Sec-WebSocket-Extensions")) {
    SLUICE_CHECK(equals_ignoring_case(extension.substr(0, 18), "permessage-deflate"));
  }
  if (offers.protocols.empty()) SLUICE_CHECK(built.find("Sec-WebSocket-Protocol") == nullptr);
  check_no_hop_by_hop(built, {});
  check_same_fields(end_to_end_fields(head, {}), end_to_end_fields(built, {}));
  UpgradeAnswer again;
  SLUICE_CHECK(check_upgrade_answer(built, key, offers.protocols, offers.deflate, again) ==
               nullptr);
}

// The head that the client gets of a refusal; its body travels as it came.
void check_refusal(const Http1Parser& upstream, const Story& story) {
  const Framing framing = upstream.framing();
  std::string bytes = story.refusal;
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 64 * 1024});
  read_own_head(parser, bytes);
  const AnswerHead& built = parser.answer();
  SLUICE_CHECK(built.status == upstream.answer().status && built.count("Connection") == 1);
  check_no_hop_by_hop(built, {"content-length", "transfer-encoding"});
  // A field may be called what our own Connection names.
  check_same_fields(end_to_end_fields(upstream.answer(), {"close"}),
                    end_to_end_fields(built, {"close"}));
  SLUICE_CHECK(parser.framing() == framing);
  if (framing == Framing::length) {
    SLUICE_CHECK(parser.content_length() == upstream.content_length());
  }
  SLUICE_CHECK(built.count("Transfer-Encoding") == (framing == Framing::chunked ? 1u : 0u));
  SLUICE_CHECK(built.count("Content-Length") == (framing == Framing::length ? 1u : 0u));
}

void read_body(Http1Parser& parser, std::string_view bytes, uint8_t kind, Story& story) {
  Cut cut(kind);
  story.body_outcome = parser.feed_body({}, story.body).outcome;
  while (!bytes.empty() && story.body_outcome == Outcome::more) {
    const std::string piece(bytes.substr(0, cut.next(bytes.size())));
    const Http1Parser::Fed fed = parser.feed_body(piece, story.body);
    SLUICE_CHECK(fed.consumed <= piece.size());
    story.body_outcome = fed.outcome;
    story.body_consumed += fed.consumed;
    bytes.remove_prefix(piece.size());
  }
  if (story.body_outcome == Outcome::failed) story.body_consumed = 0;
  switch (parser.framing()) {
    case Framing::none:
      SLUICE_CHECK(story.body_outcome == Outcome::complete && story.body.empty());
      break;
    case Framing::length:
      SLUICE_CHECK(story.body_outcome != Outcome::failed);
      SLUICE_CHECK(story.body.size() == story.body_consumed);
      SLUICE_CHECK((story.body.size() == parser.content_length()) ==
                   (story.body_outcome == Outcome::complete));
      break;
    case Framing::chunked:
      break;
    case Framing::until_close:
      SLUICE_CHECK(story.body_outcome == Outcome::more);
      break;
  }
}

// As Exchange does it: interim answers are skipped, a 101 is checked, anything else relayed.
Story tell(std::string_view bytes, const Offers& offers, size_t head_bytes, uint8_t kind,
           bool ended) {
  Story story;
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = head_bytes});
  for (;;) {
    story.reading = read_head(parser, bytes, kind);
    if (story.reading.outcome != Outcome::complete) return story;
    check_accepted_head(bytes.substr(0, story.reading.consumed), parser.answer());
    bytes.remove_prefix(story.reading.consumed);
    story.status = parser.answer().status;
    if (story.status > 199 || story.status == 101) break;
    ++story.interim;
    parser.next_head();
  }
  if (story.status == 101) {
    UpgradeAnswer answer;
    const char* wrong =
        check_upgrade_answer(parser.answer(), key, offers.protocols, offers.deflate, answer);
    if (wrong != nullptr) {
      story.wrong = wrong;
      return story;
    }
    story.accepted = write_http1(build_client_answer(parser.answer(), key, answer));
    check_client_answer(parser.answer(), story.accepted, offers);
  } else if (story.status > 199) {
    story.refusal =
        write_http1(build_refusal_head(parser.answer(), parser.framing(), parser.content_length()));
    read_body(parser, bytes, kind, story);
    if (ended) {
      const bool whole =
          story.body_outcome == Outcome::complete ||
          (parser.framing() == Framing::until_close && story.body_outcome != Outcome::failed);
      SLUICE_CHECK(parser.finish_body() == whole);
    }
    check_refusal(parser, story);
  }
  return story;
}

void run(Input input) {
  const uint8_t choice = input.byte();
  const uint8_t own_split = input.byte();
  const std::string_view bytes = text_of(input.rest());
  const Offers offers = offers_of(choice);
  const bool ended = (choice & 8) != 0;
  const size_t head_bytes = (choice & 16) != 0 ? 128 : 16 * 1024;
  const Story whole = tell(bytes, offers, head_bytes, 0, ended);
  for (size_t i = 1; i < splits; ++i) {
    SLUICE_CHECK(tell(bytes, offers, head_bytes, split_kind(i, own_split), ended) == whole);
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
