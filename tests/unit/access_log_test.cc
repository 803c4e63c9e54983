// Access lines: which fields stand in which line, in which order, and that strangers' values stay
// inside theirs.
#include "core/observe/access_log.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

std::string open_line(const SessionRecord& session) {
  return access_line({}, SessionEvent::open, session);
}
std::string close_line(const SessionRecord& session) {
  return access_line({}, SessionEvent::close, session);
}
std::string refused_line(const SessionRecord& session) {
  return access_line({}, SessionEvent::refused, session);
}
// The object that a line of JSON is behind its time.
nlohmann::json object(const std::string& line) {
  return nlohmann::json::parse("{" + line);
}

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
  session.status = 431;
  CHECK(refused_line(session) == same +
                                     "host=a.example target=/chat/1 status=431 duration=61.005 "
                                     "reason=\"head too large\" detail=\"max_header_size 16k\"");
  session.detail = "";
  session.status = 0;
  CHECK(refused_notice(session, 3) ==
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

TEST_CASE("access log: a format has its fields in its order, and leaves out what tells nothing") {
  SessionRecord session = record();
  session.user_agent = "curl/8";
  session.handshake_ms = 42;
  session.tries = 2;
  session.client_closes = {1000, 1001};
  LogFormat format;
  format.fields = {LogField::user_agent,
                   LogField::id,
                   LogField::origin,
                   LogField::handshake_time,
                   LogField::connect_time,
                   LogField::tries,
                   LogField::client_sent_close,
                   LogField::client_got_close,
                   LogField::duration,
                   LogField::status,
                   LogField::upstream_rtt,
                   LogField::reason};
  CHECK(access_line(format, SessionEvent::open, session) ==
        "open user_agent=curl/8 id=0-tjx4k2-17 handshake_time=0.042 tries=2 status=101");
  CHECK(access_line(format, SessionEvent::close, session) ==
        "close user_agent=curl/8 id=0-tjx4k2-17 handshake_time=0.042 tries=2 "
        "client_sent_close=1000 client_got_close=1001 duration=61.005 status=101 reason=close");
  session.handshake_ms = SessionRecord::no_ms;
  CHECK(access_line(format, SessionEvent::refused, session) ==
        "refused user_agent=curl/8 id=0-tjx4k2-17 tries=2 duration=61.005 reason=close");
}

TEST_CASE("access log: JSON has the fields of text, and numbers where they are numbers") {
  LogFormat format;
  format.form = LogForm::json;
  SessionRecord session = record();
  session.code = 1000;
  session.upstream_rtt_us = 1'500;
  const nlohmann::json close = object(access_line(format, SessionEvent::close, session));
  CHECK(close["event"] == "close");
  CHECK(close["peer"] == "10.0.0.1:4000");
  CHECK(close["upstream_bytes"] == 2'000'000'000'000);
  CHECK(close["duration"] == 61.005);
  CHECK(close["upstream_rtt"] == 0.0015);
  CHECK(close["code"] == 1000);
  CHECK_FALSE(close.contains("client_rtt"));
  CHECK_FALSE(close.contains("host"));
  CHECK(object(access_line(format, SessionEvent::open, SessionRecord()))["host"] == "");
  for (const SessionEvent event :
       {SessionEvent::open, SessionEvent::close, SessionEvent::refused}) {
    const std::string text = access_line({}, event, session);
    const nlohmann::json line = object(access_line(format, event, session));
    for (const auto& field : line.items()) {
      const std::string& name = field.key();
      CAPTURE(name);
      CHECK((name == "event" || text.find(" " + name + "=") != std::string::npos));
    }
  }
}

TEST_CASE("access log: each field has a value somewhere, under its own name") {
  SessionRecord session = record();
  session.upstream = session.listener = session.peers_tried = session.origin = "x";
  session.user_agent = session.forwarded_for = session.request_id = session.tls_version = "x";
  session.protocol = session.connection = "x";
  session.tls_cipher = session.tls_name = session.tls_client_subject = session.detail = "x";
  session.method = "GET";
  session.tries = session.client_rtt_us = session.upstream_rtt_us = 1;
  session.code = session.sent_client = session.sent_upstream = 1000;
  session.client_closes = session.upstream_closes = {1000, 1000};
  session.fault = Party::client;
  session.handshake_ms = session.connect_ms = 1;
  for (size_t i = 0; i < log_field_names().size(); ++i) {
    LogFormat format;
    format.fields = {static_cast<LogField>(i)};
    const bool plain = format.fields[0] == LogField::method;
    const std::string line =
        access_line(format, plain ? SessionEvent::request : SessionEvent::close, session);
    CHECK(line.starts_with((plain ? "request " : "close ") + std::string(log_field_names()[i]) +
                           "="));
  }
}

TEST_CASE("access log: a value is cut where its format says so, and marked") {
  LogFormat format{LogForm::text, {LogField::user_agent, LogField::origin}, 64};
  SessionRecord session;
  session.user_agent = std::string(65, 'a');
  session.origin = std::string(64, 'b');
  CHECK(access_line(format, SessionEvent::open, session) ==
        "open user_agent=" + std::string(64, 'a') + "... origin=" + std::string(64, 'b'));
  format.form = LogForm::json;
  const nlohmann::json json = object(access_line(format, SessionEvent::open, session));
  CHECK(json["user_agent"] == std::string(64, 'a') + "...");
  CHECK(json["origin"] == std::string(64, 'b'));
}

}  // namespace
}  // namespace sluice
