// The table of sessions: its columns, ages in words, and what is no row.
#include "core/process/session_table.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

const std::string line =
    "{\"id\":\"0-tjx4k2-17\",\"client\":\"10.0.0.1:5000\",\"route\":\"/chat\","
    "\"peer\":\"10.0.0.2:80\",\"age_ms\":3720000,\"idle_ms\":250,"
    "\"from_client\":{\"messages\":3,\"bytes\":40,\"queued\":0,\"rtt_us\":12},"
    "\"from_upstream\":{\"messages\":5,\"bytes\":600,\"queued\":7,\"rtt_us\":45000}}";

TEST_CASE("session table: each cell stands below its column's name") {
  const std::string head = session_head();
  const auto row = session_row(line);
  REQUIRE(row);
  const auto below = [&](const char* name) {
    const size_t at = head.find(name);
    return row->substr(at, row->find(' ', at) - at);
  };
  CHECK(below("ID") == "0-tjx4k2-17");
  CHECK(below("CLIENT") == "10.0.0.1:5000");
  CHECK(below("ROUTE") == "/chat");
  CHECK(below("PEER") == "10.0.0.2:80");
  CHECK(below("AGE") == "1h2m");
  CHECK(below("IDLE") == "250ms");
  CHECK(below("MSG IN") == "3");
  CHECK(below("BYTES IN") == "40");
  CHECK(below("MSG OUT") == "5");
  CHECK(below("BYTES OUT") == "600");
  CHECK(below("WAITS IN") == "0");
  CHECK(below("WAITS OUT") == "7");
  CHECK(below("RTT") == "12us");
  CHECK(row->ends_with(" 45ms"));
}

TEST_CASE("session table: what is not said, what is long, and what is no session") {
  const auto bare = session_row("{\"id\":\"x\"}");
  REQUIRE(bare);
  CHECK(bare->find("x") == 0);
  CHECK(bare->ends_with("-"));
  const auto wide = session_row("{\"id\":\"" + std::string(40, 'i') + "\",\"client\":\"c\"}");
  REQUIRE(wide);
  CHECK(wide->starts_with(std::string(40, 'i') + "  c "));
  CHECK_FALSE(session_row("{\"ok\":true}"));
  CHECK_FALSE(session_row("{\"id\":5}"));
  CHECK_FALSE(session_row("{\"id\":\"x\"} more"));
  CHECK_FALSE(session_row("nonsense"));
  CHECK_FALSE(session_row(""));
  CHECK(session_row("{\"id\":\"a\\u001bb\"}")->find('\x1b') == std::string::npos);
}

TEST_CASE("session table: how many were told of, and how many were not") {
  CHECK(sessions_told("{\"ok\":true,\"sessions\":3,\"left_out\":0}") == "3 sessions");
  CHECK(sessions_told("{\"ok\":true,\"sessions\":1,\"left_out\":2}") ==
        "1 session, and 2 more that match: limit=N shows more");
}

TEST_CASE("session table: ages in two units at most") {
  CHECK(age_text(0) == "0ms");
  CHECK(age_text(999) == "999ms");
  CHECK(age_text(59'999) == "59s");
  CHECK(age_text(60'000) == "1m");
  CHECK(age_text(192'000) == "3m12s");
  CHECK(age_text(18'600'000) == "5h10m");
  CHECK(age_text(1'047'600'000) == "12d3h");
}

}  // namespace
}  // namespace sluice
