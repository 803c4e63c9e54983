// No message tells what a reference stands for, whatever directive it stands in and whatever is
// wrong with it.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

constexpr const char* secret_forms[] = {
    "hunter2",           "/nowhere/hunter2", "/nowhere/hunter2/../x", "/nowhere/hunter2?x",
    "hunter2 hunter2",   "ws://hunter2..x",  "ws://[hunter2]",        "ws://127.0.0.1:0/hunter2",
    "wss://hunter2/",    "http://hunter2",   "unix:hunter2",          "ws://unix:/hunter2:hunter2",
    "127.0.0.1:hunter2", "hunter2\x07",      "*.hunter2:80",          "Sec-WebSocket-hunter2",
};

void check_silent(const ConfOutcome& outcome) {
  for (const ConfError& error : outcome.errors) {
    CHECK(error.text().find("hunter2") == std::string::npos);
  }
  for (const std::string& warning : outcome.warnings) {
    CHECK(warning.find("hunter2") == std::string::npos);
  }
}

// The directive with a reference in each place of an argument.
std::string line_of(const DirectiveHelp& row) {
  std::string line(row.name);
  const auto blanks = std::count(row.arguments.begin(), row.arguments.end(), ' ');
  for (auto i = blanks; i >= 0; --i) line += " ${env:SLUICE_TEST_SECRET}";
  return line;
}

}  // namespace

TEST_CASE("conf secrets: no argument of any directive is told, in any section") {
  const TestFolder folder;
  ConfOptions options;
  options.open_files = true;
  int refused = 0;
  for (const char* form : secret_forms) {
    const TestVariable secret("SLUICE_TEST_SECRET", form);
    for (const DirectiveHelp& row : directive_help()) {
      CAPTURE(row.name);
      CAPTURE(form);
      const std::string line = line_of(row);
      std::string text;
      for (const std::string_view opener : {"", "\nlisten 8080", "\nupstream up", "\nroute /x"}) {
        text.append(opener).append("\n" + line + "\n" + line + "\n");
      }
      const ConfOutcome outcome = load_file(folder.write("s.conf", text), options);
      refused += static_cast<int>(outcome.errors.size());
      check_silent(outcome);
    }
  }
  CHECK(refused > 1000);  // nearly every form is wrong for nearly every directive
}

TEST_CASE("conf secrets: names that come from a reference are not told either") {
  const TestVariable secret("SLUICE_TEST_SECRET", "hunter2");
  const TestVariable near_secret("SLUICE_TEST_NEAR", "hunter3");
  const ConfOutcome outcome = load_text(
      "${env:SLUICE_TEST_SECRET} x\n"
      "listen 8080\n"
      "upstream ${env:SLUICE_TEST_SECRET}\n"
      "upstream ${env:SLUICE_TEST_SECRET}\n"
      "route /${env:SLUICE_TEST_SECRET}\n"
      "  proxy_pass ${env:SLUICE_TEST_NEAR}\n"
      "route /${env:SLUICE_TEST_SECRET}\n"
      "  proxy_pass hunter\n");
  check_silent(outcome);
  CHECK(errors_of(outcome) ==
        "1: unknown directive \"${env:SLUICE_TEST_SECRET}\"\n"
        "3: upstream \"${env:SLUICE_TEST_SECRET}\" has no server\n"
        "4: upstream \"${env:SLUICE_TEST_SECRET}\" has no server\n"
        "4: upstream \"${env:SLUICE_TEST_SECRET}\" is already given on line 3\n"
        "6: proxy_pass: there is no upstream \"${env:SLUICE_TEST_NEAR}\"\n"
        "8: proxy_pass: there is no upstream \"hunter\"\n");
}

TEST_CASE("conf secrets: a warning shows the route as it is written") {
  const TestVariable secret("SLUICE_TEST_SECRET", "hunter2");
  const ConfOutcome outcome =
      load_text(conf_of("") +
                "route /${env:SLUICE_TEST_SECRET}\n"
                "  proxy_pass ws://127.0.0.1:1/${env:SLUICE_TEST_SECRET}\n");
  REQUIRE(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() == 1);
  CHECK(outcome.warnings[0].find("route \"/${env:SLUICE_TEST_SECRET}\" is never reached") !=
        std::string::npos);
  // An upstream without a name is called by its URI, in logs too.
  CHECK(outcome.config->upstreams.back().name == "ws://127.0.0.1:1/${env:SLUICE_TEST_SECRET}");
}

TEST_CASE("conf secrets: the name of an included file is shown as it is written") {
  const TestFolder folder;
  const TestVariable secret("SLUICE_TEST_SECRET", "hunter2");
  folder.write("hunter2.inc", "nonsense\n");
  folder.write("hunter2/x.inc", "nonsense\n");
  const ConfOutcome outcome =
      load_file(folder.write("a.conf",
                             "include ${env:SLUICE_TEST_SECRET}.inc\n"
                             "include ${env:SLUICE_TEST_SECRET}/*.inc\n"
                             "include ${env:SLUICE_TEST_SECRET}/none.inc\n"));
  check_silent(outcome);
  REQUIRE(outcome.errors.size() == 3);
  CHECK(outcome.errors[0].file == folder.path() + "${env:SLUICE_TEST_SECRET}.inc");
  CHECK(outcome.errors[1].file == folder.path() + "${env:SLUICE_TEST_SECRET}/x.inc");
}
