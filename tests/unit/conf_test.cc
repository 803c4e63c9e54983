// load_conf as a whole: lines and files, includes, secrets, and errors in one run and in order.
#include "core/conf/conf.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

// The errors as messages print them, with the folder left out.
std::string texts_of(const ConfOutcome& outcome, const TestFolder& folder) {
  std::string all;
  for (const ConfError& error : outcome.errors) {
    std::string text = error.text();
    for (size_t at; (at = text.find(folder.path())) != std::string::npos;) {
      text.erase(at, folder.path().size());
    }
    all += text + "\n";
  }
  return all;
}

std::string route_paths(const Config& config) {
  std::string all;
  for (const RouteConfig& route : config.routes) all += route.path + " ";
  return all;
}

}  // namespace

TEST_CASE("conf: three lines are enough") {
  const auto config = good("listen 8080\nroute /\nproxy_pass ws://127.0.0.1:9001\n");
  REQUIRE(config->listeners.size() == 1);
  CHECK(config->listeners[0].address.text() == "0.0.0.0:8080");
  REQUIRE(config->routes.size() == 1);
  CHECK(config->routes[0].path == "/");
  REQUIRE(config->upstreams.size() == 1);
  CHECK(config->upstreams[0].name == "ws://127.0.0.1:9001");
  REQUIRE(config->upstreams[0].peers.size() == 1);
  CHECK(config->upstreams[0].peers[0].address.text() == "127.0.0.1:9001");
}

TEST_CASE("conf: line ends, blanks and indentation do not matter") {
  const std::string_view forms[] = {
      "workers 3\nlisten 8080\nroute /\nproxy_pass ws://127.0.0.1:9001",  // no final line feed
      "workers 3\r\nlisten 8080\r\n\r\nroute /\r\n  proxy_pass ws://127.0.0.1:9001\r\n",
      "\xef\xbb\xbfworkers 3\n\n\n# x\n\tlisten\t8080 # y\n    route /\nproxy_pass "
      "ws://127.0.0.1:9001\n\n",
      "\"workers\" \"3\"\nlisten \"8080\"\n\"route\" /\n\"proxy_pass\" \"ws://127.0.0.1:9001\"\n",
  };
  for (const std::string_view form : forms) {
    const auto config = good(form);
    CHECK(config->workers == 3);
    CHECK(config->routes.size() == 1);
  }
  // The number of a line does not depend on its end.
  CHECK(errors_in("# a\r\n\r\nworkers x\r\n" + conf_of("")) ==
        "3: workers: \"x\" is not a number from 1 to 512, or auto\n");
}

TEST_CASE("conf: an error is FILE:LINE: what, or FILE: what") {
  CHECK(ConfError{"/etc/x.conf", 12, "wrong"}.text() == "/etc/x.conf:12: wrong");
  CHECK(ConfError{"/etc/x.conf", 0, "wrong"}.text() == "/etc/x.conf: wrong");
}

TEST_CASE("conf: all errors of a run, in the order of lines") {
  CHECK(errors_in("wrokers 2\n"
                  "ring_size 5k\n"
                  "listen 8080\n"
                  "  max_header_size 1\n"
                  "route /a\n"
                  "  proxy_pass nowhere\n"
                  "route b\n"
                  "upstream empty\n"
                  "listen \"\n") ==
        "1: unknown directive \"wrokers\", did you mean \"workers\"?\n"
        "2: ring_size: \"5k\" is out of range: 16k to 16m\n"
        "4: max_header_size: \"1\" is out of range: 1k to 1m\n"
        "6: proxy_pass: there is no upstream \"nowhere\"\n"
        "7: route: \"b\" does not begin with /\n"
        "7: route has no proxy_pass\n"
        "8: upstream \"empty\" has no server\n"
        "9: the quote is not closed on this line\n");
}

