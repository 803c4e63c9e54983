// FrameScanner against wslay about every header, and against itself about every split: a verdict
// hangs on the bytes alone.
#include <doctest/doctest.h>
#include <sys/types.h>  // ssize_t, which wslay.h uses
#include <wslay/wslay.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/frames_testing.h"

namespace sluice {
namespace {

using testing::append;
using testing::Bytes;
using testing::Verdict;

// wslay over bytes that it gets one at a time, so that the end of a header is seen.
class Wslay {
 public:
  explicit Wslay(const Bytes& bytes) : bytes_(bytes) {
    const wslay_frame_callbacks callbacks = {nullptr, take, nullptr};
    if (wslay_frame_context_init(&context_, &callbacks, this) != 0) FAIL("no memory");
  }
  ~Wslay() { wslay_frame_context_free(context_); }
  Wslay(const Wslay&) = delete;
  Wslay& operator=(const Wslay&) = delete;

  struct Answer {
    bool refused = false;
    wslay_frame_iocb frame{};
    size_t header_bytes = 0;
  };

  // The next header; one that wslay accepts has at least one byte behind it.
  Answer header() {
    Answer answer;
    const size_t begin = taken_;
    ssize_t received = WSLAY_ERR_WANT_READ;
    while (received == WSLAY_ERR_WANT_READ && taken_ < bytes_.size()) {
      received = wslay_frame_recv(context_, &answer.frame);
    }
    answer.refused = received == WSLAY_ERR_PROTO;
    if (!answer.refused && received < 0) FAIL("wslay says nothing");
    answer.header_bytes = taken_ - begin - answer.frame.data_length;
    return answer;
  }

  // Reads the rest of the payload whose first byte header() took.
  void skip(uint64_t left) {
    wslay_frame_iocb frame{};
    for (; left > 0; left -= frame.data_length) {
      if (wslay_frame_recv(context_, &frame) <= 0) FAIL("wslay reads no payload");
    }
  }

  size_t taken() const { return taken_; }

 private:
  static ssize_t take(uint8_t* out, size_t, int, void* user_data) {
    auto* self = static_cast<Wslay*>(user_data);
    if (self->taken_ == self->bytes_.size()) return -1;
    *out = self->bytes_[self->taken_++];
    return 1;
  }

