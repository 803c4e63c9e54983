// connector over non-blocking sockets.
#include "net/connector.h"

#include <cerrno>

#include "net/sys.h"
#include "net/sys_platform.h"

namespace sluice {

namespace {

constexpr int unsent_low_water_bytes = 256 * 1024;  // a full ring's worth

}  // namespace

void prepare_tcp_leg(int fd) {
  sys::set_no_delay(fd);
  sys::set_unsent_low_water(fd, unsent_low_water_bytes);
}

Result<int> start_connect(const Address& address, const Address* from) {
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return Fault{"socket", -fd};
  if (!address.is_unix()) prepare_tcp_leg(fd);
  if (from != nullptr) {
    // Where the system cannot put it off, bind() takes a port that nothing else has.
    sys::set_bind_address_no_port(fd);
    const int bound = sys::bind(fd, *from);
    if (bound < 0) {
      sys::close(fd);
      return Fault{"bind", -bound};
    }
  }
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
