// FrameScanner against the frames table of protocol/BAD_INPUT.md and its accounting, for both
// peers; frames_limits_test.cc has the limits, frames_wslay_test.cc compares it with wslay and with
// itself over split bytes.
#include "protocol/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/frames_testing.h"

namespace sluice {
namespace {

using testing::append;
using testing::Bytes;
using testing::close_payload;
using testing::passes;
using testing::Peer;
using testing::peers;
using testing::scan;
using testing::scan_bytewise;
using testing::Verdict;

// One row of protocol/BAD_INPUT.md: what may travel, then what may not.
struct Row {
  Bytes good;
  Bytes bad;
  CloseCode code;
  std::string_view reason;
  bool deflate = false;
  bool validate_utf8 = false;
};

constexpr std::string_view broken_reasons[] = {"\xff", "cut \xe2\x82", "\xc0\x80", "\xed\xa0\x80 ",
                                               "caf\xc3\xa9 \xc3("};

void add_header_rows(std::vector<Row>& rows, const Peer& peer) {
  constexpr CloseCode code = CloseCode::protocol_error;
  const Peer other{!peer.masks};
  const std::string_view mask = peer.masks ? std::string_view("unmasked frame from a client")
                                           : std::string_view("masked frame from an upstream");
  for (const int first : {0x82, 0x01, 0x88, 0x89, 0x8a}) {
    rows.push_back({{}, other.frame(first, "four"), code, mask});
    rows.push_back({{}, other.frame(first, ""), code, mask});
  }
  for (const int first : {0xc1, 0xc2, 0xa1, 0x92, 0x31, 0xa8, 0x99, 0xca, 0xf2}) {
    rows.push_back({{}, peer.frame(first, "bits"), code, "reserved bit set"});
  }
  for (const int first : {0xe1, 0xd2, 0xc8, 0xc9, 0xca}) {
    rows.push_back({{}, peer.frame(first, "bits"), code, "reserved bit set", true});
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    rows.push_back({{}, peer.frame(0x80 | opcode, ""), code, "reserved opcode"});
    rows.push_back({{}, peer.frame(opcode, "open"), code, "reserved opcode"});
  }
  const Bytes data = peer.frame(0x82, "data");
  for (const uint64_t length : {0u, 1u, 125u}) {
    const Bytes bad = peer.damaged(0x82, 126, Peer::number(length, 2), "payload");
    rows.push_back({data, bad, code, "length not in its shortest form"});
  }
  for (const uint64_t length : {0u, 125u, 126u, 65535u}) {
    const Bytes bad = peer.damaged(0x01, 127, Peer::number(length, 8), "payload");
    rows.push_back({data, bad, code, "length not in its shortest form"});
  }
  for (const uint64_t length : {uint64_t{1} << 63, UINT64_MAX}) {
    const Bytes bad = peer.damaged(0x82, 127, Peer::number(length, 8), "payload");
    rows.push_back({data, bad, code, "top bit of a 64-bit length set"});
  }
}

void add_order_rows(std::vector<Row>& rows, const Peer& peer) {
  constexpr CloseCode code = CloseCode::protocol_error;
  const Bytes whole = peer.frame(0x81, "whole");
  const Bytes open = peer.frame(0x01, "open");
  for (const int first : {0x08, 0x09, 0x0a}) {
    rows.push_back({open, peer.frame(first, ""), code, "fragmented control frame"});
    const Bytes long_one = peer.frame(0x80 | first, std::string(126, 'x'));
    const Bytes longer_one = peer.frame(0x80 | first, std::string(65536, 'x'));
    rows.push_back({whole, long_one, code, "control frame over 125 bytes"});
    rows.push_back({open, longer_one, code, "control frame over 125 bytes"});
  }
  for (const int first : {0x00, 0x80}) {
    const std::string_view reason = "continuation frame without a message";
    rows.push_back({{}, peer.frame(first, "more"), code, reason});
    rows.push_back({whole, peer.frame(first, ""), code, reason});
    Bytes ended = open;
    append(ended, peer.frame(0x80, ""));
    rows.push_back({ended, peer.frame(first, "more"), code, reason});
  }
  Bytes open_and_ping = open;
  append(open_and_ping, peer.frame(0x89, "ping"));
  for (const int first : {0x01, 0x02, 0x81, 0x82}) {
    const std::string_view reason = "new message inside a fragmented message";
    rows.push_back({open, peer.frame(first, "new"), code, reason});
    rows.push_back({open_and_ping, peer.frame(first, ""), code, reason});
  }
  const Bytes compressed = peer.frame(0x41, "open");
  for (const int first : {0x40, 0xc0}) {
    rows.push_back({compressed, peer.frame(first, "more"), code, "reserved bit set", true});
  }
  rows.push_back({open, peer.frame(0x88, "1"), code, "Close with one byte of payload"});
  for (const std::string_view reason : broken_reasons) {
    const Bytes close = peer.frame(0x88, close_payload(1000, reason));
    rows.push_back(
        {whole, close, CloseCode::invalid_data, "Close reason is not UTF-8", false, true});
  }
}

TEST_CASE("frames: each row of bad frames has its code, and only what is before it travels") {
  for (const Peer& peer : peers) {
    std::vector<Row> rows;
    add_header_rows(rows, peer);
    add_order_rows(rows, peer);
    for (const Row& row : rows) {
      Bytes bytes = row.good;
      append(bytes, row.bad);
      append(bytes, peer.frame(0x82, "what follows"));
      CAPTURE(peer.masks);
      CAPTURE(row.reason);
      FrameRules rules = peer.rules();
      rules.deflate = row.deflate;
      rules.validate_utf8 = row.validate_utf8;
      FrameScanner scanner;
      FrameScanner bytewise;
      for (const auto& seen :
           {scan(scanner, bytes, rules), scan_bytewise(bytewise, bytes, rules)}) {
        CHECK(seen.verdict == Verdict::bad);
        CHECK(seen.accepted == row.good.size());
      }
      for (const FrameScanner& judge : {scanner, bytewise}) {
        CHECK(judge.code() == row.code);
        CHECK(std::string_view(judge.reason()) == row.reason);
        CHECK(judge.at_boundary());
      }
      const auto later = scan(scanner, peer.frame(0x82, "what follows"), rules);
      CHECK(later.verdict == Verdict::bad);
      CHECK(later.accepted == 0);
    }
  }
}

TEST_CASE("frames: Close codes pass exactly where they may stand on the wire") {
  size_t wrong = 0;
  for (const Peer& peer : peers) {
    for (uint32_t code = 0; code <= UINT16_MAX; ++code) {
      const auto number = static_cast<uint16_t>(code);
      const Bytes close =
          peer.frame(0x88, close_payload(number, code % 2 == 0 ? "" : "caf\xc3\xa9"));
      FrameScanner scanner;
      const auto seen = scan(scanner, close, peer.rules());
      if (close_code_allowed_on_wire(number)) {
        if (seen.verdict != Verdict::closed || seen.accepted != close.size()) ++wrong;
        if (scanner.peer_close_code() != number) ++wrong;
      } else {
        if (seen.verdict != Verdict::bad || seen.accepted != 0) ++wrong;
        if (scanner.code() != CloseCode::protocol_error) ++wrong;
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("frames: a Close's broken reason loses its tail where text is not validated") {
  constexpr size_t kept[] = {0, 4, 0, 0, 6};
  for (const Peer& peer : peers) {
    for (size_t i = 0; i < std::size(kept); ++i) {
      const std::string_view reason = broken_reasons[i];
      CAPTURE(peer.masks);
      CAPTURE(reason);
      const Bytes before = peer.frame(0x82, "before");
      Bytes bytes = before;
      append(bytes, peer.frame(0x88, close_payload(4321, reason)));
      append(bytes, peer.frame(0x82, "behind"));
      Bytes wanted = before;
      append(wanted, peer.frame(0x88, close_payload(4321, reason.substr(0, kept[i]))));

      FrameScanner scanner;
      const auto seen = scan(scanner, bytes, peer.rules());
      CHECK(seen.verdict == Verdict::closed);
      CHECK(scanner.peer_close_code() == 4321);
      REQUIRE(seen.changed_at == before.size() + 1);
      bytes[seen.changed_at] = seen.changed_to;
      bytes.resize(seen.accepted);
      CHECK(bytes == wanted);
      CHECK(scan(scanner, bytes, peer.rules()).changed_at == 0);

      FrameScanner again;  // nothing is left to be mended
      const auto mended = scan(again, bytes, peer.rules());
      CHECK(mended.verdict == Verdict::closed);
      CHECK(mended.accepted == bytes.size());
      CHECK(mended.changed_at == 0);
    }
  }
}

TEST_CASE("frames: an empty Close is 1005, and what follows a Close is not accepted") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    Bytes bytes = peer.frame(0x01, "open");
    append(bytes, peer.frame(0x88, ""));
    const size_t to_close = bytes.size();
    append(bytes, peer.frame(0x80, "too late"));
    append(bytes, {0xff, 0xff});
    FrameScanner scanner;
    FrameScanner bytewise;
    for (const auto& seen :
         {scan(scanner, bytes, peer.rules()), scan_bytewise(bytewise, bytes, peer.rules())}) {
      CHECK(seen.verdict == Verdict::closed);
      CHECK(seen.accepted == to_close);
    }
    CHECK(scanner.peer_close_code() == 1005);
    CHECK(scan(scanner, peer.frame(0x81, "too late"), peer.rules()).accepted == 0);

    FrameScanner longest;
    const Bytes close = peer.frame(0x88, close_payload(4999, std::string(123, 'r')));
    CHECK(scan(longest, close, peer.rules()).verdict == Verdict::closed);
    CHECK(longest.peer_close_code() == 4999);
  }
}

TEST_CASE("frames: RSV1 is legal on first frames once deflate was accepted") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    FrameRules rules = peer.rules();
    rules.deflate = true;
    FrameScanner scanner;
    for (const int first : {0xc1, 0xc2, 0x81, 0x82}) {
      CHECK(passes(scanner, peer.frame(first, "short"), rules));
      CHECK(passes(scanner, peer.frame(first, std::string(200, 'l')), rules));
    }
    CHECK(passes(scanner, peer.frame(0x42, "open"), rules));
    CHECK(passes(scanner, peer.frame(0x89, "not compressed"), rules));
    CHECK(passes(scanner, peer.frame(0x80, "end"), rules));
    CHECK(scanner.messages() == 9);
  }
}

TEST_CASE("frames: control frames between fragments leave the message as it is") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    FrameScanner scanner;
    CHECK(passes(scanner, peer.frame(0x02, "one"), peer.rules()));
    CHECK(passes(scanner, peer.frame(0x89, std::string(125, 'p')), peer.rules()));
    CHECK(passes(scanner, peer.frame(0x00, ""), peer.rules()));
    CHECK(passes(scanner, peer.frame(0x8a, ""), peer.rules()));
    CHECK(passes(scanner, peer.frame(0x80, "two"), peer.rules()));
    CHECK(scanner.messages() == 1);
    CHECK(passes(scanner, peer.frame(0x82, "next"), peer.rules()));
    CHECK(scanner.messages() == 2);
  }
}

