// Direction over socket pairs: what goes in comes out, rings are borrowed and given back, Close
// frames of ours stand at boundaries only.
#include "core/session/direction.h"

#include <doctest/doctest.h>

#include <string>

#include "net/sys.h"
#include "tests/unit/direction_testing.h"

namespace sluice {
namespace {

using testing::Bytes;
using testing::Fixture;
using testing::frame;

TEST_CASE("a whole frame passes and leaves no ring behind") {
  Fixture f;
  const Bytes sent = frame(0x82, "hello");
  CHECK(f.feed(sent) == PumpEnd::waiting);
  CHECK(f.received() == sent);
  CHECK(f.buffers.lent() == 0);
  CHECK(f.buffers.lent_blocks() == 0);
  CHECK(f.direction.bytes() == sent.size());
  CHECK(f.direction.messages() == 1);
}

TEST_CASE("a frame in single bytes passes and only a block is held in its header") {
  Fixture f;
  const Bytes sent = frame(0x82, std::string(300, 'x'));
  Bytes all;
  for (size_t i = 0; i < sent.size(); ++i) {
    CHECK(f.feed({sent[i]}) == PumpEnd::waiting);
    const Bytes part = f.received();
    all.insert(all.end(), part.begin(), part.end());
    CHECK(f.buffers.lent() == 0);
    CHECK(f.buffers.lent_blocks() == (i < 3 ? 1 : 0));
  }
  CHECK(all == sent);
}

TEST_CASE("an incomplete control frame reaches nobody") {
  Fixture f;
  const Bytes ping = frame(0x89, "are you there");
  CHECK(f.feed(Bytes(ping.begin(), ping.end() - 1)) == PumpEnd::waiting);
  CHECK(f.received().empty());
  CHECK(f.feed({ping.back()}) == PumpEnd::waiting);
  CHECK(f.received() == ping);
}

TEST_CASE("a bad frame is told, what was before it is delivered") {
  Fixture f;
  Bytes bytes = frame(0x82, "good");
  const Bytes good = bytes;
  const Bytes bad = frame(0xf2, "reserved bits");
  bytes.insert(bytes.end(), bad.begin(), bad.end());
  CHECK(f.feed(bytes) == PumpEnd::faulty);
  CHECK(f.direction.fault_code() == CloseCode::protocol_error);
  CHECK(f.direction.close_with(f.path(), CloseCode::internal_error, MidFrame::give_up));
  CHECK(f.pump() == PumpEnd::waiting);
  Bytes expected = good;
  const Bytes close{0x88, 2, 0x03, 0xf3};
  expected.insert(expected.end(), close.begin(), close.end());
  CHECK(f.received() == expected);
}

TEST_CASE("nothing follows a Close") {
  Fixture f;
  Bytes bytes = frame(0x88, std::string("\x03\xe8", 2));
  const Bytes close = bytes;
  const Bytes more = frame(0x82, "too late");
  bytes.insert(bytes.end(), more.begin(), more.end());
  CHECK(f.feed(bytes) == PumpEnd::closed);
  CHECK(f.feed(more) == PumpEnd::waiting);
  CHECK(f.received() == close);
  CHECK(f.direction.mode() == Direction::Mode::draining);
}

TEST_CASE("a Close with a broken reason is shortened, wherever the ring wraps in it") {
  const std::string payload = std::string("\x10\xe1", 2) + std::string(40, 'r');
  const Bytes close = frame(0x88, payload + "\xe2\x82");
  for (size_t before = 2; before < 60; ++before) {
    CAPTURE(before);
    Fixture f(16 * 1024);
    // The first recv fills the ring up to the reserve; its last byte begins the frame before the
    // Close, so that the ring stays.
    const size_t first_bytes = f.buffers.full_bytes() - close_reserve_bytes;
    Bytes bytes = frame(0x82, std::string(first_bytes - 1 - 4, 'f'));
    Bytes expected = bytes;
    const Bytes between = frame(0x82, std::string(before - 2, 'b'));
    bytes.push_back(between[0]);
    REQUIRE(f.feed(bytes) == PumpEnd::more);
    bytes.assign(between.begin() + 1, between.end());
    bytes.insert(bytes.end(), close.begin(), close.end());
    CHECK(f.feed(bytes) == PumpEnd::closed);
    CHECK(f.pump() == PumpEnd::waiting);
    expected.insert(expected.end(), between.begin(), between.end());
    const Bytes shortened = frame(0x88, payload);
    expected.insert(expected.end(), shortened.begin(), shortened.end());
    CHECK(f.received() == expected);
    CHECK(f.direction.bytes() == expected.size());
    CHECK(f.direction.peer_close_code() == 4321);
  }
}

TEST_CASE("a Close of ours waits for the frame's end when its source goes on") {
  Fixture f;
  const Bytes sent = frame(0x82, std::string(1000, 'y'));
  CHECK(f.feed(Bytes(sent.begin(), sent.begin() + 500)) == PumpEnd::waiting);
  REQUIRE(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_end));
  CHECK(f.direction.mode() == Direction::Mode::finishing);
  Bytes rest(sent.begin() + 500, sent.end());
  const Bytes next = frame(0x82, "not any more");
  rest.insert(rest.end(), next.begin(), next.end());
  CHECK(f.feed(rest) == PumpEnd::waiting);
  Bytes expected = sent;
  const Bytes close{0x88, 2, 0x03, 0xe9};
  expected.insert(expected.end(), close.begin(), close.end());
  CHECK(f.received() == expected);
}

TEST_CASE("a Close of ours can wait for the end of the whole message") {
  Fixture f;
  Bytes expected = frame(0x01, "one");
  CHECK(f.feed(expected) == PumpEnd::waiting);
  REQUIRE(f.direction.close_with(f.path(), CloseCode::service_restart, MidFrame::await_message));
  CHECK(f.direction.mode() == Direction::Mode::finishing);
  for (const Bytes& part : {frame(0x89, "ping"), frame(0x00, std::string(300, 'y'))}) {
    CHECK(f.feed(part) == PumpEnd::waiting);
    expected.insert(expected.end(), part.begin(), part.end());
    CHECK(f.direction.mode() == Direction::Mode::finishing);
  }
  Bytes rest = frame(0x80, "three");
  expected.insert(expected.end(), rest.begin(), rest.end());
  const Bytes next = frame(0x81, "not any more");
  rest.insert(rest.end(), next.begin(), next.end());
  CHECK(f.feed(rest) == PumpEnd::waiting);
  const Bytes close{0x88, 2, 0x03, 0xf4};
  expected.insert(expected.end(), close.begin(), close.end());
  CHECK(f.received() == expected);
  CHECK(f.direction.mode() == Direction::Mode::draining);
}

TEST_CASE("a Close that waits keeps its reason, and has room behind a ring that is full") {
  constexpr uint32_t ring_bytes = 16 * 1024;
  Fixture f(ring_bytes);
  const std::string reason(max_close_reason_bytes, 'r');
  Bytes expected = frame(0x01, "one");
  CHECK(f.feed(expected) == PumpEnd::waiting);
  REQUIRE(f.direction.close_with(f.path(), CloseCode::service_restart, MidFrame::await_message,
                                 reason));
  // The first one's code and reason stay, whatever is said meanwhile.
  REQUIRE(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_message, "no"));
  const Bytes rest = frame(0x80, std::string(ring_bytes - close_reserve_bytes - 4, 'y'));
  f.feed(rest);
  REQUIRE(f.direction.mode() == Direction::Mode::draining);
  expected.insert(expected.end(), rest.begin(), rest.end());
  const Bytes close = frame(0x88, "\x03\xf4" + reason);
  expected.insert(expected.end(), close.begin(), close.end());
  CHECK(f.received() == expected);
}

