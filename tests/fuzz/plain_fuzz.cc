// Plain HTTP: a client's requests one behind the other, or an upstream's answers, as they travel
// on. Whatever is accepted a second reader takes for the same message, to the last byte; what is
// refused or breaks off looks whole to nobody.
//   byte 0  1 answers, 2 small limits, 4 answers to a HEAD, 8 the conf sets and removes fields
//   byte 1  how the bytes are cut
#include <string>
#include <string_view>
#include <vector>

#include "net/check.h"
#include "protocol/body.h"
#include "protocol/plain_http.h"
#include "tests/fuzz/head_oracle.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/message_oracle.h"

namespace sluice::fuzz {

namespace {

using Outcome = Http1Parser::Outcome;
using Verdict = BodyScanner::Verdict;

struct Choices {
  bool answers = false;
  bool small = false;
  bool to_head = false;
  bool fields = false;
};

// One message as it travels on.
struct Passed {
  std::string bytes = {};
  std::string payload = {};
  bool whole = false;
  bool until_close = false;

  bool operator==(const Passed&) const = default;
};

struct Story {
  std::vector<Passed> messages;
  std::string refused;  // why the latest one was

  bool operator==(const Story&) const = default;
};

Http1Parser::Limits head_limits(const Choices& choices) {
  Http1Parser::Limits limits;
  if (choices.small) limits.head_bytes = 200;
  if (!choices.answers) limits.fields = choices.small ? 6 : 100;
  return limits;
}

// Takes the body off `bytes`. Payload that comes in one run is told by its length alone.
Verdict pass_body(BodyScanner& scanner, std::string_view& bytes, uint8_t kind, Passed& passed) {
  Verdict verdict = scanner.scan({}).verdict;
  Cut cut(kind);
  while (!bytes.empty() && verdict == Verdict::more) {
    const std::string_view piece = bytes.substr(0, cut.next(bytes.size()));
    const BodyScanner::Piece run = scanner.next(bytes_of(piece));
    passed.bytes += piece.substr(0, run.bytes);
    if (run.payload) passed.payload += piece.substr(0, run.bytes);
    bytes.remove_prefix(run.bytes);
    verdict = run.verdict;
  }
  return verdict;
}

bool pass_on(BodyFraming framing, uint64_t length, const Choices& choices, std::string_view& bytes,
             uint8_t kind, Story& story) {
  BodyLimits limits;
  if (choices.small) limits = {.framing_bytes = 60, .payload_bytes = 50};
  BodyScanner scanner(framing, length, limits);
  Passed& passed = story.messages.back();
  const Verdict verdict = pass_body(scanner, bytes, kind, passed);
  passed.whole = verdict == Verdict::complete;
  passed.until_close = framing == BodyFraming::until_close;
  if (verdict == Verdict::bad) story.refused = scanner.reason();
  return passed.whole;
}

std::string forwarded(const RequestHead& head, const MessageFraming& framing,
                      const UpgradeRequest& request, const Choices& choices) {
  const HeaderField set[] = {{"X-Set", "one"}};
  const std::string_view removed[] = {"Cookie"};
  UpstreamRequest upstream;
  const std::string target = std::string(request.target.path) + std::string(request.target.query);
  upstream.target = target;
  upstream.host = request.authority;
  upstream.forwarded_for = "192.0.2.1";
  if (choices.fields) {
    upstream.set_headers = set;
    upstream.remove_headers = removed;
    upstream.underscore_headers = true;
  }
  const RequestHead built = build_plain_request(head, framing, upstream);
  check_no_hop_by_hop(built, {"content-length", "transfer-encoding"});
  SLUICE_CHECK(built.count("Content-Length") + built.count("Transfer-Encoding") <= 1);
  SLUICE_CHECK(built.count("Connection") == 1 && built.count("Host") == 1);
  return write_http1(built);
}

// As Exchange takes them, one after the other.
Story tell_requests(std::string_view bytes, const Choices& choices, uint8_t kind) {
  Story story;
  for (;;) {
    Http1Parser parser(Http1Parser::Role::request, head_limits(choices));
    const HeadReading reading = read_head(parser, bytes, kind);
    if (reading.outcome == Outcome::failed) story.refused = reading.reason;
    if (reading.outcome != Outcome::complete) return story;
    bytes.remove_prefix(reading.consumed);
    const RequestHead& head = parser.request();
    UpgradeRequest request;
    MessageFraming framing;
    auto refusal = find_target(head, request);
    if (!refusal) refusal = request_framing(head, framing);
    if (refusal) story.refused = refusal->reason;
    if (refusal || asks_for_websocket(head) || !method_is_served(head.method)) return story;
    story.messages.push_back({.bytes = forwarded(head, framing, request, choices)});
    if (!pass_on(framing.kind, framing.length, choices, bytes, kind, story)) return story;
    if (!wants_keep_alive(head)) return story;
  }
}

Story tell_answers(std::string_view bytes, const Choices& choices, uint8_t kind) {
  Story story;
  Http1Parser parser(Http1Parser::Role::response, head_limits(choices));
  if (choices.to_head) parser.answers_head_request();
  for (;;) {
    const HeadReading reading = read_head(parser, bytes, kind);
    if (reading.outcome == Outcome::failed) story.refused = reading.reason;
    if (reading.outcome != Outcome::complete) return story;
    bytes.remove_prefix(reading.consumed);
    const AnswerHead& head = parser.answer();
    if (head.status == 101) return story;
    if (head.status < 200) {
      const AnswerHead built = build_interim_answer(head);
      check_no_hop_by_hop(built, {});
      story.messages.push_back({.bytes = write_http1(built), .whole = true});
      parser.next_head();
      continue;
    }
    const bool kept = parser.framing() != BodyFraming::until_close;
    const AnswerHead built =
        build_plain_answer(head, parser.framing(), parser.content_length(), kept);
    check_no_hop_by_hop(built, {"content-length", "transfer-encoding"});
    SLUICE_CHECK(built.count("Content-Length") + built.count("Transfer-Encoding") <= 1);
    SLUICE_CHECK(built.count("Connection") == (kept ? 0u : 1u));
    story.messages.push_back({.bytes = write_http1(built)});
    pass_on(parser.framing(), parser.content_length(), choices, bytes, kind, story);
    return story;
  }
}

void check(const Story& story, const Choices& choices) {
  for (const Passed& passed : story.messages) {
    std::string_view left = passed.bytes;
    const auto seen = read_message(left, choices.answers, choices.to_head);
    if (passed.until_close) continue;
    SLUICE_CHECK(seen.has_value() == passed.whole);
    if (!seen) continue;
    SLUICE_CHECK(left.empty() && seen->payload == passed.payload);
  }
}

Story tell(std::string_view bytes, const Choices& choices, uint8_t kind) {
  return choices.answers ? tell_answers(bytes, choices, kind) : tell_requests(bytes, choices, kind);
}

void run(Input input) {
  const uint8_t choice = input.byte();
  const uint8_t own_split = input.byte();
  const Choices choices{.answers = (choice & 1) != 0,
                        .small = (choice & 2) != 0,
                        .to_head = (choice & 4) != 0,
                        .fields = (choice & 8) != 0};
  const std::string_view bytes = text_of(input.rest());
  const Story whole = tell(bytes, choices, 0);
  check(whole, choices);
  for (size_t i = 1; i < splits; ++i) {
    SLUICE_CHECK(tell(bytes, choices, split_kind(i, own_split)) == whole);
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({data, size});
  return 0;
}
