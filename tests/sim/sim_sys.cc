// sys over the simulated kernel, linked in place of net/sys.cc.
#include <cerrno>
#include <cstdlib>

#include "net/sys.h"
#include "tests/sim/kernel.h"
#include "tests/sim/token_plan.h"

namespace sluice::sys {

namespace {

sim::Kernel& counted() {
  sim::kernel().count_act();
  return sim::kernel();
}

std::string_view view_of(const void* buffer, size_t bytes) {
  return {static_cast<const char*>(buffer), bytes};
}

// Between master and workers only; a simulated worker has no master.
[[noreturn]] void unexpected(const char* call) {
  sim::world().fail(std::string("unexpected system call: ") + call);
}

}  // namespace

// Whatever moved is progress; EAGAIN is not.
ssize_t recv(int fd, void* buffer, size_t bytes) {
  const ssize_t got = counted().stream(fd).recv(static_cast<char*>(buffer), bytes);
  if (got != -EAGAIN) sim::kernel().progress();
  return got;
}

ssize_t send(int fd, const void* buffer, size_t bytes) {
  const ssize_t sent = counted().stream(fd).send(view_of(buffer, bytes));
  if (sent != -EAGAIN) sim::kernel().progress();
  return sent;
}

ssize_t recv_pieces(int fd, std::span<const iovec> pieces) {
  size_t room = 0;
  for (const iovec& piece : pieces) room += piece.iov_len;
  std::string bytes(room, '\0');
  const ssize_t got = recv(fd, bytes.data(), room);
  size_t at = 0;
  for (const iovec& piece : pieces) {
    if (got <= 0 || at >= static_cast<size_t>(got)) break;
    const size_t part = std::min(piece.iov_len, static_cast<size_t>(got) - at);
    std::memcpy(piece.iov_base, bytes.data() + at, part);
    at += part;
  }
  return got;
}

ssize_t send_pieces(int fd, std::span<const iovec> pieces) {
  std::string bytes;
  for (const iovec& piece : pieces) bytes += view_of(piece.iov_base, piece.iov_len);
  return send(fd, bytes.data(), bytes.size());
}

ssize_t recv_from(int, void*, size_t, Address&) {
  unexpected("recvfrom");
}

ssize_t peek(int fd, void* buffer, size_t bytes) {
  return counted().stream(fd).peek(static_cast<char*>(buffer), bytes);
}

int pipe(int ends[2], size_t) {
  return counted().make_pipe(ends);
}

ssize_t splice(int from, int to, size_t bytes) {
  const ssize_t moved = counted().splice(from, to, bytes);
  if (moved != -EAGAIN) sim::kernel().progress();
  return moved;
}

int stream_socket(int) {
  return counted().new_stream();
}

int datagram_socket(int) {
  unexpected("socket of datagrams");
}

int accept(int listener, Address& peer) {
  return counted().accept(listener, peer);
}

bool connection_waits(int listener) {
  return counted().connection_waits(listener);
}
int bind(int, const Address&) {
  unexpected("bind");
}
int listen(int, int) {
  unexpected("listen");
}
int connect(int fd, const Address& address) {
  return counted().connect(fd, address);
}

int shutdown_write(int fd) {
  sim::kernel().progress();
  return counted().stream(fd).shutdown_write();
}

int set_socket_file_access(const char*, const SocketFileAccess&) {
  unexpected("chmod");
}
int remove_socket_file(const char*) {
  unexpected("unlink");
}
int close(int fd) {
  return counted().close(fd, false);
}
int take_socket_error(int fd) {
  return counted().stream(fd).take_error();
}
int set_no_delay(int fd) {
  sim::kernel().stream(fd);
  return 0;
}
int set_unsent_low_water(int fd, int bytes) {
  sim::kernel().stream(fd).limit_unsent(static_cast<size_t>(bytes));
  return 0;
}
int set_receive_buffer(int fd, int) {
  sim::kernel().stream(fd);
  return 0;
}
int set_keep_alive(int fd, uint32_t) {
  sim::kernel().stream(fd);
  return 0;
}
int set_reuse_address(int) {
  return 0;
}
int set_reuse_port(int) {
  return 0;
}
int set_v6_only(int) {
  return 0;
}

int set_abort_on_close(int fd) {
  sim::kernel().mark_abort(fd);
  return 0;
}

Address local_address(int) {
  return Address::from_ip("10.0.0.2", 80).value();  // the listener's, for clients' connections
}
int pair(int[2]) {
  unexpected("socketpair");
}
int unread_bytes(int) {
  unexpected("ioctl");
}
int undelivered_bytes(int fd) {
  return static_cast<int>(sim::kernel().stream(fd).undelivered_to_peer());
}
ssize_t send_with_descriptors(int, std::span<const uint8_t>, std::span<const int>) {
  unexpected("sendmsg with descriptors");
}
ssize_t recv_with_descriptors(int, std::span<uint8_t>, int*, size_t, size_t&) {
  unexpected("recvmsg with descriptors");
}

// calloc, so that AddressSanitizer sees both ends of each ring.
void* map_memory(size_t bytes) {
  if (sim::kernel().take_mapping_fault()) return nullptr;
  sim::kernel().mapped_bytes += bytes;
  ++sim::kernel().mappings;
  return std::calloc(1, bytes);
}

void unmap_memory(void* memory, size_t bytes) {
  sim::kernel().mapped_bytes -= bytes;
  --sim::kernel().mappings;
  std::free(memory);
}

void drop_memory(void* memory, size_t bytes) {
  std::memset(memory, 0, bytes);
}

uint64_t monotonic_ns() {
  return sim::world().now_ns();
}
uint64_t wall_clock_ms() {
  return sim::wall_clock_at(sim::world().now_ms());
}
void random_bytes(void* buffer, size_t bytes) {
  sim::world().random.fill(buffer, bytes);
}

}  // namespace sluice::sys
