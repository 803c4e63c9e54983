// BodyScanner: what it accepts, what it refuses and at which byte, however the bytes are cut.
#include "protocol/body.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice {

namespace {

using Framing = BodyFraming;
using Verdict = BodyScanner::Verdict;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Told {
  size_t accepted = 0;
  Verdict verdict = Verdict::more;
  std::string payload;
  std::string reason;
  int status = 0;

  bool operator==(const Told&) const = default;
};

// What is told of these bytes, offered in pieces of that size.
Told told(Framing framing, std::string_view text, size_t piece, uint64_t length = 0,
          const BodyLimits& limits = {}) {
  BodyScanner scanner(framing, length, limits);
  Told all;
  all.verdict = scanner.scan({}).verdict;
  for (size_t at = 0; at < text.size() && all.verdict == Verdict::more; at += piece) {
    std::string_view offered = text.substr(at, piece);
    while (!offered.empty() && all.verdict == Verdict::more) {
      const BodyScanner::Piece run = scanner.next(bytes_of(offered));
      if (run.payload) all.payload += offered.substr(0, run.bytes);
      all.accepted += run.bytes;
      all.verdict = run.verdict;
      offered.remove_prefix(run.bytes);
    }
  }
  all.reason = scanner.reason();
  all.status = scanner.status();
  CHECK(scanner.payload_bytes() == all.payload.size());
  return all;
}

// The same however it is cut.
Told judged(Framing framing, std::string_view text, uint64_t length = 0,
            const BodyLimits& limits = {}) {
  const Told whole = told(framing, text, text.size() + 1, length, limits);
  for (const size_t piece : {1u, 2u, 3u, 7u}) {
    CHECK(told(framing, text, piece, length, limits) == whole);
  }
  BodyScanner scanner(framing, length, limits);
  const BodyScanner::Scan scan = scanner.scan(bytes_of(text));
  CHECK(scan.accepted == whole.accepted);
  CHECK(scan.verdict == whole.verdict);
  return whole;
}

}  // namespace

TEST_CASE("body: none is complete at once, and what follows is not looked at") {
  for (const Framing framing : {Framing::none, Framing::length}) {
    const Told all = judged(framing, "GET / HTTP/1.1\r\n");
    CHECK(all.verdict == Verdict::complete);
    CHECK(all.accepted == 0);
  }
}

TEST_CASE("body: a length is so many bytes") {
  const Told all = judged(Framing::length, "0123456789", 7);
  CHECK(all.verdict == Verdict::complete);
  CHECK(all.payload == "0123456");
  CHECK(all.accepted == 7);
  CHECK(judged(Framing::length, "012345", 7).verdict == Verdict::more);
}

TEST_CASE("body: one without a length ends with its stream") {
  CHECK(judged(Framing::until_close, "0\r\n\r\nmore").payload == "0\r\n\r\nmore");
  CHECK(BodyScanner(Framing::until_close, 0, {}).may_end());
  CHECK(!BodyScanner(Framing::length, 1, {}).may_end());
  CHECK(BodyScanner(Framing::length, 0, {}).may_end());
  CHECK(!BodyScanner(Framing::chunked, 0, {}).may_end());
}

TEST_CASE("body: chunks, extensions and trailers that everybody reads alike") {
  const std::string payload(0x1a, 'x');
  for (const std::string& text : std::vector<std::string>{
           "1a\r\n" + payload + "\r\n0\r\n\r\n", "1A\r\n" + payload + "\r\n000\r\n\r\n",
           "000000000000001a\r\n" + payload + "\r\n0\r\n\r\n",
           "a\r\n" + payload.substr(0, 10) + "\r\n10\r\n" + payload.substr(0, 16) + "\r\n0\r\n\r\n",
           "1a;name\r\n" + payload + "\r\n0;last\r\n\r\n",
           "1a;name=token;other=\"a ; \\\" \\\\ b\"\r\n" + payload + "\r\n0\r\n\r\n",
           "1a;n=\"\"\r\n" + payload + "\r\n0\r\n\r\n",
           "1a\r\n" + payload + "\r\n0\r\nChecksum: abc\r\nX-Empty:\r\n\r\n",
           "1a\r\n" + payload + "\r\n0\r\nHosts: x\r\nHos: x\r\nTransfer-Encodin: x\r\n\r\n",
           "1a\r\n" + payload + "\r\n0\r\nX: \t\xc3\xa4 \t\r\n\r\n"}) {
    CAPTURE(text);
    const Told all = judged(Framing::chunked, text + "GET");
    CHECK(all.verdict == Verdict::complete);
    CHECK(all.accepted == text.size());
    CHECK(all.payload == payload);
    for (size_t cut = 0; cut < text.size(); ++cut) {
      CHECK(judged(Framing::chunked, text.substr(0, cut)).verdict == Verdict::more);
    }
  }
}

