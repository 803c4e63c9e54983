// sys for folders over POSIX.
#include "net/sys_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace sluice::sys {

int open_folder(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int names_in(int folder, size_t most, std::vector<std::string>& names) {
  names.clear();
  // closedir() takes a descriptor with it.
  const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR* const entries = ::fdopendir(fd);
  if (entries == nullptr) {
    const int error = errno;
    ::close(fd);
    return -error;
  }
  while (names.size() < most) {
    const dirent* const entry = ::readdir(entries);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(entries);
  return 0;
}

int open_public_file(int folder, const char* name) {
  // A pipe would wait for a writer.
  const int fd = ::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct stat found {};
  int wrong = 0;
  if (::fstat(fd, &found) != 0) {
    wrong = errno;
  } else if (!S_ISREG(found.st_mode)) {
    wrong = EINVAL;
  } else if ((found.st_mode & S_IROTH) == 0) {
    wrong = EACCES;
  }
  if (wrong == 0) return fd;
  ::close(fd);
  return -wrong;
}

}  // namespace sluice::sys
