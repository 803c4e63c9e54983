// Notices: first lines at once, then one a window with a count, in bounded memory.
#include "core/observe/notices.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "core/observe/log.h"

namespace sluice {
namespace {

constexpr uint64_t start_ms = 1'000'000;

// How many of `events` pass at once.
int passed(Notices& notices, std::string_view kind, int events, uint64_t now_ms) {
  int count = 0;
  for (int i = 0; i < events; ++i) {
    count += notices.admit(LogLevel::info, kind, "text " + std::to_string(i), now_ms) ? 1 : 0;
  }
  return count;
}

TEST_CASE("the first of each kind pass, the others are counted and told once a window") {
  Notices notices;
  CHECK(passed(notices, "a", 100, start_ms) == static_cast<int>(Notices::first_lines));
  CHECK(passed(notices, "b", 3, start_ms) == 3);
  CHECK(notices.pending());
  CHECK(!notices.take_due(start_ms + Notices::window_ms - 1));
  const auto line = notices.take_due(start_ms + Notices::window_ms);
  REQUIRE(line);
  CHECK(line->text == "text 99 (95 like this in 60 s)");
  CHECK(line->level == LogLevel::info);
  CHECK(!notices.pending());
  CHECK(!notices.take_due(start_ms + Notices::window_ms));
}

TEST_CASE("a kind that goes on has no first lines again, one that paused does") {
  Notices notices;
  passed(notices, "a", 10, start_ms);
  uint64_t now_ms = start_ms + Notices::window_ms;
  REQUIRE(notices.take_due(now_ms));
  CHECK(passed(notices, "a", 10, now_ms + 1) == 0);
  now_ms += Notices::window_ms;
  REQUIRE(notices.take_due(now_ms));
  CHECK(passed(notices, "a", 10, now_ms + Notices::window_ms) ==
        static_cast<int>(Notices::first_lines));
}

TEST_CASE("at the end nothing stays untold") {
  Notices notices;
  passed(notices, "a", 7, start_ms);
  passed(notices, "b", 6, start_ms);
  CHECK(notices.take_any(start_ms + 2'400)->text == "text 6 (2 like this in 2 s)");
  CHECK(notices.take_any(start_ms + 2'400)->text == "text 5 (1 like this in 2 s)");
  CHECK(!notices.take_any(start_ms + 2'400));
}

TEST_CASE("kinds beyond the most share one, and no count is lost") {
  Notices notices;
  int at_once = 0;
  const int kinds = 3 * static_cast<int>(Notices::most_kinds);
  for (int i = 0; i < kinds; ++i) at_once += passed(notices, std::to_string(i), 10, start_ms);
  CHECK(at_once == static_cast<int>(Notices::most_kinds * Notices::first_lines));
  uint64_t told = 0;
  int lines = 0;
  while (const auto line = notices.take_due(start_ms + Notices::window_ms)) {
    told += std::stoull(line->text.substr(line->text.find('(') + 1));
    ++lines;
  }
  CHECK(lines == static_cast<int>(Notices::most_kinds));
  CHECK(static_cast<int>(told) + at_once == 10 * kinds);
  // All are over by then: a new one gets a place of its own.
  CHECK(passed(notices, "new", 3, start_ms + 2 * Notices::window_ms) == 3);
}

TEST_CASE("what is kept of the latest line is bounded") {
  Notices notices;
  const std::string endless(1 << 20, 'x');
  for (size_t i = 0; i <= Notices::first_lines; ++i) {
    notices.admit(LogLevel::info, "a", endless, start_ms);
  }
  CHECK(notices.take_any(start_ms)->text.size() < Notices::most_text_bytes + 100);
}

TEST_CASE("a log tells what recurs, and the rest of it at the end") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Log log;
  log.error_sink.use({ends[1], false});
  for (int i = 0; i < 20; ++i) log.recurring(LogLevel::warn, "kind", "it failed");
  for (int i = 0; i < 20; ++i) log.recurring(LogLevel::debug, "quiet", "below the level");
  log.flush();
  log.flush_all();
  char text[4096] = {};
  REQUIRE(::read(ends[0], text, sizeof text - 1) > 0);
  const std::string all(text);
  size_t lines = 0;
  for (size_t at = 0; (at = all.find(" warn it failed", at)) != std::string::npos; ++at) ++lines;
  CHECK(lines == Notices::first_lines + 1);
  CHECK(all.find("it failed (15 like this in ") != std::string::npos);
  CHECK(all.find("below") == std::string::npos);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice
