// sys: every system call of the loop, the clock and randomness. The one seam between sluice and the
// kernel, which the simulator replaces; nothing else calls them.
//
// Calls return what the kernel returns, or -errno: no errno, no exception. EINTR is retried here.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "net/address.h"

namespace sluice::sys {

// --- data path

ssize_t recv(int fd, void* buffer, size_t bytes);
ssize_t send(int fd, const void* buffer, size_t bytes);  // MSG_NOSIGNAL
// For rings that wrap; at most two pieces.
ssize_t recv_pieces(int fd, std::span<const iovec> pieces);
ssize_t send_pieces(int fd, std::span<const iovec> pieces);
// As recv, of a datagram socket: fills `from`; a datagram's bytes beyond `bytes` are lost.
ssize_t recv_from(int fd, void* buffer, size_t bytes, Address& from);
// As recv, and the bytes stay where they are.
ssize_t peek(int fd, void* buffer, size_t bytes);
// A pipe: ends[0] is its way out. Non-blocking; with room for `bytes` if the system permits.
// -ENOSYS where there is no splice.
int pipe(int ends[2], size_t bytes);
// Moves bytes from a socket to a pipe, or on from there, without copying them. Fewer than asked for
// says nothing; -EAGAIN does, and also stands at urgent data. SIGPIPE has to be ignored.
ssize_t splice(int from, int to, size_t bytes);

// --- sockets: every descriptor is non-blocking and close-on-exec

int stream_socket(int family);
int datagram_socket(int family);
// The accepted descriptor, or -errno; fills `peer`.
int accept(int listener, Address& peer);
// Whether accept() would find somebody, or an error to tell.
bool connection_waits(int listener);
int bind(int fd, const Address& address);
inline constexpr uint32_t default_backlog = 4096;
int listen(int fd, int backlog);
int connect(int fd, const Address& address);  // -EINPROGRESS is the ordinary answer
int shutdown_write(int fd);
// Decides who may connect to a socket file, whatever the umask says; -1 leaves owner or group.
struct SocketFileAccess {
  mode_t mode = 0666;
  uid_t owner = static_cast<uid_t>(-1);
  gid_t group = static_cast<gid_t>(-1);

  bool operator==(const SocketFileAccess&) const = default;
};
int set_socket_file_access(const char* path, const SocketFileAccess& access);
// -ENOTSOCK for a file of another kind, which stays.
int remove_socket_file(const char* path);
int close(int fd);
// The pending error of a socket (SO_ERROR) as a positive errno, 0 where there is none.
int take_socket_error(int fd);
int set_no_delay(int fd);
// The socket reports room once less than that much waits unsent in it (TCP, where the system knows
// it).
int set_unsent_low_water(int fd, int bytes);
// Bounds what the kernel receives ahead on that socket; it does not grow it by itself any more.
int set_receive_buffer(int fd, int bytes);
// Probes the peer after so much silence (TCP, where the system lets it be chosen; else after the
// system's own), in seconds from 1 on.
int set_keep_alive(int fd, uint32_t silence_s);
int set_reuse_address(int fd);
int set_reuse_port(int fd);
int set_v6_only(int fd);
// close() will send RST instead of FIN.
int set_abort_on_close(int fd);
Address local_address(int fd);
int pair(int fds[2]);  // a connected pair of unix stream sockets
// Bytes that wait unread in the receive queue, for tests and benches; or -errno.
int unread_bytes(int fd);
// Bytes that were sent on that socket and have not reached the peer's kernel (TCP) or the peer
// (unix sockets, in the kernel's own measure); -errno, where the system does not tell.
int undelivered_bytes(int fd);

// --- descriptors over a unix socket (master and workers)

// Sends `bytes` with `fds` attached; -errno, or the bytes sent.
ssize_t send_with_descriptors(int fd, std::span<const uint8_t> bytes, std::span<const int> fds);
// Fills at most `fd_limit` descriptors, close-on-exec; sets `fd_count`.
ssize_t recv_with_descriptors(int fd, std::span<uint8_t> bytes, int* fds, size_t fd_limit,
                              size_t& fd_count);

// --- memory: zeroed pages, or null; given back to the system at once

void* map_memory(size_t bytes);
void unmap_memory(void* memory, size_t bytes);
// Whole pages of it go back and stay mapped: zeroed when they are touched again.
void drop_memory(void* memory, size_t bytes);

// --- clock and randomness

uint64_t monotonic_ns();  // never jumps
inline uint64_t monotonic_ms() {
  return monotonic_ns() / 1'000'000;
}
uint64_t wall_clock_ms();  // since 1970; may be set at any time: for logs, and what others date
void random_bytes(void* buffer, size_t bytes);

}  // namespace sluice::sys