TEST_CASE("conf: one mistake does not bring forth a second message") {
  // a mistyped section still takes its lines, and is what it was meant to be
  CHECK(errors_in(conf_of("upstrem chat\n server ws://127.0.0.1:1\n idle_timeout 1s")) ==
        "1: unknown directive \"upstrem\", did you mean \"upstream\"?\n");
  CHECK(errors_in("listen 8080\nroute /\nproxy_pas ws://127.0.0.1:1\n") ==
        "3: unknown directive \"proxy_pas\", did you mean \"proxy_pass\"?\n");
  // a wrong value is a value for what else is required
  CHECK(errors_in("listen 8080x\nroute /\nproxy_pass ws://127.0.0.1:1\n") ==
        "1: listen: \"8080x\" is not an address (no port); write PORT, IP:PORT, [IPV6]:PORT or "
        "unix:/PATH\n");
  CHECK(errors_in("listen 8080\nroute /\nproxy_pass \"ws://127.0.0.1:1\n") ==
        "3: the quote is not closed on this line\n");
  CHECK(errors_in(conf_of("upstream a!\n server ws://127.0.0.1:1\nroute /x\n proxy_pass a!")) ==
        "1: upstream: \"a!\" is not a name: up to 64 letters, digits, \"-\", \"_\" and \".\"\n");
  // what a line or a file that cannot be read would have said is unknown
  CHECK(errors_in("\"listen 8080\nroute /\nproxy_pass ws://127.0.0.1:1\n") ==
        "1: the quote is not closed on this line\n");
  CHECK(errors_in("listen 8080\rroute /\rproxy_pass ws://127.0.0.1:1\r") ==
        "1: a carriage return (0x0d) that does not end the line\n");
  CHECK(errors_in("include missing.conf\nroute /\nproxy_pass chat\n") ==
        "1: include: \"missing.conf\" cannot be read: No such file or directory\n");
}

TEST_CASE("conf: what is missing is said once, behind all lines") {
  CHECK(errors_in("") == "0: the conf has no listen\n0: the conf has no route\n");
  CHECK(errors_in("# nothing\n\n") == "0: the conf has no listen\n0: the conf has no route\n");
  CHECK(errors_in("listen 8080\nworkers 2\n") ==
        "2: workers must stand before the first section\n0: the conf has no route\n");
  CHECK(errors_in(route_9001) == "0: the conf has no listen\n");
}

TEST_CASE("conf: files that cannot be read") {
  const TestFolder folder;
  CHECK(texts_of(load_file(folder.path() + "missing.conf"), folder) ==
        "missing.conf: cannot be read: No such file or directory\n");
  folder.write("folder.conf/x", "");
  CHECK(texts_of(load_file(folder.path() + "folder.conf"), folder) ==
        "folder.conf: cannot be read: Is a directory\n");
  folder.write("large.conf", std::string((16 << 20) + 1, '#'));
  CHECK(texts_of(load_file(folder.path() + "large.conf"), folder) ==
        "large.conf: cannot be read: File too large\n");
}

TEST_CASE("conf: a file that is no text ends at its first NUL") {
  const std::string_view binary("workers 2\nx\0y\nwrokers\n", 22);
  CHECK(errors_in(binary) == "2: a NUL byte: this is no text file\n");
}

TEST_CASE("conf: an include stands for its text") {
  const TestFolder folder;
  folder.write("timeouts.inc", "idle_timeout 1s\nsend_timeout 2s\n");
  const auto config = load_file(
      folder.write("a.conf", conf_of("include timeouts.inc", "", "  include \"timeouts.inc\"\n")));
  REQUIRE(errors_of(config) == "");
  CHECK(config.config->routes[0].idle_timeout_ms == 1000);
  // ... also where one of two settings is already there
  const auto twice =
      load_file(folder.write("b.conf", "send_timeout 9s\ninclude timeouts.inc\n" + conf_of("")));
  CHECK(texts_of(twice, folder) ==
        "timeouts.inc:2: send_timeout is already given on line 1 of b.conf\n");
}