  wslay_frame_context_ptr context_ = nullptr;
  const Bytes& bytes_;
  size_t taken_ = 0;
};

// Where a header is met, besides its bytes.
struct Setting {
  FrameRules rules;
  bool in_message;
};

// What RFC 6455 and RFC 7692 demand and wslay leaves to others, with the code of who breaks it.
CloseCode judge_rest(uint8_t first, uint8_t second, uint64_t payload, const Setting& setting) {
  const int opcode = first % 16;
  const bool begins = opcode == 1 || opcode == 2;
  const bool rsv1 = first & 0x40;
  const bool rsv23 = first & 0x30;
  const bool masked = second >= 0x80;
  if (rsv23 || (rsv1 && !(setting.rules.deflate && begins))) return CloseCode::protocol_error;
  if ((opcode >= 3 && opcode <= 7) || opcode >= 11) return CloseCode::protocol_error;
  if (masked != setting.rules.expect_masked) return CloseCode::protocol_error;
  if (begins && setting.in_message) return CloseCode::protocol_error;
  if (opcode == 0 && !setting.in_message) return CloseCode::protocol_error;
  if (opcode == 8 && payload == 1) return CloseCode::protocol_error;
  const uint64_t limit = setting.rules.max_message_bytes;
  if (opcode < 8 && limit != 0 && payload > limit) return CloseCode::message_too_big;
  return CloseCode::normal;
}

// The header of one case: two bytes, an extended length, a mask key that changes nothing. Behind it
// payload, all of it in a control frame, else at most one byte.
struct Header {
  Bytes bytes;
  Bytes with_payload;
  uint64_t payload = 0;
};

// Code 1000 and zeros, which is fit for a Close as for anything else.
Bytes payload_bytes(uint64_t size) {
  Bytes payload = testing::Peer::number(1000, 2);
  payload.resize(static_cast<size_t>(size), 0);
  return payload;
}

std::vector<Header> headers_of(uint8_t first, uint8_t second) {
  static const std::vector<uint64_t> lengths16 = {0, 1, 125, 126, 127, 0x7fff, 0x8000, 65535};
  static const std::vector<uint64_t> lengths64 = {0,
                                                  1,
                                                  125,
                                                  126,
                                                  127,
                                                  65535,
                                                  65536,
                                                  uint64_t{1} << 32,
                                                  uint64_t{1} << 62,
                                                  UINT64_MAX >> 1,
                                                  uint64_t{1} << 63,
                                                  UINT64_MAX};
  const uint8_t length = second & 0x7f;
  const size_t extended = length < 126 ? 0 : length == 126 ? 2 : 8;
  const std::vector<uint64_t> lengths = extended == 0   ? std::vector<uint64_t>{length}
                                        : extended == 2 ? lengths16
                                                        : lengths64;
  std::vector<Header> headers;
  for (const uint64_t payload : lengths) {
    Header header{{first, second}, {}, payload};
    if (extended != 0) append(header.bytes, testing::Peer::number(payload, extended));
    if (second >= 0x80) append(header.bytes, Bytes(4, 0));
    header.with_payload = header.bytes;
    append(header.with_payload, payload_bytes(std::min<uint64_t>(payload, first & 8 ? 125 : 1)));
    headers.push_back(std::move(header));
  }
  return headers;
}

// Empty where the scanner says what it should; else what it says.
std::string_view disagreement(const Header& header, const Wslay::Answer& wslay,
                              const Setting& setting) {
  FrameScanner scanner;
  if (setting.in_message) {
    const uint8_t open[] = {0x02, 0x80, 0, 0, 0, 0, 0x02, 0};
    const bool masked = setting.rules.expect_masked;
    const auto own = masked ? std::span(open).first(6) : std::span(open).last(2);
    scanner.scan(own, setting.rules, 0);
  }
  FrameScanner half = scanner;
  const auto cut =
      half.scan(std::span(header.bytes).first(header.bytes.size() - 1), setting.rules, 0);
  if (cut.accepted != 0) return "accepts a header that is not whole";

  const auto seen = scanner.scan(header.with_payload, setting.rules, 0);
  const CloseCode rest = judge_rest(header.bytes[0], header.bytes[1], header.payload, setting);
  if (wslay.refused || rest != CloseCode::normal) {
    const CloseCode code = wslay.refused ? CloseCode::protocol_error : rest;
    if (seen.verdict != Verdict::bad) return "accepts what is bad";
    return seen.accepted == 0 && scanner.code() == code ? "" : "refuses with another code";
  }
  if (cut.verdict != Verdict::good) return "refuses what is good before it is whole";
  if (wslay.header_bytes != header.bytes.size()) return "wslay sees another header";
  if (wslay.frame.payload_length != header.payload) return "wslay sees another length";
  const bool close = header.bytes[0] % 16 == 8;
  if (seen.verdict != (close ? Verdict::closed : Verdict::good)) return "refuses what is good";
  if (seen.accepted != header.with_payload.size()) return "sees a header of another size";
  const size_t payload_seen = seen.accepted - wslay.header_bytes;
  return scanner.payload_left() == header.payload - payload_seen ? "" : "sees another length";
}

TEST_CASE("frames: every header is judged as wslay and the rules that it leaves out judge it") {
  std::vector<Setting> settings;
  for (unsigned bits = 0; bits < 16; ++bits) {
    FrameRules rules;
    rules.expect_masked = bits & 1;
    rules.deflate = bits & 2;
    rules.max_message_bytes = bits & 4 ? 65535 : 0;
    settings.push_back({rules, (bits & 8) != 0});
  }
  size_t accepted_by_wslay = 0;
  size_t wrong = 0;
  for (uint32_t two = 0; two <= UINT16_MAX; ++two) {
    for (const Header& header :
         headers_of(static_cast<uint8_t>(two >> 8), static_cast<uint8_t>(two & 0xff))) {
      Bytes bytes = header.bytes;
      bytes.push_back(0);  // wslay does not tell of a header alone
      const Wslay::Answer wslay = Wslay(bytes).header();
      if (!wslay.refused) ++accepted_by_wslay;
      for (const Setting& setting : settings) {
        const std::string_view found = disagreement(header, wslay, setting);
        if (found.empty() || ++wrong > 10) continue;
        CAPTURE(two);
        CAPTURE(header.payload);
        CAPTURE(setting.rules.expect_masked);
        CAPTURE(setting.in_message);
        FAIL_CHECK(found);
      }
    }
  }
  CHECK(wrong == 0);
  // Of data frames 126 short lengths and 5 and 4 longer ones, of final control frames the short
  // ones, each with a mask and without.
  CHECK(accepted_by_wslay == 2 * (128 * (126 + 5 + 4) + 64 * 126));
}

using Random = std::mt19937_64;

// A frame as it would be sent, with a random mask key.
Bytes frame(Random& random, bool masked, int first, const std::string& payload) {
  const size_t size = payload.size();
  const size_t extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
  const size_t length = extended == 0 ? size : extended == 2 ? 126 : 127;
  Bytes bytes{static_cast<uint8_t>(first), static_cast<uint8_t>(length + (masked ? 128 : 0))};
  if (extended != 0) append(bytes, testing::Peer::number(size, extended));
  const Bytes key = testing::Peer::number(masked ? random() : 0, 4);
  if (masked) append(bytes, key);
  for (size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<uint8_t>(payload[i] ^ key[i % 4]));
  }
  return bytes;
}

std::string random_text(Random& random) {
  static const std::string characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  static const size_t sizes[] = {0, 1, 5, 60, 125, 126, 127, 300};
  const size_t size = random() % 24 == 0 ? 65500 + random() % 80 : sizes[random() % 8];
  std::string text;
  while (text.size() < size) text += characters[random() % 4];
  return text;
}

// Whole messages in fragments with control frames between them.
Bytes random_stream(Random& random, const FrameRules& rules) {
  const bool masked = rules.expect_masked;
  Bytes bytes;
  for (size_t message = random() % 12; message > 0; --message) {
    const std::string text = random_text(random);
    const int rsv1 = rules.deflate && random() % 2 == 0 ? 0x40 : 0;
    int opcode = rsv1 | (random() % 2 == 0 ? 0x01 : 0x02);
    size_t at = 0;
    for (size_t fragments = 1 + random() % 4; fragments > 1; --fragments) {
      const size_t size = random() % (text.size() - at + 1);
      append(bytes, frame(random, masked, opcode, text.substr(at, size)));
      at += size;
      opcode = 0;
      if (random() % 3 != 0) continue;
      const std::string payload(random() % 126, static_cast<char>(random() % 128));
      append(bytes, frame(random, masked, random() % 2 == 0 ? 0x89 : 0x8a, payload));
    }
    append(bytes, frame(random, masked, 0x80 | opcode, text.substr(at)));
  }
  return bytes;
}

// What a scanner tells of its place.
struct Place {
  uint64_t payload_left = 0;
  uint64_t into_frame = 0;
  uint64_t messages = 0;
  bool known = false;
  bool operator==(const Place&) const = default;
};

struct Seen {
  size_t accepted = 0;
  Verdict verdict = Verdict::good;
  Place place{0, 0, 0, true};
  CloseCode code = CloseCode::normal;
  std::string reason;
  uint16_t peer_close_code = 0;
  bool operator==(const Seen&) const = default;
};

// Offers bytes in pieces, what was not accepted again with more behind it, and remembers the place
// after each count of accepted bytes.
class Feeder {
 public:
  Feeder(const Bytes& bytes, const FrameRules& rules)
      : bytes_(bytes), rules_(rules), places_(bytes.size() + 1) {}

