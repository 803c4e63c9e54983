// Log lines: their level, their form, and what stands in front of them.
#include "core/observe/log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "net/sys.h"
#include "net/sys_trace.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::unix_pair;

// A log whose lines come out of a socket.
struct Told {
  explicit Told(LogOutput output = {}) {
    output.descriptor = {ends.near.get(), false};
    log.use_for_errors(output);
    log.use_for_access(output);
  }
  std::string text() {
    log.flush();
    std::string all;
    for (std::string piece = "-"; !piece.empty(); all += piece) {
      piece = testing::recv_text(ends.far.get());
    }
    return all;
  }

  Pair ends = unix_pair();
  Log log;
};

LogOutput in_json() {
  LogOutput output;
  output.format.form = LogForm::json;
  return output;
}

TEST_CASE("lines below the level are not written") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Log log;
  log.set_level(LogLevel::warn);
  log.error_sink.use({ends[1], false});
  log.error(LogLevel::info, "quiet");
  log.error(LogLevel::warn, "loud \"quoted\" and\nbroken");
  log.flush();
  char text[256] = {};
  const ssize_t got = ::read(ends[0], text, sizeof text - 1);
  REQUIRE(got > 0);
  const std::string line(text, static_cast<size_t>(got));
  CHECK(line.find("quiet") == std::string::npos);
  CHECK(line.ends_with(" warn loud \"quoted\" and\\x0abroken\n"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("log: an access line has the time in front") {
  Told told;
  told.log.access("open id=1");
  CHECK(std::regex_match(told.text(),
                         std::regex("\\d{4}-\\d\\d-\\d\\dT[\\d:]{8}\\.\\d{3}Z open id=1\n")));
}

TEST_CASE("log: in JSON each line is an object, whatever stands in it") {
  Told told(in_json());
  told.log.name_process("worker 7");
  told.log.error(LogLevel::warn, "a \"quoted\"\n\xff word");
  const std::string line = told.text();
  REQUIRE(line.ends_with("}\n"));
  const auto object = nlohmann::json::parse(line);
  CHECK(object["level"] == "warn");
  CHECK(object["process"] == "worker 7");
  CHECK(object["pid"] == sys::process_id());
  CHECK(object["message"] == "a \"quoted\"\n\xef\xbf\xbd word");
  CHECK(object["time"].get<std::string>().size() == 24);
  told.log.access("\"event\":\"open\"}");
  CHECK(nlohmann::json::parse(told.text())["event"] == "open");
  told.log.error(LogLevel::warn, std::string(100'000, 'x'));
  const auto cut = nlohmann::json::parse(told.text())["message"].get<std::string>();
  CHECK(cut.size() < 9'000);
  CHECK(cut.ends_with("x..."));
  sys::trace_to(-1);
}

TEST_CASE("log: to syslog a line is RFC 5424's, with the level as its severity") {
  LogOutput output;
  output.syslog = SyslogTarget{Address::parse("127.0.0.1:514").value(), 3, "edge"};
  output.host_name = "box";
  Told told(output);
  const std::string pid = std::to_string(sys::process_id());
  const auto after_time = [](const std::string& line) { return line.substr(line.find("Z ")); };
  told.log.error(LogLevel::warn, "a\nb");
  std::string line = told.text();
  CHECK(line.starts_with("<28>1 20"));  // 3 * 8 + 4
  CHECK(after_time(line) == "Z box edge " + pid + " error - warn a\\x0ab");
  told.log.access("open id=1");
  line = told.text();
  CHECK(line.starts_with("<30>1 20"));
  CHECK(after_time(line) == "Z box edge " + pid + " access - open id=1");
  told.log.access(std::string(10'000, 'x'));
  line = told.text();
  CHECK(line.size() < 8'400);
  CHECK(line.ends_with("x..."));
  output.format.form = LogForm::json;
  output.host_name = "";
  Told object(output);
  object.log.access("\"event\":\"open\"}");
  line = object.text();
  CHECK(after_time(line).starts_with("Z - edge " + pid + " access - {\"time\":\""));
  CHECK(nlohmann::json::parse(line.substr(line.find('{')))["event"] == "open");
  sys::trace_to(-1);
}

TEST_CASE("log: losses are told at once, and then not with every flush") {
  Told told;
  LogSink& access = told.log.access_sink;
  access.use({-1, false});
  access.lose_line();
  CHECK(told.text().ends_with(" warn access log: 1 lines dropped\n"));
  access.lose_line();
  access.lose_line();
  CHECK(told.text() == "");
  access.lose_line();
  told.log.flush_all();
  CHECK(told.text().ends_with(" warn access log: 3 lines dropped\n"));
}

TEST_CASE("log: a syslog daemon that is not there is a warning, not a fault") {
  LogTarget target{.path = "syslog:unix:/nowhere/log"};
  target.syslog.emplace();
  target.syslog->address = Address::from_unix_path("/nowhere/log").value();
  std::string warning;
  const Result<LogOutput> opened = open_log(target, warning);
  REQUIRE(opened.ok());
  CHECK(opened.value().on());
  CHECK(warning ==
        "syslog:unix:/nowhere/log: connect: No such file or directory; lines are dropped until "
        "somebody listens there");
  sys::close(opened.value().descriptor.fd);
  CHECK_FALSE(open_log(LogTarget{.path = "/nowhere/log"}, warning).ok());
  const Result<LogOutput> off = open_log(LogTarget{.path = "off"}, warning);
  REQUIRE(off.ok());
  CHECK_FALSE(off.value().on());
}

}  // namespace
}  // namespace sluice