TEST_CASE("conf: sections that an include opens end with it") {
  const TestFolder folder;
  folder.write("routes/a.conf", "route /a\n  proxy_pass ws://127.0.0.1:1\n");
  const auto outcome = load_file(folder.write("a.conf",
                                              "include routes/a.conf\n"
                                              "workers 4\n"  // still before the first section
                                              "listen 8080\n"
                                              "  include routes/a.conf\n"
                                              "  max_header_size 2k\n"  // still the listener's
                                              "upstream up\n"
                                              "  server ws://127.0.0.1:2\n"));
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.config->workers == 4);
  CHECK(outcome.config->listeners[0].max_header_bytes == 2048);
  CHECK(route_paths(*outcome.config) == "/a /a ");
}

TEST_CASE("conf: includes are relative to the file that they stand in, globs are sorted") {
  const TestFolder folder;
  const auto route = [](const std::string& path) {
    return "route " + path + "\n  proxy_pass ws://127.0.0.1:1\n";
  };
  folder.write("deep/er/20.conf", route("/20"));
  folder.write("deep/er/10.conf", route("/10") + "include ../plain\n" + route("/11"));
  folder.write("deep/er/skipped.txt", "nonsense\n");
  folder.write("deep/plain", route("/plain"));
  folder.write("deep/all.conf", "include er/*.conf\ninclude none/*.conf\ninclude er/[3-9]?.conf\n");
  const auto outcome = load_file(folder.write(
      "a.conf", "listen 8080\ninclude deep/all.conf\ninclude \"" + folder.path() + "deep/p*\"\n"));
  REQUIRE(errors_of(outcome) == "");
  CHECK(route_paths(*outcome.config) == "/10 /plain /11 /20 /plain ");
}

TEST_CASE("conf: a folder whose name looks like a glob is a folder") {
  const TestFolder folder;
  folder.write("[x]*/one.inc", "workers 5\n");
  const auto outcome = load_file(folder.write("[x]*/a.conf", conf_of("include o*.inc")));
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.config->workers == 5);
}

TEST_CASE("conf: errors of an included file come where its line stands, under its own name") {
  const TestFolder folder;
  folder.write("sub/x.conf", "first\n\nsecond\n");
  const auto outcome = load_file(
      folder.write("a.conf", "workers x\ninclude sub/*.conf\nring_size 1\n" + conf_of("")));
  CHECK(texts_of(outcome, folder) ==
        "a.conf:1: workers: \"x\" is not a number from 1 to 512, or auto\n"
        "sub/x.conf:1: unknown directive \"first\"\n"
        "sub/x.conf:3: unknown directive \"second\"\n"
        "a.conf:3: ring_size: \"1\" is out of range: 16k to 16m\n");
}

TEST_CASE("conf: include loops end, by whatever path") {
  const TestFolder folder;
  const std::string loop = " includes itself, directly or through other files\n";
  CHECK(texts_of(load_file(folder.write("a.conf", "include a.conf\n")), folder) ==
        "a.conf:1: include: \"a.conf\"" + loop);
  CHECK(texts_of(load_file(folder.write("a.conf", "include ./a.conf\n")), folder) ==
        "a.conf:1: include: \"./a.conf\"" + loop);
  CHECK(texts_of(load_file(folder.write("a.conf", "include *.conf\n")), folder) ==
        "a.conf:1: include: \"*.conf\"" + loop);
  folder.write("b.inc", "# b\ninclude a.conf\n");
  CHECK(texts_of(load_file(folder.write("a.conf", "include b.inc\n")), folder) ==
        "b.inc:2: include: \"a.conf\"" + loop);
  std::filesystem::create_symlink("a.conf", folder.path() + "link.conf");
  CHECK(texts_of(load_file(folder.write("a.conf", "include link.conf\n")), folder) ==
        "a.conf:1: include: \"link.conf\"" + loop);
}