  template <typename PieceBytes>
  Seen feed(PieceBytes piece_bytes) {
    FrameScanner scanner;
    Seen seen;
    for (size_t there = 0; there < bytes_.size();) {
      there += std::min<size_t>(bytes_.size() - there, piece_bytes());
      // A copy of its own, so that the sanitizer sees a look past the end.
      const Bytes piece(bytes_.data() + seen.accepted, bytes_.data() + there);
      const auto result = scanner.scan(piece, rules_, 0);
      if (seen.verdict != Verdict::good && result.accepted != 0) ++wrong_;
      seen.accepted += result.accepted;
      seen.verdict = result.verdict;
      if (seen.verdict == Verdict::good && there - seen.accepted > 130) ++wrong_;
      seen.place = {scanner.payload_left(), scanner.into_frame(), scanner.messages(), true};
      if (scanner.at_boundary() != (seen.place.into_frame == 0)) ++wrong_;
      if (renewed_ && scanner.at_rest()) {
        const FrameScanner::Lasting rest = scanner.lasting();
        scanner = FrameScanner(rest);
      }
      Place& place = places_[seen.accepted];
      if (!place.known) place = seen.place;
      if (!(place == seen.place)) ++wrong_;
    }
    seen.code = scanner.code();
    seen.reason = scanner.reason();
    seen.peer_close_code = scanner.peer_close_code();
    return seen;
  }

