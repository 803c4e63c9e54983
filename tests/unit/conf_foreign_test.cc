// Words of nginx, HAProxy, Caddy and Envoy: each is told with what it is here, and nothing of ours
// is told that does not exist.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/foreign.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

bool is_directive(std::string_view name) {
  const auto rows = directive_help();
  return std::any_of(rows.begin(), rows.end(),
                     [name](const DirectiveHelp& row) { return row.name == name; });
}

// The directive that a "write a DIRECTIVE" at `at` names.
std::string_view named_at(std::string_view advice, size_t at) {
  advice.remove_prefix(at + std::string_view("write ").size());
  if (advice.starts_with("a ")) advice.remove_prefix(2);
  const auto end = std::find_if(advice.begin(), advice.end(), [](unsigned char byte) {
    return std::islower(byte) == 0 && byte != '_';
  });
  return advice.substr(0, static_cast<size_t>(end - advice.begin()));
}

// The errors of a conf that is good but for `line` before its sections.
std::string errors_with(const std::string& line) {
  return errors_in(conf_of(line));
}

std::string errors_in_route(const std::string& line) {
  return errors_in(conf_of("", "", line));
}

// The one warning of a conf with `line` in its route, from the directive's name on.
std::string warning_in_route(const std::string& line) {
  const ConfOutcome outcome = load_text(conf_of("", "", line));
  REQUIRE(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() <= 1);
  if (outcome.warnings.empty()) return "";
  const std::string& warning = outcome.warnings[0];
  const size_t at = warning.find("test.conf:6: ");
  REQUIRE(at != std::string::npos);
  return warning.substr(at + std::string_view("test.conf:6: ").size());
}

}  // namespace

TEST_CASE("conf foreign: every row names a directive that exists, or says what there is not") {
  for (const ForeignWord& row : foreign_words()) {
    CAPTURE(row.word);
    CHECK_FALSE(row.from.empty());
    CHECK((row.ours.empty() || is_directive(row.ours)));
    CHECK_FALSE((row.ours.empty() && row.advice.empty()));
    for (size_t at = row.advice.find("write "); at != std::string_view::npos;
         at = row.advice.find("write ", at + 1)) {
      CAPTURE(row.advice);
      CHECK(is_directive(named_at(row.advice, at)));
    }
  }
}

TEST_CASE("conf foreign: no row hides a directive or another row") {
  const auto rows = foreign_words();
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i].word);
    CHECK_FALSE(is_directive(rows[i].word));
    for (size_t j = 0; j < i; ++j) CHECK(rows[i].word != rows[j].word);
  }
}

TEST_CASE("conf foreign: words that are no directives here") {
  struct Row {
    std::string line;
    std::string told;
  };
  const Row rows[] = {
      {"worker_processes 2", "\"worker_processes\" of nginx; here it is workers"},
      {"worker_processes auto;",
       "\"worker_processes\" of nginx; here it is workers; a conf has no braces, and no semicolons "
       "at the end of lines"},
      {"proxy_read_timeout 60s",
       "\"proxy_read_timeout\" of nginx; write idle_timeout, which counts both directions"},
      {"client_max_body_size 1m",
       "\"client_max_body_size\" of nginx; write max_message_size, for each message, or "
       "max_body_size, of plain requests"},
      {"underscores_in_headers on",
       "\"underscores_in_headers\" of nginx; here it is underscore_headers"},
      {"proxy_next_upstream http_502",
       "\"proxy_next_upstream\" of nginx; write next_peer_on error timeout http_STATUS..."},
      {"ip_hash", "\"ip_hash\" of nginx; write balance hash $remote_addr"},
      {"keepalive 16", "\"keepalive\" of nginx; here it is upstream_keepalive"},
      {"events {",
       "\"events\" of nginx; its lines stand before the first section; a conf has no braces, and "
       "no semicolons at the end of lines"},
      {"server {",
       "\"server\" of nginx; write a listen section for its address, and routes behind it; a conf "
       "has no braces, and no semicolons at the end of lines"},
      {"frontend web",
       "\"frontend\" of HAProxy; write listen ADDRESS for each bind, and a route for each rule"},
      {"timeout client 30s",
       "\"timeout\" of HAProxy; write idle_timeout TIME, which counts both directions"},
      {"timeout nonsense 30s",
       "\"timeout\" of HAProxy; write connect_timeout, handshake_timeout, idle_timeout or "
       "send_timeout"},
      {"tune.http.maxhdr 200", "\"tune.http.maxhdr\" of HAProxy; here it is max_header_fields"},
      {"reverse_proxy 127.0.0.1:9001",
       "\"reverse_proxy\" of Caddy; write route PATH and proxy_pass"},
      {"static_resources:",
       "\"static_resources:\" of Envoy; sluice reads a flat conf, one directive a line: listen, "
       "upstream, route; see conf/examples"},
  };
  for (const Row& row : rows) {
    CHECK(errors_with(row.line) == "1: unknown directive " + row.told + "\n");
  }
}

