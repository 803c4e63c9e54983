// What a session remembers for its close line: what the format names, no longer than its line
// shows.
#include "core/session/log_memory.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

SessionRecord opened() {
  SessionRecord record;
  record.host = "a.example";
  record.target = "/chat?x";
  record.user_agent = std::string(5'000, 'u');
  record.origin = "https://a.example";
  record.tls_name = "a.example";
  record.tries = 2;
  record.handshake_ms = 12;
  record.connect_ms = 3;
  return record;
}

TEST_CASE("log memory: what the format names comes back, the rest does not") {
  const LogFormat format{LogForm::text, {LogField::origin, LogField::tls_name, LogField::host}, 64};
  const LogMemory memory(opened(), format);
  SessionRecord last;
  last.id = "1";
  memory.recall(last);
  CHECK(last.id == "1");
  CHECK(last.origin == "https://a.example");
  CHECK(last.tls_name == "a.example");
  CHECK(last.host == "a.example");
  CHECK(last.target == "");
  CHECK(last.user_agent == "");
  CHECK(last.tries == 2);
  CHECK(last.handshake_ms == 12);
  CHECK(last.connect_ms == 3);
}

TEST_CASE("log memory: a long value is kept as far as the line shows it, with its mark") {
  const LogFormat format{LogForm::text, {LogField::user_agent}, 64};
  const LogMemory memory(opened(), format);
  SessionRecord last;
  memory.recall(last);
  CHECK(last.user_agent.size() == 65);
  CHECK(access_line(format, SessionEvent::close, last) ==
        access_line(format, SessionEvent::close, opened()));
}

TEST_CASE("log memory: a side got the other one's Close, or one of ours") {
  const LogFormat format{LogForm::text, {LogField::client_got_close}, 64};
  LogMemory memory(opened(), format);
  memory.sent[0] = 1000;
  memory.passed[1] = 1000;
  SessionRecord last;
  last.sent_client = 1001;
  memory.recall(last);
  CHECK(last.client_closes.sent == 1000);
  CHECK(last.client_closes.got == 1001);
  CHECK(last.upstream_closes.sent == 0);
  CHECK(last.upstream_closes.got == 1000);
}

}  // namespace
}  // namespace sluice
