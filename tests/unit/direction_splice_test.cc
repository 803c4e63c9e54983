// Direction with large frames: their payload passes through a pipe, and everything that may happen
// to a frame in a ring happens to one in a pipe with the same outcome.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "core/session/direction.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/direction_testing.h"

namespace sluice {
namespace {

using testing::Bytes;
using testing::Fixture;
using testing::frame;

const Bytes large = frame(0x82, std::string(100'000, 'L'));

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Behind a first large frame, which passes through a ring and makes the next one expected.
struct Carrying : Fixture {
  explicit Carrying(uint32_t full_bytes = 256 * 1024) : Fixture(full_bytes) {
    REQUIRE(feed(large) != PumpEnd::faulty);
    REQUIRE(all_received() == large);
    REQUIRE(direction.moves_large_frames());
  }

  // What arrives at the target until the source has nothing more.
  Bytes all_received() {
    Bytes all;
    for (int quiet = 0; quiet < 3; ++quiet) {
      const Bytes part = received();
      if (!part.empty()) quiet = 0;
      all.insert(all.end(), part.begin(), part.end());
      target.writable = true;
      pump();
    }
    return all + received();
  }
  // Feeds while the target takes nothing.
  PumpEnd feed_stalled(const Bytes& bytes) {
    target.writable = false;
    return feed(bytes);
  }
};

TEST_CASE("splice: a large frame behind another waits in a pipe, not in a ring") {
  Carrying f;
  CHECK(f.feed_stalled(large) == PumpEnd::waiting);
  CHECK(f.buffers.pipes().lent() == 1);
  CHECK(f.buffers.lent() == 0);
  CHECK(f.direction.queued() == large.size());
  CHECK_FALSE(f.direction.delivered());
  CHECK(f.direction.stalled());
  CHECK(f.direction.messages() == 2);
  CHECK(f.all_received() == large);
  CHECK(f.buffers.pipes().lent() == 0);
  CHECK(f.transits.lent() == 0);
  CHECK(f.direction.moves_large_frames());  // of which the next one is expected as well
  CHECK(f.direction.bytes() == 2 * large.size());
  CHECK_FALSE(f.direction.stalled());
}

TEST_CASE("splice: whatever follows a large frame passes as it came") {
  for (const Bytes& next : {frame(0x81, "small"), frame(0x89, "ping"), frame(0x82, ""),
                            frame(0x02, "a") + frame(0x80, ""), frame(0x89, "ping") + large,
                            frame(0x82, std::string(70'000, 'x')) + frame(0x8a, "")}) {
    Carrying f;
    f.feed(next);
    CHECK(f.all_received() == next);
    f.feed(large);
    CHECK(f.all_received() == large);
  }
}

TEST_CASE("splice: a header in any two pieces") {
  for (size_t cut = 1; cut < 12; ++cut) {
    Carrying f;
    f.feed(Bytes(large.begin(), large.begin() + static_cast<long>(cut)));
    Bytes all = f.all_received();
    f.feed(Bytes(large.begin() + static_cast<long>(cut), large.end()));
    CHECK(all + f.all_received() == large);
  }
}

TEST_CASE("splice: a frame in many pieces") {
  Carrying f;
  Bytes all;
  for (size_t at = 0; at < large.size(); at += 999) {
    const size_t bytes = std::min<size_t>(999, large.size() - at);
    const auto begin = large.begin() + static_cast<long>(at);
    f.feed(Bytes(begin, begin + static_cast<long>(bytes)));
    all = all + f.received();
    CHECK(f.buffers.pipes().lent() == 0);
  }
  CHECK(all == large);
}

TEST_CASE("splice: a bad large frame is told, and nothing of it travels") {
  Bytes masked = large;
  masked[1] |= 0x80;
  Bytes reserved = large;
  reserved[0] |= 0x20;
  Bytes huge = large;
  huge[2] = 0x80;
  Bytes continued = large;
  continued[0] = 0x80;
  for (const Bytes& bad : {masked, reserved, huge, continued}) {
    Carrying f;
    CHECK(f.feed(bad) == PumpEnd::faulty);
    CHECK(f.direction.fault_code() == CloseCode::protocol_error);
    CHECK(f.received().empty());
  }
  Carrying f;
  f.rules.max_message_bytes = 99'999;
  CHECK(f.feed(large) == PumpEnd::faulty);
  CHECK(f.direction.fault_code() == CloseCode::message_too_big);
  CHECK(f.received().empty());
}

TEST_CASE("splice: what has to be seen, or may hold urgent data, goes through a ring") {
  const auto by_ring = [](Carrying& f) {
    CHECK(f.feed_stalled(large) == PumpEnd::waiting);
    CHECK(f.buffers.pipes().lent() == 0);
    CHECK(f.buffers.lent() == 1);
    CHECK(f.all_received() == large);
  };
  Carrying validated;
  validated.rules.validate_utf8 = true;
  by_ring(validated);
  Carrying urgent;
  Readiness urgent_data;
  urgent_data.urgent = true;
  urgent.source.note(urgent_data);
  by_ring(urgent);
  Carrying without_pipes;
  without_pipes.buffers.pipes().set_limit(0);
  by_ring(without_pipes);
}

TEST_CASE("splice: a Close of ours stands behind the frame that has begun") {
  const size_t begun = 50'000;
  const Bytes half(large.begin(), large.begin() + begun);
  const Bytes rest(large.begin() + begun, large.end());
  const Bytes close{0x88, 2, 0x03, 0xe9};

  Carrying f;
  f.feed_stalled(half);
  CHECK(f.buffers.pipes().lent() == 1);
  REQUIRE(f.direction.close_with(f.path(), CloseCode::going_away, MidFrame::await_end));
  CHECK(f.direction.mode() == Direction::Mode::finishing);
  const Bytes first = f.all_received();
  f.feed(rest + frame(0x82, "not any more"));
  CHECK(first + f.all_received() == large + close);

  Carrying gone;
  gone.feed_stalled(half);
  CHECK_FALSE(gone.direction.close_with(gone.path(), CloseCode::going_away, MidFrame::give_up));

  Carrying whole;
  whole.feed_stalled(large);
  REQUIRE(whole.direction.close_with(whole.path(), CloseCode::going_away, MidFrame::give_up));
  CHECK(whole.all_received() == large + close);
}

TEST_CASE("splice: a remainder that is stalled for long comes back into a ring") {
  Carrying f;
  f.feed_stalled(large);
  f.direction.shrink(f.transits);
  CHECK(f.buffers.pipes().lent() == 0);
  CHECK(f.buffers.lent() == 1);
  CHECK(f.direction.queued() == large.size());
  CHECK(f.all_received() == large);
}

TEST_CASE("splice: a remainder that no ring holds stays in its pipe") {
  Carrying f(16 * 1024);
  f.feed_stalled(large);
  f.direction.shrink(f.transits);
  CHECK(f.buffers.pipes().lent() == 1);
  CHECK(f.buffers.lent() == 0);
  CHECK(f.all_received() == large);
}

TEST_CASE("splice: once pipes run short, one takes no more than a ring can take back") {
  Carrying f(16 * 1024);
  PipePool& pipes = f.buffers.pipes();
  std::vector<Pipe*> taken;
  while (pipes.left() > PipePool::most_pipes / 2) taken.push_back(pipes.borrow());
  f.feed_stalled(large);
  CHECK(f.direction.queued() == 16 * 1024 - close_reserve_bytes);
  f.direction.shrink(f.transits);
  CHECK(pipes.lent() == taken.size());
  CHECK(f.all_received() == large);
  for (Pipe* pipe : taken) pipes.give_back(pipe);
}

TEST_CASE("splice: what waits for a target that is gone is dropped, and the next pipe is empty") {
  ::signal(SIGPIPE, SIG_IGN);  // as every worker does: splice() knows no MSG_NOSIGNAL
  Carrying f;
  f.feed_stalled(large);
  sys::close(f.target_pair[1]);
  f.target_pair[1] = -1;
  f.target.writable = true;
  CHECK(f.pump() == PumpEnd::target_failed);
  CHECK(f.buffers.pipes().lent() == 0);
  Pipe* pipe = f.buffers.pipes().borrow();
  REQUIRE(pipe != nullptr);
  CHECK(pipe->bytes == 0);
  uint8_t byte;
  CHECK(sys::read(pipe->out, &byte, 1) == -EAGAIN);
  f.buffers.pipes().give_back(pipe);
}

TEST_CASE("splice: FIN behind a large frame is told when the frame is on its way") {
  Carrying f;
  REQUIRE(sys::send(f.source_pair[1], large.data(), large.size()) ==
          static_cast<ssize_t>(large.size()));
  sys::shutdown_write(f.source_pair[1]);
  PumpEnd end = PumpEnd::waiting;
  Bytes all;
  for (int i = 0; i < 10 && end != PumpEnd::source_ended; ++i) {
    end = f.pump();
    all = all + f.received();
    f.target.writable = true;
  }
  CHECK(end == PumpEnd::source_ended);
  CHECK(all == large);
}

TEST_CASE("splice: turns are shorter while light sessions are served beside") {
  Carrying f;
  const Bytes longer = frame(0x82, std::string(Direction::short_splice_bytes + 20'000, 'S'));
  for (const bool beside : {true, false}) {
    CAPTURE(beside);
    f.light_beside = beside;
    const PumpEnd end = f.feed(longer);
    const Bytes first = f.received();
    CHECK(end == (beside ? PumpEnd::more : PumpEnd::waiting));
    CHECK(first.size() == (beside ? Direction::short_splice_bytes : longer.size()));
    CHECK(first + f.all_received() == longer);
  }
}

}  // namespace
}  // namespace sluice
