// nap(), by select(2) of POSIX: the poller waits in whole milliseconds.
#include "tests/load/common_nap.h"

#include <sys/select.h>

#include "net/check.h"

namespace sluice::load {

void nap(int fd, uint64_t ns) {
  SLUICE_CHECK(fd >= 0 && fd < FD_SETSIZE);
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(fd, &readable);
  const timespec most{0, static_cast<long>(ns)};
  ::pselect(fd + 1, &readable, nullptr, nullptr, &most, nullptr);
}

}  // namespace sluice::load
