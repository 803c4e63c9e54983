// Direction: pings of the proxy's own and their pongs, and what a rate holds back.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/unit/direction_testing.h"

namespace sluice {
namespace {

using testing::Bytes;
using testing::Fixture;
using testing::frame;

TEST_CASE("a pong of ours goes no further, wherever it stands and however it is cut") {
  constexpr uint32_t tag = 0x01020305;
  uint8_t payload[own_ping_bytes];
  write_own_ping(tag, 77, payload);
  Bytes all = frame(0x81, "before");
  const Bytes pong = frame(0x8a, std::string(payload, payload + sizeof payload));
  all.insert(all.end(), pong.begin(), pong.end());
  const Bytes foreign = frame(0x8a, "12345678");
  all.insert(all.end(), foreign.begin(), foreign.end());
  const Bytes behind = frame(0x82, "behind");
  all.insert(all.end(), behind.begin(), behind.end());
  Bytes expected = frame(0x81, "before");
  expected.insert(expected.end(), foreign.begin(), foreign.end());
  expected.insert(expected.end(), behind.begin(), behind.end());
  for (size_t cut = 1; cut <= all.size(); ++cut) {
    CAPTURE(cut);
    Fixture f;
    OwnPing ping;
    ping.sent(0, 77, 0);
    f.ping = &ping;
    f.rules.own_pong_tag = tag;
    for (size_t at = 0; at < all.size(); at += cut) {
      const size_t end = std::min(at + cut, all.size());
      const auto from = all.begin() + static_cast<ptrdiff_t>(at);
      CHECK(f.feed(Bytes(from, all.begin() + static_cast<ptrdiff_t>(end))) == PumpEnd::waiting);
    }
    CHECK(f.received() == expected);
    CHECK(ping.take_answer());
    CHECK(f.direction.bytes() == expected.size());
    CHECK(f.direction.messages() == 2);
    CHECK(f.direction.at_rest());
  }
}

TEST_CASE("a second pong like ours, and one without a ping, are the peers' own matter") {
  Fixture f;
  OwnPing ping;
  ping.sent(0, 9, 0);
  f.ping = &ping;
  f.rules.own_pong_tag = 5;
  uint8_t payload[own_ping_bytes];
  write_own_ping(5, 9, payload);
  const Bytes pong = frame(0x8a, std::string(payload, payload + sizeof payload));
  Bytes twice = pong;
  twice.insert(twice.end(), pong.begin(), pong.end());
  CHECK(f.feed(twice) == PumpEnd::waiting);
  CHECK(f.received() == pong);
}

TEST_CASE("where the ring wraps in a pong of ours, what is before and behind it stays") {
  constexpr uint32_t ring_bytes = 16 * 1024;
  uint8_t payload[own_ping_bytes];
  write_own_ping(5, 9, payload);
  const Bytes pong = frame(0x8a, std::string(payload, payload + sizeof payload));
  for (size_t begun = 1; begun < pong.size(); ++begun) {
    CAPTURE(begun);
    Fixture f(ring_bytes);
    OwnPing ping;
    ping.sent(0, 9, 0);
    f.ping = &ping;
    f.rules.own_pong_tag = 5;
    // The pong begins so far before the end of the ring that it wraps within; the target takes
    // nothing meanwhile, so that all of it stays in the ring.
    f.target.writable = false;
    const Bytes before =
        frame(0x82, std::string(ring_bytes - close_reserve_bytes - 4 - begun, 'x'));
    Bytes first = before;
    first.insert(first.end(), pong.begin(), pong.begin() + static_cast<ptrdiff_t>(begun));
    f.feed(first);
    f.target.writable = true;
    f.pump();
    Bytes rest(pong.begin() + static_cast<ptrdiff_t>(begun), pong.end());
    const Bytes behind = frame(0x81, "behind");
    rest.insert(rest.end(), behind.begin(), behind.end());
    f.feed(rest);
    Bytes expected = before;
    expected.insert(expected.end(), behind.begin(), behind.end());
    CHECK(f.received() == expected);
    CHECK(ping.take_answer());
  }
}

TEST_CASE("a message beyond what may begin is held back, with what follows it") {
  Fixture f;
  f.rules.most_messages = 2;
  Bytes all;
  for (const char* text : {"one", "two", "three", "four"}) {
    const Bytes one = frame(0x81, text);
    all.insert(all.end(), one.begin(), one.end());
  }
  CHECK(f.feed(all) == PumpEnd::waiting);
  CHECK(f.direction.holds_back());
  CHECK(f.direction.messages() == 2);
  CHECK(f.received() == Bytes(all.begin(), all.begin() + 10));
  CHECK(f.feed(frame(0x81, "five")) == PumpEnd::waiting);  // not read
  CHECK(f.received().empty());
  f.rules.most_messages = 3;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.received() == frame(0x81, "three"));
  f.direction.shrink(f.transits);
  f.rules.most_messages = UINT64_MAX;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK_FALSE(f.direction.holds_back());
  Bytes rest = frame(0x81, "four");
  const Bytes five = frame(0x81, "five");
  rest.insert(rest.end(), five.begin(), five.end());
  CHECK(f.received() == rest);
}

TEST_CASE("no more is received than may come") {
  Fixture f;
  f.most_bytes = 4;
  CHECK(f.feed(frame(0x82, "four bytes and more")) == PumpEnd::more);
  CHECK(f.received().size() == 4);
  f.most_bytes = 0;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.received().empty());
  f.most_bytes = UINT64_MAX;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.received().size() == 17);
}

TEST_CASE("a ping of ours stands between two messages") {
  Fixture f;
  CHECK(f.feed(frame(0x81, "one")) == PumpEnd::waiting);
  REQUIRE(f.direction.at_rest());
  const uint8_t payload[own_ping_bytes] = {1, 2, 3, 4, 5, 6, 7, 8};
  f.direction.inject_ping(f.path(), payload);
  CHECK_FALSE(f.direction.at_rest());
  CHECK(f.feed(frame(0x81, "two")) == PumpEnd::waiting);
  Bytes expected = frame(0x81, "one");
  for (const Bytes& one : {frame(0x89, "\1\2\3\4\5\6\7\10"), frame(0x81, "two")}) {
    expected.insert(expected.end(), one.begin(), one.end());
  }
  CHECK(f.received() == expected);
  CHECK(f.direction.at_rest());
}

}  // namespace
}  // namespace sluice
