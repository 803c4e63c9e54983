// BodyRelay between two socket pairs: a body arrives as it was sent, what stands behind it is kept
// apart, and one that breaks off shows as broken.
#include "core/session/body_relay.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::recv_text;
using testing::send_text;
using Step = BodyRelay::Step;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Line {
  explicit Line(BodyFraming framing, uint64_t length = 0, const BodyLimits& limits = {}) {
    buffers.pipes().set_limit(2);
    source.attach(from.near.get());
    target.attach(to.near.get());
    target.writable = true;
    relay.emplace(buffers, framing, length, limits);
  }
  ~Line() {
    relay.reset();
    CHECK(buffers.lent() == 0);
    CHECK(buffers.lent_blocks() == 0);
    CHECK(buffers.pipes().lent() == 0);
  }

  Step run() {
    Step step = Step::again;
    while (step == Step::again) step = relay->run(source, target, now_ms);
    return step;
  }
  Step say(const std::string& text) {
    send_text(from.far.get(), text);
    source.readable = true;
    return run();
  }
  Step hang_up() {
    from.far.close();
    source.readable = true;
    return run();
  }
  std::string heard() { return recv_text(to.far.get()); }

  Pair from = testing::tcp_pair();
  Pair to = testing::tcp_pair();
  BufferPool buffers{256 * 1024};
  Leg source;
  Leg target;
  std::optional<BodyRelay> relay;
  uint64_t now_ms = 5'000;
};

TEST_CASE("body relay: chunks travel as they came, and what follows is not theirs") {
  Line line(BodyFraming::chunked);
  const std::string early = "5;x=y\r\nhe";
  CHECK(line.relay->begin_with(bytes_of(early)) == early.size());
  CHECK(line.run() == Step::wait);
  CHECK(line.heard().empty());  // it goes out with the head
  CHECK(line.say("llo\r\n0\r\nA: b\r\n\r\nGET /next") == Step::done);
  CHECK(line.relay->complete());
  CHECK(line.heard() == "llo\r\n0\r\nA: b\r\n\r\n");
  CHECK(line.relay->take_behind() == "GET /next");
  CHECK(line.relay->take_behind().empty());
  CHECK(line.relay->scanner().payload_bytes() == 5);
  CHECK(line.relay->moved_ms() == 5'000);
}

TEST_CASE("body relay: none is done at once") {
  Line line(BodyFraming::none);
  CHECK(line.relay->begin_with(bytes_of("GET /next")) == 0);
  CHECK(line.run() == Step::done);
  CHECK(line.relay->take_behind() == "GET /next");
}

TEST_CASE("body relay: what came with the head may be all of it, or bad") {
  Line all(BodyFraming::length, 3);
  CHECK(all.relay->begin_with(bytes_of("abcGET /next")) == 3);
  CHECK(all.relay->complete());
  CHECK(all.run() == Step::done);
  CHECK(all.relay->take_behind() == "GET /next");
  Line bad(BodyFraming::chunked);
  CHECK(bad.relay->begin_with(bytes_of("1\r\na\r\nzz")) == 6);
  CHECK(bad.run() == Step::bad);
  CHECK(bad.heard().empty());
}

TEST_CASE("body relay: no more of the next message is received than is easily kept") {
  Line line(BodyFraming::length, 10);
  const std::string next(40'000, 'n');
  CHECK(line.say("0123456789" + next) == Step::done);
  CHECK(line.heard() == "0123456789");
  CHECK(line.relay->take_behind().size() <= BodyRelay::most_behind_bytes);
}

TEST_CASE("body relay: the stream's end is the body's where it has no other") {
  Line open(BodyFraming::until_close);
  CHECK(open.say("abc") == Step::wait);
  CHECK(open.hang_up() == Step::done);
  CHECK(open.heard() == "abc");
  Line cut(BodyFraming::length, 4);
  CHECK(cut.say("abc") == Step::wait);
  CHECK(cut.hang_up() == Step::broke_off);
  CHECK(cut.heard() == "abc");
}

TEST_CASE("body relay: what came before a bad byte is delivered") {
  Line line(BodyFraming::chunked);
  CHECK(line.say("3\r\nabc\r\n3\nabc") == Step::bad);
  CHECK(line.heard() == "3\r\nabc\r\n3");
  CHECK(line.relay->scanner().status() == 400);
}

TEST_CASE("body relay: a large body passes by pipe, and arrives whole") {
  Line line(BodyFraming::length, 600'000);
  std::string sent;
  std::string got;
  Step step = Step::wait;
  bool piped = false;
  while (sent.size() < 600'000) {
    const std::string piece(100'000, static_cast<char>('a' + sent.size() / 100'000));
    sent += piece;
    step = line.say(piece);
    piped = piped || line.buffers.lent() == 0;
    while (got.size() < sent.size()) {
      got += line.heard();
      line.target.writable = true;
      step = line.run();
    }
  }
  CHECK(step == Step::done);
  CHECK(got == sent);
  CHECK(piped);
}

TEST_CASE("body relay: nothing is read for a target that takes nothing, and it knows since when") {
  Line line(BodyFraming::until_close);
  const std::string piece(64 * 1024, 'p');
  for (int i = 0; i < 200 && !line.relay->stalled(); ++i) {
    for (size_t at = 0; at < piece.size();) {
      const ssize_t sent = sys::send(line.from.far.get(), piece.data() + at, piece.size() - at);
      if (sent <= 0) break;
      at += static_cast<size_t>(sent);
    }
    line.source.readable = true;
    line.run();
  }
  REQUIRE(line.relay->stalled());
  CHECK(line.relay->queued() > 0);
  CHECK(line.relay->stalled_since_ms() == 5'000);
  const size_t queued = line.relay->queued();
  line.source.readable = true;
  CHECK(line.run() == Step::wait);
  CHECK(line.relay->queued() == queued);
  CHECK(line.relay->check_stall(line.source, line.target, 5'500));
  CHECK(line.relay->check_stall(line.source, line.target, 6'000));
  CHECK(line.relay->nothing_delivered_since_ms() >= 5'000);
  CHECK(line.relay->queued() == queued);
  line.to.far.close();
  line.target.writable = true;
  Step step = Step::wait;
  for (int i = 0; i < 3 && step == Step::wait; ++i) {
    line.target.writable = true;
    step = line.run();
  }
  CHECK(step == Step::target_gone);
}

}  // namespace
}  // namespace sluice
