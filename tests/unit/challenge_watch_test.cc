// ChallengeWatch: which files count, that changes show however they come about, and that somebody
// is told until he has heard.
#include "core/process/challenge_watch.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::TemporaryFolder;

struct Place {
  Place() {
    REQUIRE(reactor.open().ok());
    log.error_sink.use(
        {::open(place.file("log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600), false});
    std::filesystem::create_directory(folder());
  }
  ~Place() { sys::close(log.error_sink.descriptor().fd); }

  std::string folder() const { return place.file("challenges"); }
  std::string file(const std::string& name) const { return folder() + "/" + name; }
  void put(const std::string& name, const std::string& text, mode_t mode = 0644) const {
    std::ofstream(file(name), std::ios::trunc) << text;
    REQUIRE(::chmod(file(name).c_str(), mode) == 0);
  }
  // Whether it comes to that.
  bool comes_to(const Challenges& wanted) {
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (watch.challenges() != wanted && sys::monotonic_ms() < deadline_ms) reactor.turn(5);
    return watch.challenges() == wanted;
  }
  std::string lines() {
    log.flush();
    return testing::content_of(place.file("log"));
  }

  TemporaryFolder place;
  Reactor reactor;
  Log log;
  int times = 0;
  bool hears = true;
  ChallengeWatch watch{reactor, log, [this] {
                         ++times;
                         return hears;
                       }};
};

TEST_CASE("challenge watch: files come, change and go") {
  Place p;
  p.put("early", "1");
  p.watch.use(p.folder());
  CHECK(p.watch.challenges() == Challenges{{"early", "1"}});
  CHECK(p.times == 1);
  p.put("token", "2");
  CHECK(p.comes_to({{"early", "1"}, {"token", "2"}}));
  p.put("token", "3");
  CHECK(p.comes_to({{"early", "1"}, {"token", "3"}}));
  std::filesystem::rename(p.file("early"), p.file("late"));
  CHECK(p.comes_to({{"late", "1"}, {"token", "3"}}));
  std::filesystem::remove(p.file("token"));
  CHECK(p.comes_to({{"late", "1"}}));
  p.watch.use("");
  CHECK(p.watch.challenges().empty());
  p.reactor.turn(0);
  CHECK(p.reactor.armed_timers() == 0);
}

TEST_CASE("challenge watch: a folder that goes, comes back or was not there") {
  Place p;
  p.watch.use(p.place.file("later"));
  CHECK(p.watch.challenges().empty());
  CHECK(p.lines().find("later: No such file or directory: no challenge is answered") !=
        std::string::npos);
  p.put("token", "1");
  std::filesystem::rename(p.folder(), p.place.file("later"));
  CHECK(p.comes_to({{"token", "1"}}));
  std::filesystem::remove_all(p.place.file("later"));
  CHECK(p.comes_to({}));
  std::filesystem::create_directory(p.folder());
  p.put("token", "2");
  std::filesystem::rename(p.folder(), p.place.file("later"));
  CHECK(p.comes_to({{"token", "2"}}));
}

TEST_CASE("challenge watch: what is no challenge, or nobody else's to read, is not served") {
  Place p;
  p.put("good", "1");
  p.put("secret", "2", 0640);
  p.put("large", std::string(most_challenge_bytes + 1, 'x'));
  p.put("full", std::string(most_challenge_bytes, 'x'));
  p.put("with.dot", "3");
  p.put(".hidden", "4");
  std::filesystem::create_symlink("good", p.file("link"));
  std::filesystem::create_directory(p.file("folder"));
  p.watch.use(p.folder());
  CHECK(p.watch.challenges() ==
        Challenges{{"full", std::string(most_challenge_bytes, 'x')}, {"good", "1"}});
  const std::string lines = p.lines();
  for (const char* told :
       {"secret is not served: not everybody may read it",
        "large is not served: it has more than 4k", "link is not served: it is a link",
        "folder is not served: it is no file"}) {
    CHECK(lines.find(told) != std::string::npos);
  }
  CHECK(lines.find("hidden") == std::string::npos);
}

TEST_CASE("challenge watch: a reload sees that the name leads to another folder") {
  Place p;
  p.put("old", "1");
  const std::string other = p.place.file("other");
  std::filesystem::create_directory(other);
  std::ofstream(other + "/new") << "2";
  std::filesystem::permissions(other + "/new", std::filesystem::perms{0644});
  const std::string link = p.place.file("current");
  std::filesystem::create_symlink(p.folder(), link);
  p.watch.use(link);
  CHECK(p.watch.challenges() == Challenges{{"old", "1"}});
  std::filesystem::remove(link);
  std::filesystem::create_symlink(other, link);
  p.watch.use(link);
  CHECK(p.watch.challenges() == Challenges{{"new", "2"}});
}

TEST_CASE("challenge watch: of many files the latest") {
  Place p;
  Challenges wanted;
  for (size_t i = 0; i < most_challenges + 6; ++i) {
    const std::string name = "n" + std::to_string(i);
    p.put(name, name);
    const auto at = std::filesystem::file_time_type::clock::now() - std::chrono::hours(i);
    std::filesystem::last_write_time(p.file(name), at);
    if (i < most_challenges) wanted.emplace(name, name);
  }
  p.watch.use(p.folder());
  CHECK(p.watch.challenges() == wanted);
  CHECK(p.lines().find("of 70 files the latest 64 are served") != std::string::npos);
}

TEST_CASE("challenge watch: a folder with too many files is told of") {
  Place p;
  for (int i = 0; i < 1'030; ++i) p.put(std::to_string(i), "x");
  p.watch.use(p.folder());
  CHECK(p.watch.challenges().size() == most_challenges);
  CHECK(p.lines().find("it holds 1024 files and more") != std::string::npos);
}

TEST_CASE("challenge watch: who could not hear is told again") {
  Place p;
  p.hears = false;
  p.put("token", "1");
  p.watch.use(p.folder());
  CHECK(p.times == 1);
  p.hears = true;
  const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
  while (p.times < 2 && sys::monotonic_ms() < deadline_ms) p.reactor.turn(5);
  CHECK(p.times == 2);
  CHECK(p.reactor.armed_timers() == 1);  // of the next look
}

}  // namespace
}  // namespace sluice
