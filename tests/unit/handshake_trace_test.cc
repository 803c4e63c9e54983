// HandshakeTrace: a line of JSON for each note, in printable ASCII, cut where it is too long.
#include "core/session/handshake_trace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/observe/json.h"

namespace sluice {
namespace {

std::string noted(const std::string& text) {
  Tracer tracer;
  TraceOrder order;
  order.number = 1;
  order.handshakes = 1;
  order.lines = 10;
  order.until_ms = UINT64_MAX;
  tracer.begin(order);
  {
    HandshakeTrace trace(tracer, "0-x-1", 5);
    trace.note_at(1'234'567, "request", text);
  }
  const std::optional<TracePiece> piece = tracer.next_piece(4'000);
  REQUIRE(piece);
  return piece->text;
}

TEST_CASE("handshake trace: a line tells id, time, step and text") {
  CHECK(noted("Host: a.example") ==
        "{\"id\":\"0-x-1\",\"ms\":1234.567,\"step\":\"request\",\"text\":\"Host: a.example\"}\n");
}

TEST_CASE("handshake trace: whatever a stranger sends, a line is one and short") {
  const std::string nasty = "a\x1b[2J\r\n\"\\\xff\x00z" + std::string(5'000, '\\');
  const std::string line = noted(nasty);
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
  CHECK(line.size() < HandshakeTrace::most_text_bytes + 100);
  const Json json = Json::parse(line);
  CHECK(json["text"].get<std::string>().starts_with("a\\x1b[2J\\x0d\\x0a\"\\\\xff"));
}

TEST_CASE("handshake trace: the time since the client was accepted") {
  Tracer tracer;
  HandshakeTrace trace(tracer, "0-x-1", 5);
  CHECK(trace.since_us() >= 5'000);
}

}  // namespace
}  // namespace sluice
