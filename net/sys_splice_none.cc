// sys: no pipes where the system has no splice(2), so that everything goes through rings.
#include <cerrno>

#include "net/sys.h"

namespace sluice::sys {

int pipe(int[2], size_t) {
  return -ENOSYS;
}

ssize_t splice(int, int, size_t) {
  return -ENOSYS;
}

}  // namespace sluice::sys
