// sys: errors come back as -errno, descriptors are non-blocking and close-on-exec, and what is
// passed between processes arrives whole.
#include "net/sys.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::Pair;
using testing::recv_text;
using testing::send_text;
using testing::tcp_pair;
using testing::unix_pair;

bool tame(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  REQUIRE(::getsockopt(fd, level, name, &value, &length) == 0);
  return value;
}

TEST_CASE("sys: errors are negative, and errno is nobody's concern") {
  char byte = 0;
  CHECK(sys::recv(-1, &byte, 1) == -EBADF);
  CHECK(sys::send(-1, &byte, 1) == -EBADF);
  CHECK(sys::close(-1) == -EBADF);
  CHECK(sys::listen(-1, 1) == -EBADF);
  CHECK(sys::shutdown_write(-1) == -EBADF);
  CHECK(sys::unread_bytes(-1) == -EBADF);
  CHECK(sys::take_socket_error(-1) == EBADF);
  CHECK(sys::stream_socket(12345) == -EAFNOSUPPORT);
  Address peer;
  CHECK(sys::accept(-1, peer) == -EBADF);
  CHECK(sys::remove_socket_file("/nowhere/x.sock") == -ENOENT);
}

TEST_CASE("sys: every descriptor is non-blocking and close-on-exec") {
  const Pair pair = unix_pair();
  CHECK(tame(pair.near.get()));
  CHECK(tame(pair.far.get()));
  const Pair accepted = tcp_pair();
  CHECK(tame(accepted.near.get()));
  CHECK(tame(accepted.far.get()));
  char byte = 0;
  CHECK(sys::recv(pair.near.get(), &byte, 1) == -EAGAIN);
}

TEST_CASE("sys: the accepted peer is the client's address") {
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const Descriptor client = testing::client_of(listener.get());
  sys::wait_readable(listener.get(), testing::patience_ms);
  Address peer;
  const Descriptor accepted(sys::accept(listener.get(), peer));
  CHECK(peer == sys::local_address(client.get()));
  CHECK(peer.port() != 0);
  CHECK(sys::accept(listener.get(), peer) == -EAGAIN);
}

TEST_CASE("sys: a datagram comes whole, with its sender's address, or cut") {
  const Descriptor here(sys::datagram_socket(AF_INET));
  const Descriptor there(sys::datagram_socket(AF_INET));
  REQUIRE(sys::bind(there.get(), testing::loopback()) == 0);
  REQUIRE(sys::connect(here.get(), sys::local_address(there.get())) == 0);
  char bytes[8];
  Address from;
  CHECK(sys::recv_from(there.get(), bytes, sizeof bytes, from) == -EAGAIN);
  send_text(here.get(), "abc");
  send_text(here.get(), "0123456789");
  sys::wait_readable(there.get(), testing::patience_ms);
  CHECK(sys::recv_from(there.get(), bytes, sizeof bytes, from) == 3);
  CHECK(from == sys::local_address(here.get()));
  CHECK(sys::recv_from(there.get(), bytes, sizeof bytes, from) == 8);
  CHECK(sys::recv_from(there.get(), bytes, sizeof bytes, from) == -EAGAIN);
  CHECK(sys::datagram_socket(12345) == -EAFNOSUPPORT);
}

