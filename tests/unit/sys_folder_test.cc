// Folders into which others put files: what is listed, and what is opened to be read.
#include "net/sys_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::TemporaryFolder;

void put(const std::string& path, const std::string& text, mode_t mode = 0644) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

TEST_CASE("sys folder: names, as many as are asked for, again and again") {
  const TemporaryFolder place;
  for (const char* name : {"a", "b", ".c"}) put(place.file(name), "");
  std::filesystem::create_directory(place.file("d"));
  const Descriptor folder(sys::open_folder(place.file("").c_str()));
  REQUIRE(folder.get() >= 0);
  std::vector<std::string> names;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(sys::names_in(folder.get(), 10, names) == 0);
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{".c", "a", "b", "d"});
  }
  REQUIRE(sys::names_in(folder.get(), 2, names) == 0);
  CHECK(names.size() == 2);
  CHECK(sys::open_folder(place.file("a").c_str()) == -ENOTDIR);
  CHECK(sys::open_folder(place.file("e").c_str()) == -ENOENT);
  CHECK(sys::names_in(-1, 2, names) == -EBADF);
}

TEST_CASE("sys folder: only a file that everybody may read is opened") {
  const TemporaryFolder place;
  const Descriptor folder(sys::open_folder(place.file("").c_str()));
  put(place.file("public"), "text");
  put(place.file("secret"), "text", 0640);
  std::filesystem::create_symlink("public", place.file("link"));
  std::filesystem::create_directory(place.file("folder"));
  REQUIRE(::mkfifo(place.file("pipe").c_str(), 0644) == 0);
  const auto opened = [&folder](const char* name) {
    const int fd = sys::open_public_file(folder.get(), name);
    if (fd >= 0) sys::close(fd);
    return std::min(fd, 0);
  };
  CHECK(opened("public") == 0);
  CHECK(opened("secret") == -EACCES);
  CHECK(opened("link") == -ELOOP);
  CHECK(opened("folder") == -EINVAL);
  CHECK(opened("pipe") == -EINVAL);
  CHECK(opened("nothing") == -ENOENT);
}

}  // namespace
}  // namespace sluice