TEST_CASE("conf foreign: a section's word opens the section that it is here") {
  // What is missed in a section that a wrong word opened is not told once more.
  CHECK(errors_in("bind 127.0.0.1:8080\nlocation /chat\n  proxy_pass ws://127.0.0.1:9001\n") ==
        "1: unknown directive \"bind\" of HAProxy; write listen ADDRESS\n"
        "2: unknown directive \"location\" of nginx; write route PATH, which takes the path and "
        "everything under it, route = PATH or route ~ REGEX\n");
}

TEST_CASE("conf foreign: arguments of the other's directive of the same name") {
  struct Row {
    std::string text;
    std::string told;
  };
  const std::string only =
      "\": behind the address only backlog=, and mode=, owner= and group= of a unix socket; ";
  const Row rows[] = {
      {"listen 443 ssl",
       "1: listen: \"ssl" + only + "TLS comes with a tls_certificate and a tls_key in the section"},
      {"listen 80 proxy_protocol",
       "1: listen: \"proxy_protocol" + only +
           "write proxy_protocol on in the section, and trusted_proxies with the balancer's "
           "address"},
      {"upstream up\nserver one 127.0.0.1:1",
       "2: server: \"one\" is not a server's URI; write server ws://127.0.0.1:1"},
      {"set_header Authorization Bearer abc",
       "1: set_header takes 2 arguments (NAME VALUE), not 3; a value with blanks stands in double "
       "quotes"},
  };
  for (const Row& row : rows) CHECK(errors_with(row.text) == row.told + "\n");
  CHECK(errors_in_route("route ~* \\.ws$\n  proxy_pass ws://127.0.0.1:1") ==
        "6: route: \"~*\" is neither = nor ~; write route PATH for it and everything under it, "
        "route = PATH for it alone, or route ~ REGEX; write route ~ (?i)REGEX where case counts "
        "for nothing\n");
}

TEST_CASE("conf foreign: schemes of others, and none") {
  const auto error = [](const std::string& given) {
    return errors_in("listen 127.0.0.1:8080\nroute /\n  proxy_pass " + given + "\n");
  };
  const std::string scheme =
      "\" is not a server's URI (it begins with none of ws://, wss://, http:// and https://)";
  CHECK(error("h2c://app:9001/ws") ==
        "3: proxy_pass: \"h2c://app:9001/ws" + scheme + "; write http://app:9001/ws\n");
  CHECK(error("TCP://app.example") ==
        "3: proxy_pass: \"TCP://app.example" + scheme + "; write ws://app.example\n");
  CHECK(error("fastcgi://app") == "3: proxy_pass: \"fastcgi://app" + scheme +
                                      "; write ws[s]://HOST:PORT/PATH or "
                                      "ws[s]://unix:/SOCKET:/PATH\n");
  CHECK(error("127.0.0.1:9001") ==
        "3: proxy_pass: \"127.0.0.1:9001\" is neither an upstream's name nor a server's URI; write "
        "ws://127.0.0.1:9001\n");
}

