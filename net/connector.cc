// connector over non-blocking sockets.
#include "net/connector.h"

#include <cerrno>

#include "net/sys.h"

namespace sluice {

Result<int> start_connect(const Address& address) {
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return Fault{"socket", -fd};
  if (!address.is_unix()) sys::set_no_delay(fd);
  const int answer = sys::connect(fd, address);
  // EAGAIN is a unix listener's full backlog: nothing would ever report it as writable.
  if (answer == 0 || answer == -EINPROGRESS) return fd;
  sys::close(fd);
  return Fault{"connect", -answer};
}

int connect_outcome(int fd) {
  return sys::take_socket_error(fd);
}

}  // namespace sluice
