// The words behind drain, undrain, sessions and close: what they mean, and what is said of others.
#include "core/process/control_arguments.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

std::string drained(std::string_view words) {
  DrainRequest request;
  const std::string wrong = read_drain(words, request);
  if (!wrong.empty()) return "wrong: " + wrong;
  return text_of(request.part) +
         (request.over_ms ? " over " + std::to_string(*request.over_ms) : "");
}

std::string listed(std::string_view words) {
  SessionsRequest request;
  const std::string wrong = read_sessions(words, request);
  if (!wrong.empty()) return "wrong: " + wrong;
  return std::to_string(static_cast<int>(request.filter.by)) + " " + request.filter.value + " " +
         std::to_string(request.limit);
}

std::string closed(std::string_view words) {
  CloseRequest request;
  const std::string wrong = read_close(words, request);
  if (!wrong.empty()) return "wrong: " + wrong;
  return request.id + " " + std::to_string(request.code) + " \"" + request.reason + "\"";
}

TEST_CASE("control arguments: parts that are drained") {
  CHECK(drained(" upstream u") == "upstream u");
  CHECK(drained("upstream u server ws://a:1/") == "upstream u server ws://a:1/");
  CHECK(drained("upstream u server ws://a:1 over 5m") == "upstream u server ws://a:1 over 300000");
  CHECK(drained("route /a/b/ over 0s") == "route /a/b over 0");
  CHECK(drained("route /") == "route /");
  CHECK(drained("\tlistener  127.0.0.1:80 \t over 10s ") == "listener 127.0.0.1:80 over 10000");
  CHECK(drained("upstream server server server") == "upstream server server server");
}

TEST_CASE("control arguments: what is wrong with a drain is said") {
  CHECK(drained("") ==
        "wrong: a word is missing: upstream NAME [server URI], route PATH or listener ADDRESS");
  CHECK(drained("rout /").ends_with(", did you mean \"route\"?"));
  CHECK(drained("upstream") == "wrong: upstream needs a name behind it");
  CHECK(drained("upstream u server") == "wrong: server needs a URI behind it");
  CHECK(drained("route / in 5s") == "wrong: not \"in\": over TIME, or nothing");
  CHECK(drained("route / over") == "wrong: over needs a time behind it, such as 30s");
  CHECK(drained("route / over soon").starts_with("wrong: over: \"soon\" is not a time"));
  CHECK(drained("route / over 577h").find("out of range") != std::string::npos);
  CHECK(drained("route / over 5s now") == "wrong: not \"now\": nothing stands behind the time");
  CHECK(drained(std::string(4000, 'x')).size() < 400);
  CHECK(drained("route / over " + std::string(4000, '9')).size() < 400);
}

TEST_CASE("control arguments: undrain takes the same parts, and no time") {
  NamedPart part;
  CHECK(read_undrain("upstream u server ws://a", part).empty());
  CHECK(text_of(part) == "upstream u server ws://a");
  CHECK(read_undrain("route / over 5s", part) == "not \"over\": nothing stands behind the part");
  CHECK_FALSE(read_undrain("", part).empty());
}

TEST_CASE("control arguments: lists of sessions") {
  CHECK(listed("") == "0  100");
  CHECK(listed("limit=5") == "0  5");
  CHECK(listed("upstream u limit=0") == "1 u 0");
  CHECK(listed("limit=2 route /a/") == "2 /a 2");
  CHECK(listed("client 10.0.0.1") == "3 10.0.0.1 100");
  CHECK(listed("client 127.0.0.1:080") == "3 127.0.0.1:80 100");
  CHECK(listed("client [::1]:80") == "3 [::1]:80 100");
  CHECK(listed("client [::1]") == "3 ::1 100");
  CHECK(listed("client 2001:DB8:0::5") == "3 2001:db8::5 100");
  CHECK(listed("client unix:") == "3 unix: 100");
  for (const char* none : {"80", ":80", "host:80", "::1:zz", "127.0.0.1:99999", "unix:/x"}) {
    CAPTURE(none);
    CHECK(listed(std::string("client ") + none).find("is no client's address") !=
          std::string::npos);
  }
  CHECK(listed("client " + std::string(300, '\x01')).size() < 390);
  CHECK(listed("id " + std::string(65, '1')).ends_with("is longer than any session's id"));
  CHECK(listed("listener 127.0.0.1:80") == "4 127.0.0.1:80 100");
  CHECK(listed("id 0-x-1") == "5 0-x-1 100");
  CHECK(listed("limit=100000001").starts_with("wrong: \"limit=100000001\" is no limit"));
  CHECK(listed("limit=-1").starts_with("wrong: "));
  CHECK(listed("limit=").starts_with("wrong: "));
  CHECK(listed("route") == "wrong: route needs a value behind it");
  CHECK(listed("route / id 1") == "wrong: a second filter, \"id\": sessions takes one");
  CHECK(listed("clint x").ends_with(", did you mean \"client\"?"));
}