TEST_CASE("conf: includes are bounded in depth and in number") {
  const TestFolder folder;
  folder.write("11", "workers 2\n");
  for (int depth = 0; depth < 11; ++depth) {
    folder.write(std::to_string(depth), "include " + std::to_string(depth + 1) + "\n");
  }
  CHECK(texts_of(load_file(folder.path() + "0"), folder) ==
        "10:1: include: \"11\": files are nested more than 10 deep\n");
  CHECK(texts_of(load_file(folder.path() + "1"), folder) ==
        "1: the conf has no listen\n1: the conf has no route\n");
  folder.write("empty", "");
  std::string many;
  for (int line = 0; line < 1000; ++line) many += "include empty\n";
  CHECK(texts_of(load_file(folder.write("many", many)), folder) ==
        "many:1000: include: \"empty\": more than 1000 files\n");
}

TEST_CASE("conf: references expand in any word of any line") {
  const TestFolder folder;
  const TestVariable name("SLUICE_TEST_NAME", "workers");
  const TestVariable port("SLUICE_TEST_PORT", "8080");
  const TestVariable file("SLUICE_TEST_FILE", "extra");
  const TestVariable blank("SLUICE_TEST_BLANK", "one two # \"three\"");
  folder.write("sub/count", "6\n");
  folder.write("sub/extra.inc", "${env:SLUICE_TEST_NAME} ${file:count}\n");
  const auto outcome =
      load_file(folder.write("a.conf",
                             "include sub/${env:SLUICE_TEST_FILE}.inc\n"
                             "listen 127.0.0.1:${env:SLUICE_TEST_PORT}\n"
                             "route /\n"
                             "  proxy_pass ws://127.0.0.1:9001\n"
                             // after splitting: blanks, '#' and quotes of a value are its own
                             "  set_header X-A ${env:SLUICE_TEST_BLANK}\n"
                             "  set_header X-B \"<${env:SLUICE_TEST_BLANK}>\"\n"
                             "  set_header X-C $${env:SLUICE_TEST_BLANK}\n"
                             "# ${env:SLUICE_TEST_UNSET} in a comment is text\n"));
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.config->workers == 6);
  CHECK(outcome.config->listeners[0].address.text() == "127.0.0.1:8080");
  const auto& headers = outcome.config->routes[0].set_headers;
  REQUIRE(headers.size() == 3);
  CHECK(headers[0].value == "one two # \"three\"");
  CHECK(headers[1].value == "<one two # \"three\">");
  CHECK(headers[2].value == "${env:SLUICE_TEST_BLANK}");
}

TEST_CASE("conf: an unset variable or a missing file is an error of its line") {
  CHECK(errors_in(conf_of("set_header X-A \"Bearer ${env:SLUICE_TEST_UNSET}\"\n"
                          "set_header X-B ${file:missing}")) ==
        "1: ${env:SLUICE_TEST_UNSET}: the environment variable is not set\n"
        "2: ${file:missing}: cannot be read: No such file or directory\n");
}

TEST_CASE("conf: `sluice -t` opens the files, a load does not") {
  const TestFolder folder;
  const std::string file = folder.write("a.conf", conf_of("error_log logs/error.log\n"
                                                          "access_log access.log\n"
                                                          "pid_file run/sluice.pid"));
  const auto loaded = load_file(file);
  REQUIRE(errors_of(loaded) == "");
  CHECK(loaded.config->error_log.path == folder.path() + "logs/error.log");
  CHECK(loaded.config->access_log.path == folder.path() + "access.log");
  CHECK(loaded.config->pid_file == folder.path() + "run/sluice.pid");
  CHECK_FALSE(std::filesystem::exists(folder.path() + "access.log"));

  ConfOptions options;
  options.open_files = true;
  CHECK(errors_of(load_file(file, options)) ==
        "1: error_log: \"logs/error.log\" cannot be opened: No such file or directory\n"
        "3: pid_file: \"run/sluice.pid\" cannot be opened: No such file or directory\n");
  folder.write("logs/error.log", "old\n");
  folder.write("run/other", "");
  CHECK(errors_of(load_file(file, options)) == "");
  CHECK(std::filesystem::file_size(folder.path() + "logs/error.log") == 4);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "run/sluice.pid"));
}
