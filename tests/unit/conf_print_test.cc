// The effective conf: whatever a word holds, what is printed is a conf that says the same.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/print.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

ConfOutcome print_file(const std::string& path) {
  ConfOptions options;
  options.effective = true;
  return load_file(path, options);
}

ConfOutcome print_text(std::string_view text) {
  const TestFolder folder;
  return print_file(folder.write("test.conf", text));
}

// Without the first line, which names the conf.
std::string page_of(const ConfOutcome& outcome) {
  REQUIRE(errors_of(outcome) == "");
  return outcome.effective.substr(outcome.effective.find('\n') + 1);
}

}  // namespace

TEST_CASE("conf print: words that the lexer would misread stand in quotes") {
  for (const std::string_view word :
       {"\"v;\"", "\"{\"", "\"}\"", "\"{;\"", "\"'it' is\"", "\"'a'\"", "\"#a\"", "\"\"",
        "\"\xe2\x80\x9cquoted\xe2\x80\x9d\"", "\"\xc2\xabquoted\xc2\xbb\"", "\"a \\\"b\\\\ c\"",
        "a{b}", "plain", "[x]*"}) {
    CAPTURE(word);
    const ConfOutcome first = print_text(conf_of("set_header X-A " + std::string(word)));
    const std::string page = page_of(first);
    const ConfOutcome second = print_text(page);
    CHECK(page_of(second) == page);
    CHECK(second.config->routes[0].set_headers[0].value ==
          first.config->routes[0].set_headers[0].value);
  }
}

TEST_CASE("conf print: a reference behind any number of dollars names its file from the root on") {
  const TestFolder folder;
  folder.write("token", "t0ken\n");
  const auto holds = [](const std::string& page, const std::string& value) {
    return page.find("match_header X-A " + value + "\n") != std::string::npos;
  };
  const std::string whole = "${file:" + folder.path() + "token}";
  const auto route = [&](const std::string& value) {
    const ConfOutcome outcome =
        print_file(folder.write("a.conf", conf_of("", "", "match_header X-A \"" + value + "\"\n")));
    return page_of(outcome);
  };
  CHECK(holds(route("${file:token}"), whole));
  CHECK(holds(route("$${file:token}"), "$${file:token}"));
  CHECK(holds(route("$$${file:token}"), "$$" + whole));
  CHECK(holds(route("$$$${file:token}"), "$$$${file:token}"));
  CHECK(holds(route("${file:token}-${file:token}"), whole + "-" + whole));
}
