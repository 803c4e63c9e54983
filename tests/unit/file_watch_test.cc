// FileWatch: which changes count, whatever way they come about, and how often they are told of.
#include "core/process/file_watch.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::TemporaryFolder;

constexpr uint64_t quiet_ms = 20;

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// A folder with a site's files as certbot lays them out, and somebody who watches them.
struct Site {
  Site() {
    REQUIRE(reactor.open().ok());
    for (const char* name : {"archive", "live"}) {
      std::filesystem::create_directory(folder.file(name));
    }
    renew(1);
    const int fd = ::open(folder.file("log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    log.error_sink.use({fd, false});
  }
  ~Site() { sys::close(log.error_sink.descriptor().fd); }

  std::string live(const char* name) const { return folder.file("live/") + name; }
  // Writes the n-th pair and has the links point there, the key's first.
  void renew(int number) {
    link("key", number);
    link("cert", number);
  }
  void link(const char* name, int number) {
    const std::string file = std::string("archive/") + name + std::to_string(number);
    put(folder.file(file), name);
    std::filesystem::create_symlink("../" + file, live("new"));
    std::filesystem::rename(live("new"), live(name));
  }
  void use() {
    std::vector<std::string> files;
    for (const char* name : {"key", "cert"}) {
      files.push_back(live(name));
      files.push_back(std::filesystem::canonical(live(name)));
    }
    watch.watch(files);
  }
  // Whether a change is told of at once and, if so, only once.
  bool told() {
    const int before = times;
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (times == before && reactor.armed_timers() > 0 && sys::monotonic_ms() < deadline_ms) {
      reactor.turn(5);
    }
    reactor.turn(0);
    CHECK(reactor.armed_timers() == 0);
    CHECK(times <= before + 1);
    return times != before;
  }
  // The same once the kernel has told what it has to tell.
  bool tells() {
    reactor.turn(0);
    return told();
  }
  std::string lines() {
    log.flush();
    std::ifstream file(folder.file("log"));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  TemporaryFolder folder;
  Reactor reactor;
  Log log;
  int times = 0;
  FileWatch watch{reactor, log, "tls_reload_on_change", [this] { ++times; }, quiet_ms};
};

TEST_CASE("file watch: a renewed pair is told of once, however it gets there") {
  Site site;
  site.use();
  CHECK_FALSE(site.tells());
  site.renew(2);  // certbot
  CHECK(site.tells());
  site.use();
  put(site.live("cert"), "written in its place, behind the link");
  CHECK(site.tells());
  put(site.live("other"), "renamed into its place");
  std::filesystem::rename(site.live("other"), site.live("cert"));
  CHECK(site.tells());
  CHECK(site.lines().find("live/cert has changed") != std::string::npos);
}

TEST_CASE("file watch: of two changes in a row the latter counts, with the former") {
  Site site;
  site.use();
  site.link("key", 2);
  site.reactor.turn(0);
  CHECK(site.reactor.armed_timers() == 1);
  site.link("cert", 2);
  CHECK(site.tells());
}

TEST_CASE("file watch: a bad pair is told of, and what heals it is told of again") {
  Site site;
  site.use();
  site.link("key", 2);
  CHECK(site.tells());
  site.watch.before_load();  // the load fails: nobody calls watch()
  CHECK_FALSE(site.tells());
  site.link("cert", 2);
  CHECK(site.tells());
}

TEST_CASE("file watch: neighbours, and whoever only reads, change nothing") {
  Site site;
  site.use();
  put(site.live("access.log"), "line");
  std::ifstream(site.live("cert")).get();
  CHECK_FALSE(site.tells());
  CHECK(site.times == 0);
}

TEST_CASE("file watch: what a load has seen anyway is not told of") {
  Site site;
  site.use();
  site.renew(2);
  site.watch.before_load();
  CHECK_FALSE(site.tells());
  // Seen by the turn, and then by a load that somebody else asked for.
  site.renew(3);
  site.reactor.turn(0);
  CHECK(site.reactor.armed_timers() == 1);
  site.watch.before_load();
  site.use();
  CHECK_FALSE(site.tells());
}

TEST_CASE("file watch: a change during a load is told of behind it") {
  Site site;
  site.use();
  site.watch.before_load();
  site.renew(2);
  site.use();
  CHECK(site.told());
}

TEST_CASE("file watch: a link in the middle of the way may change") {
  Site site;
  for (const char* name : {"v1", "v2"}) {
    std::filesystem::create_directory(site.folder.file(name));
    put(site.folder.file(name) + "/cert", name);
  }
  const std::string current = site.folder.file("current");
  std::filesystem::create_directory_symlink("v1", current);
  const std::vector<std::string> files = {current + "/cert", site.folder.file("v1") + "/cert"};
  site.watch.watch(files);
  std::filesystem::create_directory_symlink("v2", site.folder.file("next"));
  std::filesystem::rename(site.folder.file("next"), current);
  CHECK(site.tells());
}

TEST_CASE("file watch: a folder that is not there is told of, the others are watched") {
  Site site;
  const std::vector<std::string> files = {site.folder.file("none/cert"), site.live("cert")};
  site.watch.watch(files);
  CHECK(site.lines().find("tls_reload_on_change: changes in " + site.folder.file("none") +
                          " go unnoticed: No such file or directory") != std::string::npos);
  site.link("cert", 2);
  CHECK(site.tells());
}

TEST_CASE("file watch: without files, or closed, it watches nothing") {
  Site site;
  site.use();
  site.watch.watch({});
  site.renew(2);
  CHECK_FALSE(site.tells());
  site.use();
  site.renew(3);
  site.reactor.turn(0);
  site.watch.close();
  CHECK(site.reactor.armed_timers() == 0);
}

}  // namespace
}  // namespace sluice
