// Changes in folders, as this system tells of them.
#include "net/sys_watch.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::TemporaryFolder;

// Whether anything was told since the last call.
bool told(const Descriptor& watch) {
  bool any = false;
  while (sys::take_folder_changes(watch.get())) any = true;
  return any;
}

TEST_CASE("sys watch: a file that is written, replaced, linked or changed otherwise is told of") {
  const TemporaryFolder folder;
  const Descriptor watch(sys::open_folder_watch());
  REQUIRE(sys::watch_folder(watch.get(), folder.file("").c_str()) == 0);
  CHECK(sys::watch_folder(watch.get(), folder.file("").c_str()) == 0);
  CHECK_FALSE(told(watch));
  const std::string one = folder.file("one");
  const std::string two = folder.file("two");
  {
    std::ofstream file(one);
    CHECK(told(watch));  // there is one
    file << "text" << std::flush;
    CHECK_FALSE(told(watch));  // who writes is not done
  }
  CHECK(told(watch));
  std::filesystem::rename(one, two);
  CHECK(told(watch));
  std::filesystem::create_symlink("two", one);
  CHECK(told(watch));
  std::filesystem::permissions(two, std::filesystem::perms::owner_read);
  CHECK(told(watch));
  std::filesystem::remove(two);
  CHECK(told(watch));
  std::ifstream(one).get();
  CHECK_FALSE(told(watch));
}

TEST_CASE("sys watch: what is no folder cannot be watched") {
  const TemporaryFolder folder;
  const Descriptor watch(sys::open_folder_watch());
  CHECK(sys::watch_folder(watch.get(), folder.file("none").c_str()) == -ENOENT);
  std::ofstream(folder.file("file")) << "text";
  CHECK(sys::watch_folder(watch.get(), folder.file("file").c_str()) == -ENOTDIR);
}

TEST_CASE("sys watch: a file's state differs once it is another one, or was written") {
  const TemporaryFolder folder;
  const std::string file = folder.file("file");
  const std::string link = folder.file("link");
  CHECK(sys::file_state(file.c_str()) == sys::FileState());
  std::ofstream(file) << "text";
  std::filesystem::create_symlink("file", link);
  const sys::FileState first = sys::file_state(file.c_str());
  CHECK(first != sys::FileState());
  CHECK(sys::file_state(link.c_str()) == first);
  CHECK(sys::is_link(link.c_str()));
  CHECK_FALSE(sys::is_link(file.c_str()));
  CHECK_FALSE(sys::is_link(folder.file("none").c_str()));
  std::ofstream(file) << "texts";
  CHECK(sys::file_state(file.c_str()) != first);
  std::ofstream(folder.file("other")) << "text";
  std::filesystem::rename(folder.file("other"), file);
  CHECK(sys::file_state(link.c_str()).inode != first.inode);
}

}  // namespace
}  // namespace sluice