std::string traced(const std::string& words) {
  TraceRequest request;
  const std::string wrong = read_trace(words, request);
  if (!wrong.empty()) return "wrong: " + wrong;
  return request.client + "|" + request.route + "|" + request.upstream + "|" + request.listener +
         "|" + request.host + "|" + request.path + " " + std::to_string(request.handshakes) + " " +
         std::to_string(request.lines) + " " + std::to_string(request.for_ms);
}

TEST_CASE("control arguments: which handshakes are traced, and how many") {
  CHECK(traced("") == "||||| 10 5000 600000");
  CHECK(traced("client=[::1] route=/a/ upstream=u listener=127.0.0.1:80 host=A.Example path=/b/") ==
        "::1|/a|u|127.0.0.1:80|a.example|/b 10 5000 600000");
  CHECK(traced("client 10.0.0.1 route /a count 3") == "10.0.0.1|/a|||| 3 5000 600000");
  CHECK(traced("path=/a=b count=1000000 lines=7 for=2m") == "|||||/a=b 1000000 7 120000");
  CHECK(traced("client=nobody").find("is no client's address") != std::string::npos);
  CHECK(traced("route=/a route=/b") == "wrong: a second route");
  CHECK(traced("route=") == "wrong: route needs a value behind it");
  CHECK(traced("route") == "wrong: route needs a value behind it");
  CHECK(traced("count=0") == "wrong: \"0\" is no count: count=N with N from 1 to 1000000");
  CHECK(traced("count=1000001").starts_with("wrong: "));
  CHECK(traced("lines=-1").starts_with("wrong: \"-1\" is no lines"));
  CHECK(traced("for=0s") == "wrong: for needs a time above 0");
  CHECK(traced("for=soon").starts_with("wrong: for: "));
  CHECK(traced("hots=a").ends_with(", did you mean \"host\"?"));
  CHECK(traced(std::string(300, '\x01')).size() < 390);
}

TEST_CASE("control arguments: the session that is ended, with what its client is told") {
  CHECK(closed("0-x-1") == "0-x-1 1001 \"\"");
  CHECK(closed("0-x-1 4000") == "0-x-1 4000 \"\"");
  CHECK(closed(" 0-x-1  1012  come  back  soon ") == "0-x-1 1012 \"come  back  soon\"");
  CHECK(closed(std::string(65, '1')).ends_with("is longer than any session's id"));
  CHECK(closed("") == "wrong: close needs a session's id, as the list of sessions has it");
  for (const char* code : {"1005", "1006", "1015", "2999", "5000", "99999", "x", "1000x"}) {
    CAPTURE(code);
    CHECK(closed(std::string("0-x-1 ") + code).find("may not stand in a Close") !=
          std::string::npos);
  }
  CHECK(closed("i 1000 gr\xc3\xbc\xc3\x9f"
               "e") ==
        "i 1000 \"gr\xc3\xbc\xc3\x9f"
        "e\"");
  CHECK(closed("i 1000 gr\xfc\xdf"
               "e") ==
        "wrong: the reason is no UTF-8 from its byte 3 on; a Close takes nothing else");
  CHECK(closed("i 1000 cut \xe2\x82").find("from its byte 5 on") != std::string::npos);
  CHECK(closed("i 1000 " + std::string(123, 'r')).starts_with("i 1000 "));
  CHECK(closed("i 1000 " + std::string(124, 'r')) ==
        "wrong: the reason has 124 bytes; a Close has room for 123");
}

}  // namespace
}  // namespace sluice