TEST_CASE("a Close that waits for a message's end can be told to go at the next frame") {
  Fixture f;
  CHECK(f.feed(frame(0x01, "one")) == PumpEnd::waiting);
  REQUIRE(f.direction.close_with(f.path(), CloseCode::service_restart, MidFrame::await_message));
  REQUIRE(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_end));
  CHECK(f.direction.mode() == Direction::Mode::draining);

  // And a peer's own Close, in the middle of its message, is the one that counts.
  Fixture other;
  CHECK(other.feed(frame(0x01, "one")) == PumpEnd::waiting);
  REQUIRE(other.direction.close_with(other.path(), CloseCode::service_restart,
                                     MidFrame::await_message));
  CHECK(other.feed({0x88, 2, 0x0f, 0xa0}) == PumpEnd::closed);
  CHECK(other.direction.peer_close_code() == 4000);
}

TEST_CASE("between messages a Close that waits for none goes at once") {
  Fixture f;
  CHECK(f.feed(frame(0x81, "whole")) == PumpEnd::waiting);
  CHECK(f.feed({0x81}) == PumpEnd::waiting);
  f.received();
  REQUIRE(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_message));
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.received() == Bytes{0x88, 2, 0x03, 0xe9});
}

TEST_CASE("inside a frame of a source that is gone there is no Close") {
  Fixture f;
  const Bytes sent = frame(0x82, std::string(1000, 'z'));
  CHECK(f.feed(Bytes(sent.begin(), sent.begin() + 500)) == PumpEnd::waiting);
  CHECK_FALSE(f.direction.close_with(f.path(), CloseCode::internal_error, MidFrame::give_up));
}

