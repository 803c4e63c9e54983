// What a route takes: the forms of its path, and what its conditions refuse.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::string error_in_route(const std::string& line) {
  return errors_in("listen 127.0.0.1:8080\nroute /\nproxy_pass ws://127.0.0.1:1\n" + line);
}

std::string error_with_route(const std::string& words) {
  return errors_in("listen 127.0.0.1:8080\nroute " + words + "\nproxy_pass ws://127.0.0.1:1\n");
}

RouteConfig route_with(const std::string& words, const std::string& line = "") {
  const auto config =
      good("listen 127.0.0.1:8080\nroute " + words + "\nproxy_pass ws://127.0.0.1:1\n" + line);
  return config->routes[0];
}

std::vector<std::string> warnings_with(const std::string& words, const std::string& more = "") {
  const auto outcome =
      load_text("listen 127.0.0.1:8080\nroute " + words + "\nproxy_pass ws://127.0.0.1:1\n" + more);
  CHECK(errors_of(outcome) == "");
  std::vector<std::string> warnings;
  for (const std::string& each : outcome.warnings) {
    warnings.push_back(each.substr(each.find("test.conf:") + 10));
  }
  return warnings;
}

}  // namespace

TEST_CASE("conf match: a path, it alone, or a pattern") {
  CHECK(route_with("/a/").name() == "/a");
  CHECK(route_with("/%61").prefix() == "/a");
  CHECK(route_with("= /a/").name() == "=/a/");
  CHECK(route_with("= /%61").prefix() == "/a");
  const RouteConfig pattern = route_with("~ \"^/(a|b) c$\"");
  CHECK(pattern.path_form == PathForm::pattern);
  CHECK(pattern.name() == "~^/(a|b) c$");
  CHECK(pattern.prefix() == "/");
  CHECK(pattern.pattern.found_in("/a c"));
  CHECK(pattern.is_called("~^/(a|b) c$"));
  CHECK_FALSE(pattern.is_called("^/(a|b) c$"));
}

TEST_CASE("conf match: paths that no request can have, and words that are no form") {
  const std::string forms =
      "; write route PATH for it and everything under it, route = PATH for it alone, or route ~ "
      "REGEX\n";
  CHECK(error_with_route("=/a") == "2: route: \"=/a\" does not begin with /" + forms);
  CHECK(error_with_route("~^/a") == "2: route: \"~^/a\" does not begin with /" + forms);
  CHECK(error_with_route("! /a") == "2: route: \"!\" is neither = nor ~" + forms);
  CHECK(error_with_route("= a") == "2: route: \"a\" does not begin with /\n");
  CHECK(error_with_route("= /a?b") ==
        "2: route: \"/a?b\" is not a path: match_query looks at the query, a route does not\n");
  CHECK(error_with_route("= /a//b") ==
        "2: route: \"/a//b\" has two readings (//), so that no request can take it\n");
  CHECK(error_with_route("~ a(b") ==
        "2: route: \"a(b\" is not a regular expression: missing ): a(b\n");
  CHECK(error_with_route("~ (?<=a)b") ==
        "2: route: \"(?<=a)b\" is not a regular expression: invalid perl operator: (?<\n");
}

TEST_CASE("conf match: what RE2 would cite of a secret is not told") {
  const TestVariable secret("SLUICE_TEST_PATTERN", "hunter2(");
  CHECK(error_with_route("~ ${env:SLUICE_TEST_PATTERN}") ==
        "2: route: \"${env:SLUICE_TEST_PATTERN}\" is not a regular expression: missing )\n");
}

TEST_CASE("conf match: an escape in a pattern is warned of") {
  CHECK(warnings_with("~ ^/a%20b") ==
        std::vector<std::string>{
            "2: route: \"^/a%20b\" holds a %: a path must match as it came and with its escapes "
            "undone; write a byte that may be escaped as ., or both ways, as (%20| )"});
  CHECK(warnings_with("~ ^/a.b").empty());
}

TEST_CASE("conf match: hosts") {
  const auto hosts = [](const std::string& given) {
    std::string all;
    for (const std::string& each : route_with("/", "match_host " + given).match_hosts) {
      all += each + " ";
    }
    return all;
  };
  CHECK(hosts("Example.ORG") == "example.org ");
  CHECK(hosts("example.org.") == "example.org ");
  CHECK(hosts("*.Example.org a.example [::1]") == "*.example.org a.example [::1] ");
  CHECK(hosts("*") == "");
  CHECK(error_in_route("match_host example.org:80") ==
        "4: match_host: \"example.org:80\": leave the port out, every port matches\n");
  for (const std::string given : {"", "*.", "a.*.org", "*example.org", "a b", "http://x", "a.*"}) {
    CHECK(error_in_route("match_host b.example \"" + given + "\"") ==
          "4: match_host: \"" + given +
              "\" is not a host's name; write it whole, as *.DOMAIN, or * alone for all\n");
  }
  CHECK(error_in_route("match_host .a.example") ==
        "4: match_host: \".a.example\" begins with a dot; write a.example *.a.example for the host "
        "and all below it\n");
  CHECK(error_in_route("match_host a..example").find("is not a host's name") != std::string::npos);
  CHECK(error_in_route("match_host * a.example") ==
        "4: match_host: * is every host and stands alone\n");
  CHECK(error_in_route("match_host a.example A.example.") ==
        "4: match_host: \"A.example.\" is given twice\n");
}

