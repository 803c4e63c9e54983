// sys over inotify(7).
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "net/sys_watch.h"

namespace sluice::sys {

int open_folder_watch() {
  const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  return watch >= 0 ? watch : -errno;
}

int watch_folder(int watch, const char* folder) {
  // Of a file that is written bit by bit, a log's for example, nothing is told meanwhile.
  constexpr uint32_t changes = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM |
                               IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
  return ::inotify_add_watch(watch, folder, changes | IN_ONLYDIR) >= 0 ? 0 : -errno;
}

bool take_folder_changes(int watch) {
  alignas(inotify_event) char events[16 * 1024];
  ssize_t got = 0;
  do {
    got = ::read(watch, events, sizeof events);
  } while (got < 0 && errno == EINTR);
  return got > 0;
}

}  // namespace sluice::sys
