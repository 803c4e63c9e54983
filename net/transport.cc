// PlainTransport: recv and send for one piece, recvmsg and sendmsg only when a ring wraps.
#include "net/transport.h"

#include <cerrno>

#include "net/sys.h"

namespace sluice {

namespace {

// `asked`: with fewer bytes it is a short count.
Io io_of(ssize_t answer, Io::State at_zero, size_t asked) {
  if (answer > 0) {
    const auto bytes = static_cast<size_t>(answer);
    return Io{bytes, Io::State::open, bytes < asked, 0};
  }
  if (answer == 0) return Io{0, at_zero, false, 0};
  const int error = static_cast<int>(-answer);
  if (error == EAGAIN || error == EWOULDBLOCK) return Io{0, Io::State::blocked, false, 0};
  return Io{0, Io::State::failed, false, error};
}

}  // namespace

Io PlainTransport::recv(std::span<const iovec> pieces) {
  const ssize_t answer = pieces.size() == 1 ? sys::recv(fd_, pieces[0].iov_base, pieces[0].iov_len)
                                            : sys::recv_pieces(fd_, pieces);
  return io_of(answer, Io::State::ended, bytes_of(pieces));
}

Io PlainTransport::send(std::span<const iovec> pieces) {
  const ssize_t answer = pieces.size() == 1 ? sys::send(fd_, pieces[0].iov_base, pieces[0].iov_len)
                                            : sys::send_pieces(fd_, pieces);
  return io_of(answer, Io::State::blocked, bytes_of(pieces));
}

Io PlainTransport::peek(std::span<uint8_t> room) {
  return io_of(sys::peek(fd_, room.data(), room.size()), Io::State::ended, 0);
}

Io PlainTransport::splice_into(const Pipe& pipe, size_t bytes) {
  return io_of(sys::splice(fd_, pipe.in, bytes), Io::State::ended, 0);
}

Io PlainTransport::splice_from(const Pipe& pipe, size_t bytes) {
  return io_of(sys::splice(pipe.out, fd_, bytes), Io::State::blocked, 0);
}

bool PlainTransport::shutdown_write() {
  sys::shutdown_write(fd_);
  return true;
}

const char* io_error_text(int error) {
  switch (error) {
    case 0:
      return "";
    case ECONNRESET:
      return "connection reset by peer";
    case EPIPE:
      return "broken pipe";
    case ETIMEDOUT:
      return "connection timed out";
    case EHOSTUNREACH:
      return "no route to host";
    case EHOSTDOWN:
      return "host is down";
    case ENETUNREACH:
      return "network is unreachable";
    case ENETDOWN:
      return "network is down";
    case ENETRESET:
      return "connection dropped by the network";
    case ECONNABORTED:
      return "connection aborted";
    case ECONNREFUSED:
      return "connection refused";
    case ENOBUFS:
    case ENOMEM:
      return "no memory for the connection";
    default:
      return "connection lost";
  }
}

}  // namespace sluice
