// Trace text: rows below their handshake's id, and nothing that a terminal acts on.
#include "core/process/trace_text.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

std::string line_with(const std::string& id, const std::string& ms, const std::string& step,
                      const std::string& text) {
  return "{\"id\":\"" + id + "\",\"ms\":" + ms + ",\"step\":\"" + step + "\",\"text\":\"" + text +
         "\"}";
}

TEST_CASE("trace text: times and steps stand where they change, an id above its rows") {
  TraceText text;
  CHECK(text.rows_of(line_with("0-x-1", "0", "accept", "a")) ==
        "0-x-1, times in ms\n       0.000  accept    a\n");
  CHECK(text.rows_of(line_with("0-x-1", "1.25", "request", "b")) == "       1.250  request   b\n");
  CHECK(text.rows_of(line_with("0-x-1", "1.25", "request", "c")) == "                        c\n");
  CHECK(text.rows_of(line_with("0-x-1", "1.25", "sent", "d")) == "       1.250  sent      d\n");
  CHECK(text.rows_of(line_with("0-x-2", "1.25", "sent", "e")) ==
        "0-x-2, times in ms\n       1.250  sent      e\n");
}

TEST_CASE("trace text: what is none, and what would be a terminal's") {
  TraceText text;
  for (const char* none : {"", "x", "[]", "{}", "{\"ok\":true}", "{\"id\":1}"}) {
    CAPTURE(none);
    CHECK(!text.rows_of(none));
  }
  CHECK(text.rows_of(line_with("i", "\"x\"", "s", "\\u001b[2J\\u000a"))->find("\\x1b[2J\\x0a") !=
        std::string::npos);
  CHECK(handshakes_told("{\"ok\":true,\"handshakes\":3}") == "3 handshakes");
  CHECK(handshakes_told("{\"handshakes\":1}") == "1 handshake");
  CHECK(handshakes_told("nonsense") == "0 handshakes");
}

}  // namespace
}  // namespace sluice
