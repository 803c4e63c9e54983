// Bodies: what the scanner accepts, llhttp and a decoder of a few lines read alike, to the last
// byte; what it refuses may be anything. How the bytes are cut changes nothing.
#include <string>
#include <string_view>

#include "net/check.h"
#include "protocol/body.h"
#include "protocol/http1.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/message_oracle.h"

namespace sluice::fuzz {

namespace {

using Verdict = BodyScanner::Verdict;

struct Story {
  size_t accepted = 0;
  Verdict verdict = Verdict::more;
  std::string payload;
  std::string reason;
  int status = 0;

  bool operator==(const Story&) const = default;
};

Story tell(BodyFraming framing, uint64_t length, const BodyLimits& limits, std::string_view bytes,
           uint8_t kind, bool skipping) {
  BodyScanner scanner(framing, length, limits);
  Story story;
  story.verdict = scanner.scan({}).verdict;
  Cut cut(kind);
  while (!bytes.empty() && story.verdict == Verdict::more) {
    std::string_view piece = bytes.substr(0, cut.next(bytes.size()));
    bytes.remove_prefix(piece.size());
    while (!piece.empty() && story.verdict == Verdict::more) {
      size_t taken = static_cast<size_t>(std::min<uint64_t>(scanner.unseen_left(), piece.size()));
      bool payload = true;
      if (skipping && taken > 0) {
        scanner.step_over(taken);
        story.verdict = scanner.scan({}).verdict;
      } else {
        const BodyScanner::Piece run = scanner.next(bytes_of(piece));
        SLUICE_CHECK(run.payload == (taken > 0) || run.verdict == Verdict::bad);
        taken = run.bytes;
        payload = run.payload;
        story.verdict = run.verdict;
      }
      SLUICE_CHECK(taken > 0 || story.verdict == Verdict::bad);
      if (payload) story.payload += piece.substr(0, taken);
      story.accepted += taken;
      piece.remove_prefix(taken);
    }
  }
  SLUICE_CHECK(scanner.payload_bytes() == story.payload.size());
  SLUICE_CHECK(story.payload.size() <= limits.payload_bytes);
  SLUICE_CHECK((story.verdict == Verdict::bad) == (scanner.status() != 0));
  story.reason = scanner.reason();
  story.status = scanner.status();
  return story;
}

void check_chunked(std::string_view bytes, const Story& story) {
  if (story.verdict == Verdict::bad) return;
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = SIZE_MAX / 2});
  const auto head = parser.feed_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  SLUICE_CHECK(head.outcome == Http1Parser::Outcome::complete);
  std::string payload;
  const auto fed = parser.feed_body(bytes, payload);
  SLUICE_CHECK(payload == story.payload);
  const bool whole = story.verdict == Verdict::complete;
  SLUICE_CHECK(fed.outcome ==
               (whole ? Http1Parser::Outcome::complete : Http1Parser::Outcome::more));
  if (whole) SLUICE_CHECK(fed.consumed == story.accepted);
  std::string_view rest = bytes;
  const auto plain = decode_chunked(rest);
  SLUICE_CHECK(plain.has_value() == whole);
  if (whole) SLUICE_CHECK(*plain == payload && bytes.size() - rest.size() == story.accepted);
}

void run(Input input) {
  const uint8_t choice = input.byte();
  const uint8_t own_split = input.byte();
  const uint64_t length = input.byte();
  BodyLimits limits;
  if ((choice & 4) != 0) limits.framing_bytes = 24;
  if ((choice & 8) != 0) limits.payload_bytes = 40;
  const auto framing = static_cast<BodyFraming>(choice & 3);
  const std::string_view bytes = text_of(input.rest());
  const Story whole = tell(framing, length, limits, bytes, 0, false);
  for (size_t i = 0; i < splits; ++i) {
    for (const bool skipping : {false, true}) {
      const uint8_t kind = split_kind(i, own_split);
      SLUICE_CHECK(tell(framing, length, limits, bytes, kind, skipping) == whole);
    }
  }
  if (framing == BodyFraming::chunked) check_chunked(bytes, whole);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({data, size});
  return 0;
}
