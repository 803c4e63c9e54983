// What is legal in a conf, but hardly meant.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/conf/conf.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

TEST_CASE("conf warnings: what is legal but hardly meant is warned of") {
  const TestFolder folder;
  const std::string file = folder.write(
      "w.conf",
      "listen 127.0.0.1:8080\nupstream idle\n server ws://127.0.0.1:1\n"
      "route /a\n proxy_pass ws://127.0.0.1:1\nroute /a/b\n proxy_pass ws://127.0.0.1:2\n"
      "route /c\n match_host x.org\n proxy_pass ws://127.0.0.1:1\n"
      "route /c\n proxy_pass ws://127.0.0.1:1\n");
  const auto outcome = load_file(file);
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.warnings ==
        std::vector<std::string>{
            file + ":6: route \"/a/b\" is never reached: route \"/a\" on line 4 takes all of it",
            file + ":2: upstream \"idle\" is used by no route"});
}

TEST_CASE("conf warnings: HTTP/2 by ALPN alone at a listener that has no TLS") {
  const auto warnings = [](const std::string& top, const std::string& own) {
    const auto outcome = load_text(top + "listen 127.0.0.1:8080\n" + own +
                                   "route /\n proxy_pass ws://127.0.0.1:1\n");
    REQUIRE(errors_of(outcome) == "");
    return outcome.warnings;
  };
  const std::vector<std::string> told = warnings("", " http2 on\n");
  REQUIRE(told.size() == 1);
  CHECK(told[0].ends_with(
      "test.conf:2: http2 on does nothing without TLS, which listen \"127.0.0.1:8080\" has not; "
      "write http2 cleartext for clients that know"));
  CHECK(warnings("", " http2 cleartext\n").empty());
  CHECK(warnings("", " http2 off\n").empty());
  CHECK(warnings("http2 on\n", "").empty());  // for those that have TLS
}

TEST_CASE("conf warnings: a route that path parameters walk around is warned of") {
  const auto warnings = [](const std::string& routes) {
    const auto outcome = load_text("listen 127.0.0.1:8080\n" + routes);
    REQUIRE(errors_of(outcome) == "");
    std::string all;
    for (const std::string& warning : outcome.warnings) {
      all += warning.substr(warning.find("test.conf:") + 10) + "\n";
    }
    return all;
  };
  const std::string admin = "route /admin\n proxy_pass ws://127.0.0.1:1\n";
  const std::string rest = "route /\n proxy_pass ws://127.0.0.1:1\n";
  const std::string limit = " max_message_size 1k\n";
  CHECK(warnings(admin + limit + rest) ==
        "2: route \"/admin\" can be walked around: \"/admin;x\" takes route \"/\" on line 5, which "
        "leads to the same server with other headers or limits; a server that drops path "
        "parameters takes "
        "both for the same\n");
  CHECK(warnings(admin + " set_header X-Role admin\n" + rest) != "");
  CHECK(warnings(admin + rest + " set_header Authorization x\n") != "");
  CHECK(warnings(admin + " remove_header X-Role\n" + rest) != "");
  CHECK(warnings(admin + " subprotocols a\n" + rest) != "");
  CHECK(warnings(admin + " validate_utf8 on\n" + rest) != "");
  CHECK(warnings(admin + rest + " keep_header X-Real-IP\n") != "");
  CHECK(warnings(admin + rest + " underscore_headers on\n") != "");
  CHECK(warnings(admin + rest + " max_small_fragments off\n") != "");
  CHECK(warnings(admin + " max_small_fragments 8\n" + rest) != "");
  CHECK(warnings(admin + rest + " control_frame_rate off\n") != "");
  CHECK(warnings(admin + " control_frame_rate 1\n" + rest) != "");
  CHECK(warnings(admin + " control_frame_rate 100 burst=10\n" + rest) != "");
  CHECK(warnings(admin + limit + "route /x\n proxy_pass ws://127.0.0.1:2\n" + rest) != "");
  // The server's path does not matter, nor that one route is for some hosts only.
  CHECK(warnings(admin + limit + "route /\n proxy_pass ws://127.0.0.1:1/x\n") != "");
  CHECK(warnings(admin + limit + rest + " match_host a.example\n") != "");
  CHECK(warnings(admin + limit + " match_host a.example\n" + rest) != "");

  // Nothing is gained by it.
  CHECK(warnings(admin + rest) == "");
  CHECK(warnings(admin + limit + rest + limit) == "");
  CHECK(warnings(admin + " idle_timeout 1s\n" + rest) == "");
  CHECK(warnings(admin + " keep_header X-Real-IP\n underscore_headers on\n" + rest) == "");
  CHECK(warnings(admin + " max_small_fragments off\n control_frame_rate off\n" + rest) == "");
  CHECK(warnings(admin + rest + " max_small_fragments 8\n control_frame_rate 1\n") == "");
  CHECK(warnings(admin + " max_message_size 2k\n" + rest + limit) == "");
  CHECK(warnings(admin + " set_header X-A b\n" + rest + " set_header X-A b\n") == "");
  CHECK(warnings(admin + limit) == "");
  CHECK(warnings(rest + limit + "route /admin\n proxy_pass ws://127.0.0.1:2\n").find("around") ==
        std::string::npos);
  // Another server, another host, a condition that the client may leave out.
  CHECK(warnings(admin + limit + "route /\n proxy_pass ws://127.0.0.1:2\n") == "");
  CHECK(warnings(admin + limit + " match_host a.example\n" + rest + " match_host b.example\n") ==
        "");
  CHECK(warnings(admin + limit + " match_header X-A\n" + rest) == "");
  CHECK(warnings(admin + limit + "route /\n proxy_pass ws://127.0.0.1:2\n" + rest).find("around") ==
        std::string::npos);
}
