// sys where nobody tells of changes in folders.
#include <cerrno>

#include "net/sys_watch.h"

namespace sluice::sys {

int open_folder_watch() {
  return -ENOSYS;
}

int watch_folder(int, const char*) {
  return -ENOSYS;
}

bool take_folder_changes(int) {
  return false;
}

}  // namespace sluice::sys