TEST_CASE("what was not sent of a frame is taken back for a Close") {
  Fixture f;
  f.target.writable = false;
  const Bytes whole = frame(0x82, "whole");
  const Bytes broken = frame(0x82, std::string(1000, 'b'));
  Bytes bytes = whole;
  bytes.insert(bytes.end(), broken.begin(), broken.begin() + 600);
  CHECK(f.feed(bytes) == PumpEnd::waiting);
  CHECK(f.direction.close_with(f.path(), CloseCode::internal_error, MidFrame::give_up));
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::waiting);
  Bytes expected = whole;
  const Bytes close{0x88, 2, 0x03, 0xf3};
  expected.insert(expected.end(), close.begin(), close.end());
  CHECK(f.received() == expected);
}

TEST_CASE("an end without a Close stands behind the last whole frame") {
  Fixture f;
  f.target.writable = false;
  const Bytes whole = frame(0x82, "whole");
  const Bytes broken = frame(0x82, std::string(1000, 'b'));
  Bytes bytes = whole;
  bytes.insert(bytes.end(), broken.begin(), broken.begin() + 600);
  CHECK(f.feed(bytes) == PumpEnd::waiting);
  REQUIRE(f.direction.end_without_close(f.path()));
  CHECK(f.direction.mode() == Direction::Mode::ended);
  CHECK_FALSE(f.direction.delivered());
  f.target.writable = true;
  CHECK(f.feed(frame(0x82, "not any more")) == PumpEnd::waiting);
  CHECK(f.received() == whole);
  // A Close may not follow it.
  CHECK(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_end));
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.received().empty());

  Fixture resting;
  REQUIRE(resting.direction.end_without_close(resting.path()));
  CHECK(resting.direction.over());
  CHECK(resting.transits.lent() == 0);
}

TEST_CASE("inside a frame of which some was sent there is no end but an abort") {
  Fixture f;
  const Bytes sent = frame(0x82, std::string(1000, 'z'));
  CHECK(f.feed(Bytes(sent.begin(), sent.begin() + 500)) == PumpEnd::waiting);
  CHECK_FALSE(f.direction.end_without_close(f.path()));

  Fixture owed;
  CHECK(owed.feed(Bytes(sent.begin(), sent.begin() + 500)) == PumpEnd::waiting);
  REQUIRE(owed.direction.close_with(owed.path(), CloseCode::going_away, MidFrame::await_end));
  CHECK_FALSE(owed.direction.end_without_close(owed.path()));
}

TEST_CASE("FIN and a lost target are told once") {
  Fixture f;
  sys::shutdown_write(f.source_pair[1]);
  CHECK(f.pump() == PumpEnd::source_ended);
  CHECK(f.pump() == PumpEnd::waiting);

  Fixture g;
  sys::close(g.target_pair[1]);
  g.target_pair[1] = -1;
  CHECK(g.feed(frame(0x82, "for nobody")) == PumpEnd::target_failed);
  CHECK(g.pump() == PumpEnd::waiting);
  CHECK(g.direction.mode() == Direction::Mode::draining);
}

TEST_CASE("a target that takes nothing stops the source, and the remainder moves to a small ring") {
  Fixture f;
  const Bytes sent = frame(0x82, std::string(3000, 's'));
  f.target.writable = false;
  CHECK(f.feed(sent) == PumpEnd::waiting);
  CHECK(f.direction.stalled());
  CHECK(f.buffers.lent() == 1);
  CHECK(f.feed(sent) == PumpEnd::waiting);
  CHECK(f.direction.queued() == sent.size());
  CHECK(sys::unread_bytes(f.source_pair[0]) == static_cast<int>(sent.size()));
  f.direction.shrink(f.transits);
  CHECK(f.buffers.lent_bytes() == BufferPool::tiny_bytes);
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::waiting);
  Bytes expected = sent;
  expected.insert(expected.end(), sent.begin(), sent.end());
  CHECK(f.received() == expected);
  CHECK_FALSE(f.direction.stalled());
}