TEST_CASE("frames: text is validated across fragments, masks and frames between them") {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  for (const Peer& peer : peers) {
    FrameRules rules = peer.rules();
    rules.validate_utf8 = true;
    for (size_t i = 0; i <= text.size(); ++i) {
      for (size_t j = i; j <= text.size(); ++j) {
        Bytes bytes = peer.frame(0x01, text.substr(0, i), 0x01020304);
        append(bytes, peer.frame(0x89, "\xff no text", 0x9f8e7d6c));
        append(bytes, peer.frame(0x00, text.substr(i, j - i), 0xa1b2c3d4));
        append(bytes, peer.frame(0x80, text.substr(j), 0xfffefdfc));
        append(bytes, peer.frame(0x81, text, 0x55aa55aa));
        FrameScanner scanner;
        FrameScanner bytewise;
        CHECK(passes(scanner, bytes, rules));
        CHECK(scan_bytewise(bytewise, bytes, rules).accepted == bytes.size());
        CHECK(scanner.messages() == 2);
      }
    }
  }
}

TEST_CASE("frames: text that is not UTF-8 travels up to its first bad byte") {
  for (const Peer& peer : peers) {
    FrameRules rules = peer.rules();
    rules.validate_utf8 = true;
    for (const size_t size : {1u, 9u, 125u, 126u, 1000u, 65536u}) {
      for (const size_t place : {size_t{0}, size / 2, size - 1}) {
        CAPTURE(peer.masks);
        CAPTURE(size);
        CAPTURE(place);
        std::string text(size, 't');
        text[place] = static_cast<char>(0xc3);  // bad where `t` follows, or nothing
        const size_t bad = place == size - 1 ? place : place + 1;
        const Bytes bytes = peer.frame(0x81, text);
        FrameScanner scanner;
        FrameScanner bytewise;
        for (const auto& seen :
             {scan(scanner, bytes, rules), scan_bytewise(bytewise, bytes, rules)}) {
          CHECK(seen.verdict == Verdict::bad);
          CHECK(seen.accepted == bytes.size() - size + bad);
        }
        CHECK(scanner.code() == CloseCode::invalid_data);
        CHECK(scanner.payload_left() == size - bad);
        CHECK(scanner.into_frame() == bytes.size() - size + bad);
      }
    }
  }
}

TEST_CASE("frames: only text is validated, only where asked, and not what is compressed") {
  const std::string bad = "\xff\xfe";
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    FrameRules rules = peer.rules();
    FrameScanner scanner;
    CHECK(passes(scanner, peer.frame(0x81, bad), rules));
    rules.validate_utf8 = true;
    rules.deflate = true;
    CHECK(passes(scanner, peer.frame(0x82, bad), rules));
    CHECK(passes(scanner, peer.frame(0xc1, bad), rules));
    for (const int first : {0x02, 0x41}) {
      CHECK(passes(scanner, peer.frame(first, bad), rules));
      CHECK(passes(scanner, peer.frame(0x00, "\xc3"), rules));
      CHECK(passes(scanner, peer.frame(0x80, ""), rules));
    }
    CHECK(passes(scanner, peer.frame(0x01, "\xc3"), rules));
    const auto seen = scan(scanner, peer.frame(0x80, ""), rules);  // ends inside a character
    CHECK(seen.verdict == Verdict::bad);
    CHECK(seen.accepted == 0);
    CHECK(scanner.code() == CloseCode::invalid_data);
  }
}

}  // namespace
}  // namespace sluice