TEST_CASE("body: what two recipients could read in two ways is refused at its first wrong byte") {
  struct Wrong {
    std::string_view good;
    std::string_view bad;
  };
  for (const Wrong& wrong : std::vector<Wrong>{{"", "\r\n"},
                                               {"", "\n"},
                                               {"", " 1\r\n"},
                                               {"", "+1\r\n"},
                                               {"", "-1\r\n"},
                                               {"0", "x1\r\n"},
                                               {"1", "g\r\n"},
                                               {"1", "_0\r\n"},
                                               {"1", " \r\n"},
                                               {"1", "\t\r\n"},
                                               {"1", " ;a\r\n"},
                                               {"1", "\n"},
                                               {"1\r", "\r\n"},
                                               {"1\r", "x"},
                                               {"1;", "\r\n"},
                                               {"1;", ";a\r\n"},
                                               {"1;", " a\r\n"},
                                               {"1;", "=a\r\n"},
                                               {"1;a", " =b\r\n"},
                                               {"1;a", "\n"},
                                               {"1;a", "\x01"},
                                               {"1;a=", "\r\n"},
                                               {"1;a=", " b\r\n"},
                                               {"1;a=b", "\n"},
                                               {"1;a=b", "=c\r\n"},
                                               {"1;a=\"", "\r\n"},
                                               {"1;a=\"b\\", "\n"},
                                               {"1;a=\"b", "\n"},
                                               {"1;a=\"b", std::string_view("\0", 1)},
                                               {"1;a=\"b\"", "c\r\n"},
                                               {"1;a=\"b\"", "\n"},
                                               {"1\r\nx", "\n"},
                                               {"1\r\nx", "y\r\n"},
                                               {"1\r\nx\r", "0\r\n"},
                                               {"1\r\nx\r\n", "\r\n"},
                                               {"0\r\n", "\n"},
                                               {"0\r\n", " folded\r\n"},
                                               {"0\r\n", ": empty\r\n"},
                                               {"0\r\n\r", "x"},
                                               {"0\r\nname", " : v\r\n"},
                                               {"0\r\nname", "\r\n"},
                                               {"0\r\nname: v", "\n"},
                                               {"0\r\nname: v", std::string_view("\0", 1)},
                                               {"0\r\nname: v\r", "x"},
                                               {"0\r\nname: v\r\n", " folded\r\n"},
                                               {"0\r\nname: v\r\n", "\tfolded\r\n"},
                                               {"0\r\nContent-Length", ": 3\r\n"},
                                               {"0\r\ntransfer-ENCODING", ": chunked\r\n"},
                                               {"0\r\na: b\r\nHost", ": c\r\n"},
                                               {"0\r\nX-Forwarded-For", ": c\r\n"},
                                               {"0\r\nCookie", ":\r\n"}}) {
    CAPTURE(wrong.good);
    CAPTURE(wrong.bad);
    const Told all = judged(Framing::chunked, std::string(wrong.good) + std::string(wrong.bad));
    CHECK(all.verdict == Verdict::bad);
    CHECK(all.accepted == wrong.good.size());
    CHECK(all.status == 400);
    CHECK(!all.reason.empty());
  }
}

TEST_CASE("body: a chunk's size stays where signed and short counters read it alike") {
  CHECK(judged(Framing::chunked, "7fffffffffffffff\r\n").verdict == Verdict::more);
  for (const std::string_view size : {"8000000000000000", "ffffffffffffffff", "00000000000000001",
                                      "10000000000000000", "10000000000000001"}) {
    const Told all = judged(Framing::chunked, std::string(size) + "\r\nx");
    CHECK(all.verdict == Verdict::bad);
    CHECK(all.accepted < size.size());
  }
}

TEST_CASE("body: limits") {
  const BodyLimits limits{.framing_bytes = 20, .payload_bytes = 5};
  CHECK(judged(Framing::chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 0, limits).verdict ==
        Verdict::complete);
  const Told more = judged(Framing::chunked, "3\r\nabc\r\n3\r\nx", 0, limits);
  CHECK(more.status == 413);
  CHECK(more.payload == "abc");
  CHECK(more.accepted == 10);
  CHECK(judged(Framing::length, "abcdef", 6, limits).status == 413);
  CHECK(judged(Framing::length, "abcde", 5, limits).verdict == Verdict::complete);
  const Told endless = judged(Framing::until_close, "abcdef", 0, limits);
  CHECK(endless.status == 413);
  CHECK(endless.payload == "abcde");
  CHECK(judged(Framing::chunked, "1;aaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 0, limits).status == 431);
  CHECK(judged(Framing::chunked, "1\r\nx\r\n0\r\nTrailer-One: abcdef", 0, limits).status == 431);
}

TEST_CASE("body: payload may pass unseen") {
  BodyScanner scanner(Framing::chunked, 0, {});
  CHECK(scanner.unseen_left() == 0);
  scanner.scan(bytes_of("10\r\nabc"));
  CHECK(scanner.unseen_left() == 13);
  scanner.step_over(13);
  CHECK(scanner.unseen_left() == 0);
  CHECK(scanner.scan(bytes_of("\r\n0\r\n\r\n")).verdict == Verdict::complete);
  CHECK(scanner.payload_bytes() == 16);
}

}  // namespace sluice