TEST_CASE("a stalled target that gets less and less of what was sent makes progress") {
  Fixture f;
  f.target.writable = false;
  CHECK(f.feed(frame(0x82, "waits")) == PumpEnd::waiting);
  REQUIRE(f.direction.stalled());
  const uint32_t since = f.direction.stalled_since_ms();
  CHECK(f.direction.nothing_delivered_since_ms() == since);
  f.direction.note_undelivered(1'000, since + 10);  // nothing to compare with
  CHECK(f.direction.nothing_delivered_since_ms() == since + 10);
  f.direction.note_undelivered(1'000, since + 20);
  CHECK(f.direction.nothing_delivered_since_ms() == since + 10);
  f.direction.note_undelivered(999, since + 30);
  CHECK(f.direction.nothing_delivered_since_ms() == since + 30);
  f.direction.note_undelivered(5'000, since + 40);
  CHECK(f.direction.nothing_delivered_since_ms() == since + 30);
  CHECK(f.direction.stalled_since_ms() == since);
}

TEST_CASE("a busy source is put off after its rounds") {
  Fixture f(16 * 1024);
  Bytes sent;
  for (int i = 0; i < 100; ++i) {
    const Bytes one = frame(0x82, std::string(999, 'r'));
    sent.insert(sent.end(), one.begin(), one.end());
  }
  PumpEnd end = f.feed(sent);
  Bytes all = f.received();
  int pumps = 1;
  while (end == PumpEnd::more && pumps < 100) {
    end = f.pump();
    const Bytes part = f.received();
    all.insert(all.end(), part.begin(), part.end());
    ++pumps;
  }
  CHECK(end == PumpEnd::waiting);
  CHECK(pumps > 1);
  CHECK(all == sent);
}

TEST_CASE("between two messages a direction holds no transit, within one it does") {
  Fixture f;
  const Bytes whole = frame(0x82, "whole");
  const Bytes begun = frame(0x01, "begun");
  const Bytes ended = frame(0x80, "ended");
  const Bytes ping = frame(0x89, "");
  const auto holds_after = [&](const Bytes& bytes) {
    CHECK(f.feed(bytes) == PumpEnd::waiting);
    return f.transits.lent() == 1;
  };
  CHECK_FALSE(holds_after(whole));
  CHECK(holds_after({whole[0]}));  // in a header
  CHECK(holds_after(Bytes(whole.begin() + 1, whole.end() - 1)));
  CHECK_FALSE(holds_after({whole.back()}));
  CHECK(holds_after(begun));  // a fragment
  CHECK(f.direction.at_boundary());
  CHECK(holds_after(ping));
  CHECK_FALSE(holds_after(ended));
  CHECK_FALSE(holds_after(ping));
  f.target.writable = false;
  CHECK(holds_after(whole));  // waits to be sent
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.transits.lent() == 0);
  CHECK(f.direction.messages() == 4);
  CHECK(f.direction.bytes() == 3 * whole.size() + begun.size() + ended.size() + 2 * ping.size());
}

TEST_CASE("a flood of control frames is one, too, where each of them comes to rest") {
  Fixture f;
  f.rules.control_frames = {100, 50};
  const Bytes ping = frame(0x89, "");
  for (int i = 0; i < 50; ++i) {
    REQUIRE(f.feed(ping) == PumpEnd::waiting);
    REQUIRE(f.transits.lent() == 0);
  }
  CHECK(f.feed(ping) == PumpEnd::faulty);
  CHECK(f.direction.fault_code() == CloseCode::policy_violation);
  const char* const reason = f.direction.fault_reason();
  CHECK(f.direction.explanation_of(reason, f.rules) ==
        "control frame 51 of a burst over control_frame_rate 100 burst=50");
  CHECK(f.direction.explanation_of("another", f.rules) == "");
}

TEST_CASE("a target that was stalled for long gets small rings until its source runs dry") {
  Fixture f;
  f.target.writable = false;
  CHECK(f.feed(frame(0x82, std::string(3000, 's'))) == PumpEnd::waiting);
  f.direction.shrink(f.transits);
  // 2,000 messages of 16 bytes, of which a small ring takes 1,023 and no part of another.
  Bytes many;
  for (int i = 0; i < 2000; ++i) {
    const Bytes one = frame(0x82, "fourteen bytes");
    many.insert(many.end(), one.begin(), one.end());
  }
  f.target.writable = true;
  CHECK(f.feed(many) == PumpEnd::more);
  CHECK(f.direction.delivered());
  f.target.writable = false;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.buffers.lent_bytes() == BufferPool::small_bytes);
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.direction.messages() == 2001);
  CHECK(f.transits.lent() == 0);
}

