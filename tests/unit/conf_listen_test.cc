// The words behind a listener's address.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "tests/unit/conf_testing.h"

namespace sluice {
namespace {

using testing::errors_in;
using testing::good;

TEST_CASE("conf listen: the words behind the address") {
  const auto config = good(
      "listen unix:/x.sock mode=0660 owner=root group=root\nroute /\n"
      "  proxy_pass ws://127.0.0.1:1\n");
  const sys::SocketFileAccess& access = config->listeners.at(0).socket_file;
  CHECK(access.mode == 0660);
  CHECK(access.owner == 0);
  CHECK(access.group == 0);
  const auto open = good("listen unix:/x.sock\nroute /\n  proxy_pass ws://127.0.0.1:1\n");
  CHECK(open->listeners.at(0).socket_file.mode == 0666);
  CHECK(open->listeners.at(0).backlog == sys::default_backlog);
  const auto short_queue = good("listen 8080 backlog=16\nroute /\n  proxy_pass ws://127.0.0.1:1\n");
  CHECK(short_queue->listeners.at(0).backlog == 16);
  for (const auto& [line, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {"8080 mode=0660", "\"mode=0660\": only unix:/PATH has a mode, an owner and a group"},
           {"unix:/x mode=999", "\"mode=999\": the mode is octal, 000 to 0777, as in mode=0660"},
           {"unix:/x mode=01777",
            "\"mode=01777\": the mode is octal, 000 to 0777, as in mode=0660"},
           {"unix:/x mode=", "\"mode=\": the mode is octal, 000 to 0777, as in mode=0660"},
           {"unix:/x mode=600 mode=600", "mode= is given twice"},
           {"unix:/x owner=nobody-such",
            "\"owner=nobody-such\": there is no such user on this machine"},
           {"unix:/x group=nobody-such",
            "\"group=nobody-such\": there is no such group on this machine"},
           {"unix:/x ssl",
            "\"ssl\": behind the address only backlog=, and mode=, owner= and group= of a unix "
            "socket; TLS comes with a tls_certificate and a tls_key in the section"},
           {"8080 backlog=0", "\"backlog=0\" is not backlog=N, with N from 1 to 65535"},
           {"8080 backlog=1 backlog=2", "backlog= is given twice"},
       }) {
    const std::string words = line;
    CAPTURE(words);
    const std::string conf = "listen " + words + "\nroute /\n  proxy_pass ws://127.0.0.1:1\n";
    CHECK(errors_in(conf) == "1: listen: " + std::string(what) + "\n");
  }
}

TEST_CASE("conf listen: the control socket and the word behind it") {
  const std::string rest = "\nlisten 8080\nroute /\n  proxy_pass ws://127.0.0.1:1\n";
  const auto config = good("control unix:/c.sock mode=0660" + rest);
  REQUIRE(config->control);
  CHECK(config->control->address.unix_path() == "/c.sock");
  CHECK(config->control->file.mode == 0660);
  CHECK(good("control unix:/c.sock" + rest)->control->file.mode == 0600);
  CHECK_FALSE(good("control off" + rest)->control);
  for (const auto& [words, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/c.sock", "\"/c.sock\" is not unix:/PATH, nor off alone; write unix:/c.sock"},
           {"unix:c.sock", "\"unix:c.sock\" is not unix:/PATH, nor off alone"},
           {"127.0.0.1:9000", "\"127.0.0.1:9000\" is not unix:/PATH, nor off alone"},
           {"on", "\"on\" is not unix:/PATH, nor off alone"},
           {"off mode=0600", "\"off\" is not unix:/PATH, nor off alone"},
           {"unix:/c.sock mode=rw", "\"mode=rw\": the mode is octal, 000 to 0777, as in mode=0660"},
           {"unix:/c.sock owner=root", "\"owner=root\": behind the socket only mode="},
       }) {
    const std::string line = words;
    CAPTURE(line);
    CHECK(errors_in("control " + line + rest) == "1: control: " + std::string(what) + "\n");
  }
}

}  // namespace
}  // namespace sluice