  // From here on a scanner that is at rest is made anew of what it says is left of it.
  void renew_at_rest() { renewed_ = true; }

  // Promises of frames.h that were broken, among them that a place hangs on the bytes alone.
  size_t wrong() const { return wrong_; }
  const std::vector<Place>& places() const { return places_; }

 private:
  const Bytes& bytes_;
  const FrameRules rules_;
  std::vector<Place> places_;
  size_t wrong_ = 0;
  bool renewed_ = false;
};

// The same bytes in one call, in single bytes and in random pieces; a last byte alone is an
// accepted byte of its own, so that single bytes know every place.
Seen feed_all_ways(Random& random, Feeder& feeder) {
  const Seen bytewise = feeder.feed([] { return size_t{1}; });
  CHECK(feeder.feed([] { return SIZE_MAX; }) == bytewise);
  for (const size_t most : {3u, 20u, 400u, 20000u}) {
    CHECK(feeder.feed([&random, most] { return 1 + random() % most; }) == bytewise);
  }
  feeder.renew_at_rest();
  CHECK(feeder.feed([] { return size_t{1}; }) == bytewise);
  CHECK(feeder.feed([&random] { return 1 + random() % 20; }) == bytewise);
  CHECK(feeder.wrong() == 0);
  return bytewise;
}

FrameRules random_rules(Random& random) {
  FrameRules rules;
  rules.expect_masked = random() % 2;
  rules.deflate = random() % 2;
  rules.validate_utf8 = random() % 2;
  return rules;
}

TEST_CASE("frames: good frames have wslay's boundaries, however they are split") {
  Random random(20240607);
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    const FrameRules rules = random_rules(random);
    const Bytes bytes = random_stream(random, rules);
    Feeder feeder(bytes, rules);
    const Seen seen = feed_all_ways(random, feeder);
    CHECK(seen.verdict == Verdict::good);
    CHECK(seen.accepted == bytes.size());

    size_t wrong = 0;
    uint64_t messages = 0;
    Wslay wslay(bytes);
    while (wslay.taken() < bytes.size()) {
      const size_t begin = wslay.taken();
      const Wslay::Answer header = wslay.header();
      const size_t payload = static_cast<size_t>(header.frame.payload_length);
      wslay.skip(payload - header.frame.data_length);
      if (header.frame.opcode == 1 || header.frame.opcode == 2) ++messages;
      const size_t end = begin + header.header_bytes + payload;
      for (size_t at = begin + 1; at <= end; ++at) {
        const Place& place = feeder.places()[at];
        const bool inside = at >= begin + header.header_bytes && header.frame.opcode < 8;
        if (place.known != (inside || at == end)) ++wrong;
        if (!place.known) continue;
        if (place.payload_left != end - at || place.messages != messages) ++wrong;
        if (place.into_frame != (at == end ? 0 : at - begin)) ++wrong;
      }
    }
    CHECK(wrong == 0);
    CHECK(seen.place.messages == messages);
  }
}

TEST_CASE("frames: bad and broken frames have one verdict, however they are split") {
  Random random(20240608);
  size_t bad = 0;
  size_t closed = 0;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    FrameRules rules = random_rules(random);
    if (random() % 4 == 0) rules.max_message_bytes = 1 + random() % 200;
    Bytes bytes = random_stream(random, rules);
    if (bytes.size() > 5000) bytes.resize(5000);
    for (uint64_t damage = random() % 3; damage > 0 && !bytes.empty(); --damage) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    if (random() % 2 == 0) append(bytes, frame(random, rules.expect_masked, 0x88, "\x03\xe8 bye"));
    append(bytes, testing::Peer::number(random(), random() % 8));
    Feeder feeder(bytes, rules);
    const Seen seen = feed_all_ways(random, feeder);
    if (seen.verdict == Verdict::bad) ++bad;
    if (seen.verdict == Verdict::closed) ++closed;
    CHECK((seen.code == CloseCode::normal) == (seen.verdict != Verdict::bad));
    CHECK((seen.peer_close_code != 0) == (seen.verdict == Verdict::closed));
  }
  CHECK(bad > 100);  // else too little was damaged
  CHECK(closed > 20);
}

}  // namespace
}  // namespace sluice
