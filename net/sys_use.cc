// Over /proc (proc(5)); where there is none, processor time alone is told.
#include "net/sys_use.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <string>

namespace sluice::sys {

namespace {

// The numbers that a line begins with.
void read_pages(int fd, uint64_t& all, uint64_t& resident) {
  char text[128];
  const ssize_t bytes = fd < 0 ? 0 : ::pread(fd, text, sizeof text - 1, 0);
  if (bytes <= 0) return;
  text[bytes] = '\0';
  char* end = nullptr;
  all = std::strtoull(text, &end, 10);
  resident = std::strtoull(end, nullptr, 10);
}

}  // namespace

ProcessMeter::ProcessMeter()
    : memory_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)),
      descriptors_(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

ProcessMeter::~ProcessMeter() {
  for (const int fd : {memory_, descriptors_}) {
    if (fd >= 0) ::close(fd);
  }
}

ProcessUse ProcessMeter::read() const {
  ProcessUse use;
  timespec time{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0) {
    use.cpu_ms = static_cast<uint64_t>(time.tv_sec) * 1'000 +
                 static_cast<uint64_t>(time.tv_nsec) / 1'000'000;
  }
  static const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  read_pages(memory_, use.virtual_bytes, use.resident_bytes);
  use.virtual_bytes *= page_bytes;
  use.resident_bytes *= page_bytes;
  // Since Linux 6.2 the folder's size is how many there are; before that it is 0.
  struct stat folder {};
  if (descriptors_ >= 0 && ::fstat(descriptors_, &folder) == 0 && folder.st_size > 0) {
    use.descriptors = static_cast<uint64_t>(folder.st_size);
  }
  return use;
}

}  // namespace sluice::sys
