// Access lines: which fields stand in which line, in which order, and that strangers' values stay
// inside theirs.
#include "core/observe/access_log.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

SessionRecord record() {
  SessionRecord session;
  session.id = "0-tjx4k2-17";
  session.client = "192.0.2.1:4711";
  session.route = "/chat";
  session.peer = "10.0.0.1:4000";
  session.host = "a.example";
  session.target = "/chat/1";
  session.subprotocol = "mqtt";
  session.from_client = {10, 1};
  session.from_upstream = {2'000'000'000'000, 20};
  session.duration_ms = 61'005;
  session.reason = "close";
  return session;
}

constexpr std::string_view begin =
    " id=0-tjx4k2-17 client=192.0.2.1:4711 route=/chat peer=10.0.0.1:4000 ";

TEST_CASE("access log: a session that opens, and what is empty of it") {
  CHECK(open_line(record()) == "open" + std::string(begin) +
                                   "host=a.example target=/chat/1 subprotocol=mqtt "
                                   "status=101");
  CHECK(open_line(SessionRecord()) ==
        "open id=\"\" client=\"\" host=\"\" target=\"\" subprotocol=\"\" status=101");
}

TEST_CASE("access log: a session that closes tells who said what to whom") {
  SessionRecord session = record();
  const std::string same = "close" + std::string(begin) +
                           "subprotocol=mqtt status=101 client_bytes=10 client_messages=1 "
                           "upstream_bytes=2000000000000 upstream_messages=20 duration=61.005 ";
  CHECK(close_line(session) == same + "closed_by=nobody reason=close");
  session.closed_by = Party::client;
  session.code = 1000;
  CHECK(close_line(session) == same + "closed_by=client code=1000 reason=close");
  session.closed_by = Party::proxy;
  session.fault = Party::upstream;
  session.code = 0;
  session.sent_client = 1011;
  session.sent_upstream = 1002;
  session.reason = "masked frame";
  CHECK(close_line(session) == same +
                                   "closed_by=proxy fault=upstream sent_client=1011 "
                                   "sent_upstream=1002 reason=\"masked frame\"");
}

TEST_CASE(
    "access log: a refused request, with its answer or without, cut where that is asked for") {
  SessionRecord session = record();
  session.reason = "head too large";
  session.detail = "max_header_size 16k";
  session.route = session.peer = "";
  const std::string same = "refused id=0-tjx4k2-17 client=192.0.2.1:4711 ";
  CHECK(refused_line(session, 431) ==
        same +
            "host=a.example target=/chat/1 status=431 duration=61.005 "
            "reason=\"head too large\" detail=\"max_header_size 16k\"");
  session.detail = "";
  CHECK(refused_line(session, 0, 3) ==
        same + "host=a.e target=/ch duration=61.005 reason=\"head too large\"");
}

TEST_CASE("access log: a client that was turned away") {
  SessionRecord session;
  session.id = "1-2-3";
  session.client = "unix:";
  session.reason = "worker_connections reached";
  CHECK(turned_away_line(session) ==
        "turned away id=1-2-3 client=unix: reason=\"worker_connections reached\"");
}

TEST_CASE("access log: a stranger's value ends neither its field nor the line") {
  SessionRecord session = record();
  session.host = "x\" status=101\nopen id=\"y";
  CHECK(open_line(session).find("host=\"x\\\" status=101\\x0aopen id=\\\"y\" target=") !=
        std::string::npos);
}

}  // namespace
}  // namespace sluice