TEST_CASE("conf match: fields, parameters and cookies") {
  CHECK(error_in_route("match_header X-A") == "");
  CHECK(error_in_route("match_header \"X A\"") ==
        "4: match_header: \"X A\" is not a header's name; it has no blanks and no colon\n");
  CHECK(error_in_route("match_header X-A \"\"") ==
        "4: match_header: the value is empty; leave it out where the header need only be there\n");
  CHECK(error_in_route("match_query \"\"") == "4: match_query: the parameter's name is empty\n");
  CHECK(error_in_route("match_query a \"\"") ==
        "4: match_query: the value is empty; leave it out where the parameter need only be "
        "there\n");
  CHECK(error_in_route("match_cookie \"a b\"") ==
        "4: match_cookie: \"a b\" is not a cookie's name\n");
  for (const std::string line : {"match_header X-A", "match_query a", "match_cookie a"}) {
    const std::string begin = "4: " + line.substr(0, line.find(' ')) + ": ";
    CHECK(error_in_route(line + " ~") == begin + "behind ~ stands a regular expression\n");
    CHECK(error_in_route(line + " b c") ==
          begin + "\"b\" is not ~; a value with blanks stands in double quotes\n");
    CHECK(error_in_route(line + " ~ a{2,1}") ==
          begin + "\"a{2,1}\" is not a regular expression: invalid repetition size: {2,1}\n");
    CHECK(error_in_route(line + " ~ ^b$") == "");
  }
}

TEST_CASE("conf match: clients, listeners and methods") {
  CHECK(error_in_route("match_client ::1 localhost") ==
        "4: match_client: \"localhost\" is not a range of addresses (not an IP address); write an "
        "IP address, as 192.0.2.1 or 2001:db8::1, a range, as 10.0.0.0/8, or unix\n");
  CHECK(error_in_route("match_listener 127.0.0.1:8080") == "");
  CHECK(error_in_route("match_listener 127.0.0.1:8081 8080") ==
        "4: match_listener: there is no listen \"127.0.0.1:8081\"\n"
        "4: match_listener: there is no listen \"8080\"\n");
  CHECK(error_in_route("match_listener here") ==
        "4: match_listener: \"here\" is not an address (no port); write it as behind "
        "listen\n");
  for (const std::string given : {"get", "Get", "", "GET,HEAD"}) {
    CHECK(error_in_route("match_method HEAD \"" + given + "\"") ==
          "4: match_method: \"" + given +
              "\" is not a method; write GET, or several with blanks between them, in capital "
              "letters\n");
  }
  CHECK(error_in_route("match_method GET GET") == "4: match_method: \"GET\" is given twice\n");
}

TEST_CASE("conf match: which routes are never reached") {
  const auto hidden = [](const std::string& first, const std::string& second) {
    const std::string more = "route " + second + "\nproxy_pass ws://127.0.0.1:1\n";
    const auto lines = first.find('\n');
    const auto warnings =
        lines == std::string::npos
            ? warnings_with(first, more)
            : warnings_with(first.substr(0, lines), first.substr(lines + 1) + "\n" + more);
    for (const std::string& each : warnings) {
      if (each.find("is never reached") != std::string::npos) return true;
    }
    return false;
  };
  CHECK(hidden("/a", "= /a"));
  CHECK(hidden("/a", "= /a/b"));
  CHECK(hidden("= /a", "= /a"));
  CHECK(hidden("~ ^/a", "~ ^/a"));
  CHECK(hidden("/", "~ ^/a"));
  CHECK_FALSE(hidden("= /a", "/a"));
  CHECK_FALSE(hidden("= /a", "= /a/"));
  CHECK_FALSE(hidden("~ ^/a", "= /a"));
  CHECK_FALSE(hidden("/a", "~ ^/a"));
  for (const std::string condition :
       {"match_header X-A", "match_query a", "match_cookie a", "match_client ::1",
        "match_listener 127.0.0.1:8080", "match_method GET", "match_host a.example"}) {
    CHECK_FALSE(hidden("/a\n" + condition, "/a"));
  }
}