TEST_CASE("conf foreign: addresses to listen on that have a name") {
  CHECK(errors_with("listen localhost:8081") ==
        "1: listen: \"localhost:8081\" is not an address (not an IP address); write "
        "127.0.0.1:8081\n");
  CHECK(errors_with("listen *:8081") ==
        "1: listen: \"*:8081\" is not an address (not an IP address); write 8081\n");
}

TEST_CASE("conf foreign: patterns are refused, or warned of where they could be meant") {
  CHECK(errors_in_route("route /chat/*\n  proxy_pass ws://127.0.0.1:1") ==
        "6: route: \"/chat/*\": a route takes everything under its path; write route /chat\n");
  CHECK(errors_in_route("route /*\n  proxy_pass ws://127.0.0.1:1") ==
        "6: route: \"/*\": a route takes everything under its path; write route /\n");
  CHECK(errors_in_route("route ^/chat\n  proxy_pass ws://127.0.0.1:1") ==
        "6: route: \"^/chat\" does not begin with /; write route PATH for it and everything under "
        "it, route = PATH for it alone, or route ~ REGEX\n");
  CHECK(warning_in_route("match_header Cookie *beta*") ==
        "match_header: \"*beta*\" is compared with the whole value, its * with a *; write ~ REGEX "
        "for a pattern, or leave the value out where the header need only be there");
  CHECK(warning_in_route("match_header Accept */*") == "");
  CHECK(warning_in_route("match_header X-Client $remote_addr") ==
        "match_header: \"$remote_addr\" is compared as it stands; there are no variables here");
}

TEST_CASE("conf foreign: a path behind a socket follows a colon") {
  const ConfOutcome outcome =
      load_text("listen 127.0.0.1:8080\nroute /\n  proxy_pass ws://unix:/run/app.sock/ws\n");
  REQUIRE(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() == 1);
  CHECK(outcome.warnings[0].find(
            "proxy_pass: \"ws://unix:/run/app.sock/ws\": the socket would be \"/run/app.sock/ws\"; "
            "a path behind it follows a colon: ws://unix:/run/app.sock:/ws") != std::string::npos);
}

TEST_CASE("conf foreign: levels and switches are no files") {
  CHECK(errors_with("error_log info") ==
        "1: error_log: \"info\" is a level, not a place; write error_log stderr info; a file of "
        "that name is ./info\n");
  CHECK(errors_with("access_log on") ==
        "1: access_log: \"on\" is not a place; write access_log stderr, stdout, off or a file's "
        "name; a file of that name is ./on\n");
  CHECK(errors_with("error_log syslog:server=127.0.0.1") ==
        "1: error_log: \"syslog:server=127.0.0.1\" of nginx; here it is error_log "
        "syslog:udp:127.0.0.1:514\n");
  CHECK(errors_with("pid_file off") ==
        "1: pid_file: \"off\" is not a file; without this line there is none; a file of that name "
        "is ./off\n");
  CHECK(errors_with("error_log ./info") == "");
}

TEST_CASE("conf foreign: what a reference brought in is not taken for a foreign word, nor told") {
  const TestVariable name("SLUICE_TEST_NAME", "worker_processes");
  CHECK(errors_with("${env:SLUICE_TEST_NAME} 2") ==
        "1: unknown directive \"${env:SLUICE_TEST_NAME}\"\n");
  const TestVariable socket("SLUICE_TEST_SOCKET", "/hunter2.sock/ws");
  const ConfOutcome outcome = load_text(
      "listen 127.0.0.1:8080\nroute /\n  proxy_pass ws://unix:${env:SLUICE_TEST_SOCKET}\n");
  REQUIRE(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() == 1);
  CHECK(outcome.warnings[0].find("hunter2") == std::string::npos);
  CHECK(outcome.warnings[0].find("a path behind the socket follows a colon") != std::string::npos);
}
