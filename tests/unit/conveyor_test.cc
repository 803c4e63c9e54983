// Conveyor between two socket pairs: what it borrows it gives back, and it knows since when the
// target has taken nothing.
#include "core/session/conveyor.h"

#include <doctest/doctest.h>

#include <string>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::recv_text;
using testing::send_text;
using Flow = Conveyor::Flow;

struct Line {
  Line() {
    buffers.pipes().set_limit(2);
    source.attach(from.near.get());
    target.attach(to.near.get());
    source.readable = target.writable = true;
  }
  ~Line() {
    conveyor.drop(buffers);
    CHECK(buffers.lent() == 0);
    CHECK(buffers.lent_blocks() == 0);
    CHECK(buffers.pipes().lent() == 0);
  }

  // So much of the source's bytes, judged at once.
  void take(const std::string& text) {
    send_text(from.far.get(), text);
    source.readable = true;
    const Io io = conveyor.receive(source, buffers);
    REQUIRE(io.bytes == text.size());
    conveyor.ring().accept(io.bytes);
  }
  // Until the target's socket takes no more.
  size_t fill_target() {
    const std::string piece(16 * 1024, 'f');
    size_t filled = 0;
    for (;;) {
      const ssize_t sent = sys::send(to.near.get(), piece.data(), piece.size());
      if (sent <= 0) return filled;
      filled += static_cast<size_t>(sent);
    }
  }
  void empty_target(size_t bytes) {
    for (size_t got = 0; got < bytes;) got += recv_text(to.far.get()).size();
  }

  Pair from = testing::tcp_pair();
  Pair to = testing::tcp_pair();
  BufferPool buffers{256 * 1024};
  Leg source;
  Leg target;
  Conveyor conveyor;
};

TEST_CASE("conveyor: bytes pass, and at rest nothing is borrowed") {
  Line line;
  CHECK(line.conveyor.at_rest());
  line.take("abc");
  CHECK(line.conveyor.queued() == 3);
  CHECK_FALSE(line.conveyor.at_rest());
  CHECK(line.conveyor.flush(line.target, 7) == Flow::drained);
  CHECK(recv_text(line.to.far.get()) == "abc");
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/true);
  CHECK(line.conveyor.at_rest());
  CHECK(line.buffers.lent() == 0);
}

TEST_CASE(
    "conveyor: only what its owner accepted travels; the rest of a dry source waits in a block") {
  Line line;
  send_text(line.from.far.get(), "goodpart");
  REQUIRE(line.conveyor.receive(line.source, line.buffers).bytes == 8);
  line.conveyor.ring().accept(4);
  CHECK(line.conveyor.flush(line.target, 7) == Flow::drained);
  CHECK(recv_text(line.to.far.get()) == "good");
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/false);
  CHECK(line.buffers.lent() == 1);
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/true);
  CHECK(line.buffers.lent() == 0);
  CHECK(line.buffers.lent_blocks() == 1);
  line.take("!");  // behind what waits
  CHECK(line.conveyor.ring().unjudged() == 4);
  line.conveyor.ring().accept(4);
  CHECK(line.conveyor.flush(line.target, 7) == Flow::drained);
  CHECK(recv_text(line.to.far.get()) == "part!");
}

TEST_CASE("conveyor: what was spliced leaves before what the ring holds") {
  Line line;
  send_text(line.from.far.get(), "by the pipe");
  REQUIRE(line.conveyor.splice(line.source, line.buffers, 6).bytes == 6);
  CHECK(line.conveyor.holds_pipe());
  CHECK(line.conveyor.queued() == 6);
  line.conveyor.ring().borrow(line.buffers, BufferClass::block);
  const uint8_t behind[] = {'!'};
  line.conveyor.ring().append(behind);
  CHECK(line.conveyor.flush(line.target, 7) == Flow::drained);
  CHECK(recv_text(line.to.far.get()) == "by the!");
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/true);
  CHECK(line.conveyor.at_rest());
}

TEST_CASE("conveyor: a pipe lands in a ring, unjudged, and is free for others") {
  Line line;
  send_text(line.from.far.get(), "landing");
  REQUIRE(line.conveyor.splice(line.source, line.buffers, 100).bytes == 7);
  CHECK(line.conveyor.land(line.buffers));
  CHECK_FALSE(line.conveyor.holds_pipe());
  CHECK(line.conveyor.queued() == 0);
  CHECK(line.conveyor.ring().unjudged() == 7);
}

TEST_CASE("conveyor: since when the target takes nothing") {
  Line line;
  const size_t filled = line.fill_target();
  line.take("waits");
  CHECK(line.conveyor.flush(line.target, 100) == Flow::blocked);
  CHECK(line.conveyor.stalled());
  line.target.writable = true;
  CHECK(line.conveyor.flush(line.target, 200) == Flow::blocked);
  CHECK(line.conveyor.stalled_since_ms() == 100);
  // The first look has nothing to compare with; later ones count where less is left.
  line.conveyor.note_undelivered(50, 300);
  CHECK(line.conveyor.nothing_delivered_since_ms() == 300);
  line.conveyor.note_undelivered(50, 400);
  CHECK(line.conveyor.nothing_delivered_since_ms() == 300);
  line.conveyor.note_undelivered(49, 500);
  CHECK(line.conveyor.nothing_delivered_since_ms() == 500);
  CHECK(line.conveyor.stalled_since_ms() == 100);
  line.empty_target(filled);
  line.target.writable = true;
  CHECK(line.conveyor.flush(line.target, 600) == Flow::drained);
  CHECK_FALSE(line.conveyor.stalled());
  CHECK(line.conveyor.stalled_since_ms() == 0);
}

TEST_CASE("conveyor: a slow target gets small buffers until the source runs dry first") {
  Line line;
  const size_t filled = line.fill_target();
  line.take("remainder");
  CHECK(line.conveyor.flush(line.target, 100) == Flow::blocked);
  CHECK(line.conveyor.ring().capacity() == 256 * 1024);
  line.conveyor.shrink(line.buffers);
  CHECK(line.conveyor.slow());
  CHECK(line.conveyor.ring().capacity() == BufferPool::tiny_bytes);
  line.empty_target(filled);
  line.target.writable = true;
  CHECK(line.conveyor.flush(line.target, 200) == Flow::drained);
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/false);
  CHECK(line.conveyor.slow());
  CHECK_FALSE(line.conveyor.at_rest());
  line.take("more");
  CHECK(line.conveyor.ring().capacity() == BufferPool::small_bytes);
  CHECK(line.conveyor.flush(line.target, 300) == Flow::drained);
  line.conveyor.give_back_idle(line.buffers, /*source_dry=*/true);
  CHECK(line.conveyor.at_rest());
}

TEST_CASE("conveyor: a target that is gone is told, and drop gives everything back") {
  Line line;
  line.take("nobody reads this");
  sys::set_abort_on_close(line.to.far.get());
  line.to.far.close();
  Flow flow = Flow::drained;
  for (int i = 0; i < 100 && flow == Flow::drained; ++i) {
    flow = line.conveyor.flush(line.target, 100);
    if (flow == Flow::drained) line.take("nor this");
  }
  CHECK(flow == Flow::failed);
  line.conveyor.drop(line.buffers);
  CHECK(line.conveyor.at_rest());
}

}  // namespace
}  // namespace sluice