TEST_CASE("sys: pieces are gathered and scattered in order") {
  const Pair pair = unix_pair();
  std::string left = "gather";
  std::string right = "scatter";
  const iovec out[] = {{left.data(), left.size()}, {right.data(), right.size()}};
  CHECK(sys::send_pieces(pair.near.get(), out) == 13);
  CHECK(sys::unread_bytes(pair.far.get()) == 13);
  std::string first(4, '.');
  std::string second(20, '.');
  const iovec in[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  CHECK(sys::recv_pieces(pair.far.get(), in) == 13);
  CHECK(first + second.substr(0, 9) == "gatherscatter");
}

TEST_CASE("sys: what the peer has not taken is told, where the system knows it") {
  Pair pair = tcp_pair();
  CHECK(sys::undelivered_bytes(-1) == -EBADF);
  if (sys::undelivered_bytes(pair.near.get()) < 0) return;
  CHECK(sys::undelivered_bytes(pair.near.get()) == 0);
  const std::string block(256 * 1024, 'x');
  int blocks = 0;
  while (sys::send(pair.near.get(), block.data(), block.size()) > 0) ++blocks;
  CHECK(blocks > 0);
  const int full = sys::undelivered_bytes(pair.near.get());
  CHECK(full > 0);
  // Less of it, the more the peer reads, and at last nothing.
  std::string taken(block.size(), '.');
  while (sys::undelivered_bytes(pair.near.get()) > 0) {
    CHECK(sys::undelivered_bytes(pair.near.get()) <= full);
    sys::wait_readable(pair.far.get(), testing::patience_ms);
    REQUIRE(sys::recv(pair.far.get(), taken.data(), taken.size()) > 0);
  }
}

TEST_CASE("sys: sending to a peer that is gone raises no signal") {
  Pair pair = unix_pair();
  pair.far.close();
  char byte = 0;
  const iovec piece{&byte, 1};
  CHECK(sys::send(pair.near.get(), &byte, 1) == -EPIPE);
  CHECK(sys::send_pieces(pair.near.get(), {&piece, 1}) == -EPIPE);
  CHECK(sys::send_with_descriptors(pair.near.get(), {}, {}) <= 0);
}

TEST_CASE("sys: socket options are set") {
  const Descriptor tcp(sys::stream_socket(AF_INET));
  CHECK(option(tcp.get(), SOL_SOCKET, SO_REUSEADDR) == 0);
  CHECK(sys::set_reuse_address(tcp.get()) == 0);
  CHECK(option(tcp.get(), SOL_SOCKET, SO_REUSEADDR) != 0);
  CHECK(sys::set_reuse_port(tcp.get()) == 0);
  CHECK(option(tcp.get(), SOL_SOCKET, SO_REUSEPORT) != 0);
  const Descriptor local(sys::stream_socket(AF_UNIX));
  CHECK(sys::set_no_delay(local.get()) < 0);
  const int six = sys::stream_socket(AF_INET6);
  if (six < 0) return;  // a kernel without IPv6
  const Descriptor holder(six);
  CHECK(sys::set_v6_only(six) == 0);
  CHECK(option(six, IPPROTO_IPV6, IPV6_V6ONLY) != 0);
}

TEST_CASE("sys: keep-alive begins after the silence that is asked for, as far as the kernel goes") {
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const Descriptor client = testing::client_of(listener.get());
  const auto silence_s = [&] {
    int value = 0;
    socklen_t length = sizeof value;
    CHECK(::getsockopt(client.get(), IPPROTO_TCP, TCP_KEEPIDLE, &value, &length) == 0);
    return value;
  };
  CHECK(sys::set_keep_alive(client.get(), 300) == 0);
  CHECK(silence_s() == 300);
  CHECK(sys::set_keep_alive(client.get(), 0) == 0);
  CHECK(silence_s() == 1);
  CHECK(sys::set_keep_alive(client.get(), 1'000'000) == 0);
  CHECK(silence_s() == 32'767);
}

TEST_CASE("sys: close ends in order, or with a reset where that was asked for") {
  char byte = 0;
  Pair orderly = tcp_pair();
  orderly.far.close();
  sys::wait_readable(orderly.near.get(), testing::patience_ms);
  CHECK(sys::recv(orderly.near.get(), &byte, 1) == 0);

  Pair reset = tcp_pair();
  CHECK(sys::set_abort_on_close(reset.far.get()) == 0);
  reset.far.close();
  sys::wait_readable(reset.near.get(), testing::patience_ms);
  CHECK(sys::recv(reset.near.get(), &byte, 1) == -ECONNRESET);
}

TEST_CASE("sys: only socket files are removed") {
  const testing::TemporaryFolder folder;
  const std::string socket_path = folder.file("x.sock");
  const Descriptor listener = testing::listening_socket(testing::unix_address(socket_path));
  CHECK(sys::remove_socket_file(socket_path.c_str()) == 0);
  CHECK_FALSE(std::filesystem::exists(socket_path));

  const std::string plain_path = folder.file("plain");
  REQUIRE(sys::write_whole_file(plain_path.c_str(), "content") == 0);
  CHECK(sys::remove_socket_file(plain_path.c_str()) == -ENOTSOCK);
  CHECK(std::filesystem::exists(plain_path));
}

struct Message {
  ssize_t bytes = 0;
  std::string text;
  std::vector<Descriptor> descriptors;
};

Message recv_message(int fd, size_t fd_limit) {
  Message message;
  std::array<uint8_t, 100> bytes;
  std::array<int, 8> fds;
  fds.fill(-2);
  size_t fd_count = 99;
  message.bytes = sys::recv_with_descriptors(fd, bytes, fds.data(), fd_limit, fd_count);
  CHECK(fd_count <= fd_limit);
  for (size_t i = fd_count; i < fds.size(); ++i) CHECK(fds[i] == -2);  // nothing beyond is touched
  for (size_t i = 0; i < std::min(fd_count, fd_limit); ++i)
    message.descriptors.emplace_back(fds[i]);
  if (message.bytes > 0) {
    message.text.assign(reinterpret_cast<char*>(bytes.data()), static_cast<size_t>(message.bytes));
  }
  return message;
}

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST_CASE("sys: descriptors travel with their message and are open at the other end") {
  const Pair channel = unix_pair();
  Pair one = unix_pair();
  Pair two = unix_pair();
  const int fds[] = {one.near.get(), two.near.get()};
  REQUIRE(sys::send_with_descriptors(channel.near.get(), as_bytes("take these"), fds) == 10);
  one.near.close();
  two.near.close();
  const Message message = recv_message(channel.far.get(), 8);
  CHECK(message.text == "take these");
  REQUIRE(message.descriptors.size() == 2);
  for (const Descriptor& fd : message.descriptors) CHECK(tame(fd.get()));
  send_text(message.descriptors[0].get(), "first");
  send_text(message.descriptors[1].get(), "second");
  CHECK(recv_text(one.far.get()) == "first");
  CHECK(recv_text(two.far.get()) == "second");
}

TEST_CASE("sys: a message without descriptors, none at all, and the end") {
  Pair channel = unix_pair();
  REQUIRE(sys::send_with_descriptors(channel.near.get(), as_bytes("alone"), {}) == 5);
  const Message alone = recv_message(channel.far.get(), 2);
  CHECK(alone.text == "alone");
  CHECK(alone.descriptors.empty());
  CHECK(recv_message(channel.far.get(), 2).bytes == -EAGAIN);
  channel.near.close();
  CHECK(recv_message(channel.far.get(), 2).bytes == 0);
}

TEST_CASE("sys: no more descriptors are taken than there is room for, odd or even") {
  for (size_t limit = 0; limit <= 3; ++limit) {
    CAPTURE(limit);
    const Pair channel = unix_pair();
    const int fds[] = {0, 0, 0, 0};
    REQUIRE(sys::send_with_descriptors(channel.near.get(), as_bytes("x"), fds) == 1);
    const Message message = recv_message(channel.far.get(), limit);
    CHECK(message.bytes == 1);
    CHECK(message.descriptors.size() == limit);
  }
}

TEST_CASE("sys: mapped memory is zeroed, also the second time") {
  constexpr size_t bytes = 64 * 1024;
  for (int round = 0; round < 2; ++round) {
    auto* memory = static_cast<uint8_t*>(sys::map_memory(bytes));
    REQUIRE(memory != nullptr);
    CHECK(std::all_of(memory, memory + bytes, [](uint8_t byte) { return byte == 0; }));
    std::memset(memory, 0xff, bytes);
    sys::unmap_memory(memory, bytes);
  }
  CHECK(sys::map_memory(SIZE_MAX / 2) == nullptr);
}

TEST_CASE("sys: memory that was dropped is there, zeroed, beside what was kept") {
  constexpr size_t page = 64 * 1024;  // or a multiple of one
  auto* memory = static_cast<uint8_t*>(sys::map_memory(2 * page));
  REQUIRE(memory != nullptr);
  std::memset(memory, 0xff, 2 * page);
  sys::drop_memory(memory, page);
  CHECK(std::all_of(memory, memory + page, [](uint8_t byte) { return byte == 0; }));
  CHECK(std::all_of(memory + page, memory + 2 * page, [](uint8_t byte) { return byte == 0xff; }));
  sys::unmap_memory(memory, 2 * page);
}

TEST_CASE("sys: clocks go forward and know the century") {
  uint64_t before = sys::monotonic_ns();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = sys::monotonic_ns();
    REQUIRE(now >= before);
    before = now;
  }
  CHECK(sys::wall_clock_ms() > uint64_t{1'600'000'000'000});
}

TEST_CASE("sys: random bytes fill all of the buffer, each time anew") {
  std::array<uint8_t, 1000> one{};
  std::array<uint8_t, 1000> two{};
  sys::random_bytes(one.data(), one.size());
  sys::random_bytes(two.data(), two.size());
  CHECK(one != two);
  // 100 zero bytes in a row come about once in 2^800 runs.
  for (size_t from = 0; from < one.size(); from += 100) {
    const auto* part = one.data() + from;
    CHECK(std::any_of(part, part + 100, [](uint8_t byte) { return byte != 0; }));
  }
}

}  // namespace
}  // namespace sluice
