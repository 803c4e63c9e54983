// sys::pipe, peek and splice, and PlainTransport over them: what the relay builds on, on TCP as
// well as on unix sockets.
#include <doctest/doctest.h>
#include <signal.h>

#include <cerrno>
#include <string>

#include "net/sys.h"
#include "net/sys_process.h"
#include "net/transport.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::send_text;
using testing::tcp_pair;
using testing::unix_pair;

struct TestPipe {
  TestPipe() {
    int ends[2];
    REQUIRE(sys::pipe(ends, 512 * 1024) == 0);
    out = testing::Descriptor(ends[0]);
    in = testing::Descriptor(ends[1]);
    pipe.out = out.get();
    pipe.in = in.get();
  }
  testing::Descriptor out;
  testing::Descriptor in;
  Pipe pipe;
};

TEST_CASE("splice: what is peeked at stays, and passes from socket to socket") {
  for (const bool tcp : {true, false}) {
    const Pair source = tcp ? tcp_pair() : unix_pair();
    const Pair target = tcp ? tcp_pair() : unix_pair();
    PlainTransport from(source.near.get());
    PlainTransport to(target.near.get());
    const TestPipe by;
    uint8_t room[4];
    CHECK(from.peek(room).state == Io::State::blocked);
    CHECK(from.splice_into(by.pipe, 100).state == Io::State::blocked);

    send_text(source.far.get(), "header and payload");
    Io io = from.peek(room);
    CHECK(io.state == Io::State::open);
    CHECK(io.bytes == 4);
    CHECK(std::string(room, room + 4) == "head");
    io = from.splice_into(by.pipe, 10);
    CHECK(io.state == Io::State::open);
    CHECK(io.bytes == 10);
    CHECK_FALSE(io.short_count);
    CHECK(to.splice_from(by.pipe, 10).bytes == 10);
    CHECK(testing::recv_text(target.far.get()) == "header and");
    io = from.splice_into(by.pipe, 100);
    CHECK(io.bytes == 8);
    CHECK_FALSE(io.short_count);  // it says nothing
    CHECK(from.splice_into(by.pipe, 100).state == Io::State::blocked);
  }
}

TEST_CASE("splice: an end is told by either call") {
  const Pair source = tcp_pair();
  PlainTransport from(source.near.get());
  const TestPipe by;
  sys::shutdown_write(source.far.get());
  uint8_t byte[1];
  CHECK(from.peek(byte).state == Io::State::ended);
  CHECK(from.splice_into(by.pipe, 1).state == Io::State::ended);
}

TEST_CASE("splice: a target that is full or gone") {
  ::signal(SIGPIPE, SIG_IGN);
  const Pair source = unix_pair();
  Pair target = unix_pair();
  PlainTransport from(source.near.get());
  PlainTransport to(target.near.get());
  const TestPipe by;
  const std::string block(50'000, 'x');
  Io io;
  for (int i = 0; i < 1'000 && io.state == Io::State::open; ++i) {
    send_text(source.far.get(), block);
    for (size_t left = block.size(); left > 0;) left -= from.splice_into(by.pipe, left).bytes;
    for (size_t left = block.size(); left > 0 && io.state == Io::State::open; left -= io.bytes) {
      io = to.splice_from(by.pipe, left);
    }
  }
  CHECK(io.state == Io::State::blocked);
  target.far.close();
  CHECK(to.splice_from(by.pipe, 1).state == Io::State::failed);
}

TEST_CASE("splice: urgent data blocks one where a recv goes on") {
  const Pair source = tcp_pair();
  PlainTransport from(source.near.get());
  const TestPipe by;
  send_text(source.far.get(), "before");
  REQUIRE(::send(source.far.get(), "!", 1, MSG_OOB) == 1);
  send_text(source.far.get(), "behind");
  while (sys::unread_bytes(source.near.get()) < 6) continue;  // up to the mark
  CHECK(from.splice_into(by.pipe, 100).bytes == 6);
  CHECK(from.splice_into(by.pipe, 100).state == Io::State::blocked);
  char buffer[100];
  std::string rest;
  for (ssize_t got; rest.size() < 6 && (got = sys::recv(source.near.get(), buffer, 100)) != 0;) {
    if (got > 0) rest.append(buffer, static_cast<size_t>(got));
  }
  CHECK(rest == "behind");
}

}  // namespace
}  // namespace sluice
