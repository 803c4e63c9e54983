// CertificateNotices: what is told is told once a day, of the Config in force.
#include "core/process/certificate_notices.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tests/unit/net_testing.h"
#include "tls/resumption.h"

namespace sluice {
namespace {

ConfigRef config_ending(const std::string& what, int64_t left_s) {
  auto config = std::make_unique<Config>();
  config->certificate_ends.push_back({what, system_wall_clock_s() + left_s});
  return ConfigRef(config.release());
}

TEST_CASE("certificate notices: once a day, of whatever is in force then") {
  const testing::TemporaryFolder folder;
  const testing::Descriptor file(
      ::open(folder.file("log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  Log log;
  log.error_sink.use({file.get(), false});
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  CertificateNotices notices(reactor, log, 5);
  const auto day = [&] {
    REQUIRE(reactor.armed_timers() == 1);
    for (int i = 0; i < 1'000; ++i) {
      const off_t before = ::lseek(file.get(), 0, SEEK_END);
      reactor.turn(5);
      log.flush();
      if (::lseek(file.get(), 0, SEEK_END) != before) break;
    }
    std::ifstream lines(folder.file("log"));
    const std::string text{std::istreambuf_iterator<char>(lines), std::istreambuf_iterator<char>()};
    REQUIRE(::ftruncate(file.get(), 0) == 0);
    REQUIRE(::lseek(file.get(), 0, SEEK_SET) == 0);
    return text.substr(text.find(' ') + 1);
  };
  CHECK(reactor.armed_timers() == 0);
  notices.use(config_ending("one", 3 * 86'400 + 3'600));
  CHECK(day() == "warn one expires in 3 days\n");
  CHECK(day() == "warn one expires in 3 days\n");
  notices.use(config_ending("two", -5));
  CHECK(day() == "warn two has expired\n");
}

}  // namespace
}  // namespace sluice