TEST_CASE("whom a Close has come from is known until the end") {
  Fixture f;
  CHECK(f.direction.peer_close_code() == 0);
  CHECK(f.feed(frame(0x88, std::string("\x03\xe8", 2))) == PumpEnd::closed);
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.direction.delivered());
  CHECK(f.direction.peer_close_code() == 1000);
  f.direction.drop(f.transits, f.counts);
  CHECK(f.direction.peer_close_code() == 1000);
}

TEST_CASE("what passes in one turn adds to two counters, by the frame's type and length") {
  Fixture f;
  CHECK(f.feed(frame(0x81, "hello")) == PumpEnd::waiting);
  CHECK(f.feed(frame(0x82, std::string(126, 'x'))) == PumpEnd::waiting);
  CHECK(f.feed(frame(0x82, std::string(70'000, 'x'))) == PumpEnd::waiting);
  CHECK(f.counts.frames.messages(FrameCounts::text) == 1);
  CHECK(f.counts.frames.messages(FrameCounts::binary) == 2);
  CHECK(f.counts.frames.header_bytes(false) == 2 + 4 + 10);
  CHECK(f.counts.payload(false) == 5 + 126 + 70'000);
  CHECK(f.counts.sent() == f.direction.bytes());
  CHECK(f.counts.own.value() == 0);
}

TEST_CASE("control frames are counted, and are no payload") {
  Fixture f;
  CHECK(f.feed(frame(0x89, "ping")) == PumpEnd::waiting);
  CHECK(f.feed(frame(0x8a, "")) == PumpEnd::waiting);
  CHECK(f.feed(frame(0x88, std::string("\x03\xe8", 2))) == PumpEnd::closed);
  CHECK(f.pump() == PumpEnd::waiting);
  for (const auto kind : {FrameCounts::close, FrameCounts::ping, FrameCounts::pong}) {
    CHECK(f.counts.frames.control(kind) == 1);
  }
  CHECK(f.counts.frames.control_bytes() == 6 + 2 + 4);
  CHECK(f.counts.payload(false) == 0);
  CHECK(f.counts.frames.messages() == 0);
}

TEST_CASE("bytes that wait, are dropped or are ours are counted as such") {
  Fixture f;
  f.target.writable = false;
  const Bytes sent = frame(0x82, "hello");
  CHECK(f.feed(sent) == PumpEnd::waiting);
  CHECK(f.counts.received() == sent.size());
  CHECK(f.counts.sent() == 0);
  CHECK(f.counts.queued() == sent.size());
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.counts.sent() == sent.size());
  CHECK(f.counts.queued() == 0);
  f.target.writable = false;
  CHECK(f.feed(sent) == PumpEnd::waiting);
  CHECK(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_end));
  const uint64_t own = f.counts.own.value();
  CHECK(own == 4);
  CHECK(f.counts.queued() == sent.size() + own);
  f.direction.drop(f.transits, f.counts);
  CHECK(f.counts.dropped.value() == sent.size() + own);
  CHECK(f.counts.queued() == 0);
}

TEST_CASE("how long a target takes nothing is counted once") {
  Fixture f;
  f.target.writable = false;
  CHECK(f.feed(frame(0x82, "hello")) == PumpEnd::waiting);
  f.direction.count_wait(f.counts, 5'250);
  CHECK(f.counts.waited_ms.value() == 250);
  f.direction.count_wait(f.counts, 5'400);
  CHECK(f.counts.waited_ms.value() == 400);
  f.target.writable = true;
  f.now_ms = 6'000;
  CHECK(f.pump() == PumpEnd::waiting);
  CHECK(f.counts.waited_ms.value() == 1'000);
  f.now_ms = 9'000;
  CHECK(f.feed(frame(0x82, "hello")) == PumpEnd::waiting);
  CHECK(f.counts.waited_ms.value() == 1'000);
}

}  // namespace
}  // namespace sluice
