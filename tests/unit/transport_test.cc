// PlainTransport: each state that one call can leave the stream in, with one piece and with two.
#include "net/transport.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::send_text;
using testing::tcp_pair;
using testing::unix_pair;

iovec piece(std::string& text, size_t from = 0, size_t bytes = std::string::npos) {
  return iovec{text.data() + from, std::min(bytes, text.size() - from)};
}

TEST_CASE("transport: one piece each way") {
  const Pair pair = unix_pair();
  PlainTransport transport(pair.near.get());
  std::string text = "out";
  const iovec out[] = {piece(text)};
  Io io = transport.send(out);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes == 3);
  CHECK(testing::recv_text(pair.far.get()) == "out");

  send_text(pair.far.get(), "in");
  std::string buffer(10, '.');
  const iovec in[] = {piece(buffer)};
  io = transport.recv(in);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes == 2);  // short: less than there was room for
  CHECK(buffer == "in........");
}

TEST_CASE("transport: two pieces, as a ring that wraps has them") {
  const Pair pair = unix_pair();
  PlainTransport transport(pair.near.get());
  std::string memory = "world....hello ";
  const iovec out[] = {piece(memory, 9), piece(memory, 0, 5)};
  Io io = transport.send(out);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes == 11);
  CHECK(testing::recv_text(pair.far.get()) == "hello world");

  send_text(pair.far.get(), "HELLO WORLD");
  const iovec in[] = {piece(memory, 9), piece(memory, 0, 8)};
  io = transport.recv(in);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes == 11);
  CHECK(memory == "WORLD....HELLO ");
}

TEST_CASE("transport: nothing there, and no room, is blocked") {
  const Pair pair = unix_pair();
  PlainTransport transport(pair.near.get());
  std::string block(64 * 1024, 'b');
  const iovec one[] = {piece(block)};
  const iovec two[] = {piece(block, 0, 5), piece(block, 5)};
  CHECK(transport.recv(one).state == Io::State::blocked);
  CHECK(transport.recv(two).state == Io::State::blocked);

  size_t sent = 0;
  Io io = transport.send(one);
  while (io.state == Io::State::open) {
    CHECK(io.bytes > 0);
    sent += io.bytes;
    io = transport.send(one);
  }
  CHECK(io.state == Io::State::blocked);
  CHECK(io.bytes == 0);
  CHECK(transport.send(two).state == Io::State::blocked);
  CHECK(sys::unread_bytes(pair.far.get()) == static_cast<int>(sent));
}

TEST_CASE("transport: a full TCP buffer makes a short send") {
  const Pair pair = tcp_pair();
  PlainTransport transport(pair.near.get());
  std::string much(64 << 20, 'm');  // more than the kernel's buffers of both sides
  const iovec out[] = {piece(much)};
  const Io io = transport.send(out);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes > 0);
  CHECK(io.bytes < much.size());
}

TEST_CASE("transport: FIN ends receiving after the last byte, and sending goes on") {
  const Pair pair = tcp_pair();
  PlainTransport near(pair.near.get());
  PlainTransport far(pair.far.get());
  send_text(pair.far.get(), "last");
  far.shutdown_write();
  std::string buffer(10, '.');
  const iovec pieces[] = {piece(buffer)};
  std::string got;
  Io io;
  while (io.state != Io::State::ended) {
    sys::wait_readable(pair.near.get(), testing::patience_ms);
    io = near.recv(pieces);
    REQUIRE((io.state == Io::State::open || io.state == Io::State::ended));
    got += buffer.substr(0, io.bytes);
  }
  CHECK(got == "last");
  CHECK(near.recv(pieces).state == Io::State::ended);
  std::string answer = "answer";
  const iovec out[] = {piece(answer)};
  CHECK(near.send(out).bytes == 6);
  sys::wait_readable(pair.far.get(), testing::patience_ms);
  CHECK(far.recv(pieces).bytes == 6);

  const iovec halves[] = {piece(buffer, 0, 5), piece(buffer, 5)};
  CHECK(near.recv(halves).state == Io::State::ended);
}

TEST_CASE("transport: a reset fails with its errno") {
  Pair pair = tcp_pair();
  PlainTransport transport(pair.near.get());
  sys::set_abort_on_close(pair.far.get());
  pair.far.close();
  sys::wait_readable(pair.near.get(), testing::patience_ms);
  std::string buffer(10, '.');
  const iovec pieces[] = {piece(buffer)};
  const Io io = transport.recv(pieces);
  CHECK(io.state == Io::State::failed);
  CHECK(io.error == ECONNRESET);
  CHECK(io.bytes == 0);
}

TEST_CASE("transport: sending to nobody fails and raises no signal") {
  Pair pair = unix_pair();
  PlainTransport transport(pair.near.get());
  pair.far.close();
  std::string text = "for nobody";
  const iovec one[] = {piece(text)};
  Io io = transport.send(one);
  CHECK(io.state == Io::State::failed);
  CHECK(io.error == EPIPE);
  const iovec two[] = {piece(text, 0, 3), piece(text, 3)};
  io = transport.send(two);
  CHECK(io.state == Io::State::failed);
  CHECK(io.error == EPIPE);
}

TEST_CASE("what the kernel said of a failed connection becomes words") {
  CHECK(std::string(io_error_text(0)).empty());
  CHECK(std::string(io_error_text(ECONNRESET)) == "connection reset by peer");
  CHECK(std::string(io_error_text(ETIMEDOUT)) == "connection timed out");
  CHECK(std::string(io_error_text(EHOSTUNREACH)) == "no route to host");
  CHECK(std::string(io_error_text(EXDEV)) == "connection lost");
}

}  // namespace
}  // namespace sluice
