// TopScreen: what stands where, which keys change that, and that nothing of a stranger's is sent to
// a terminal.
#include "core/process/top_screen.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace sluice {
namespace {

TopStatus status_at(uint64_t now_ms) {
  TopStatus status;
  status.version = "1.2.3";
  status.conf = "/etc/sluice.conf";
  status.generation = 4;
  status.now_ms = now_ms;
  status.uptime_s = now_ms / 1000;
  status.workers = 2;
  status.sessions = 12'345;
  status.routes = {{.name = "/few", .upstream = "u", .sessions = 1},
                   {.name = "/many", .upstream = "u", .sessions = 12'344}};
  status.peers = {
      {.upstream = "u", .name = "10.0.0.1:80", .state = "up", .reason = "", .check = ""},
      {.upstream = "u",
       .name = "10.0.0.2:80",
       .state = "out",
       .reason = "timeout",
       .check = "down"}};
  for (int i = 0; i < 30; ++i) {
    status.session_list.push_back({.id = "0-x-" + std::to_string(i),
                                   .client = "192.0.2.1:" + std::to_string(1000 + i),
                                   .route = "/many",
                                   .peer = "10.0.0.1:80"});
  }
  return status;
}

std::string text_of(const std::vector<TopLine>& lines) {
  std::string all;
  for (const TopLine& line : lines) all += line.text + "\n";
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("top screen: totals with rates, tables, and what is out before what is well") {
  TopScreen screen;
  screen.take(status_at(10'000));
  CHECK(has(text_of(screen.lines(120, 40)), "messages/s 0 "));
  TopStatus later = status_at(12'000);
  later.messages = 5'000;
  later.bytes = 3'000'000;
  later.handshakes = 3;
  later.refused = {{"404", 4}};
  later.routes[0].messages = 500;
  later.session_list[7].bytes = 2'048;
  screen.take(later);
  const std::string all = text_of(screen.lines(140, 40));
  CAPTURE(all);
  CHECK(has(all, "sluice 1.2.3   /etc/sluice.conf   generation 4   up 12s"));
  CHECK(has(all,
            "sessions 12345   handshakes/s 1.5   accepted/s 0   messages/s 2.5k   bytes/s 1.5M"));
  CHECK(has(all, "refused/s 2.0   404 2.0 (4)"));
  CHECK(all.find("/many ") < all.find("/few "));
  CHECK(has(all, "  250 "));
  CHECK(all.find("10.0.0.2:80") < all.find("10.0.0.1:80"));
  CHECK(all.find("0-x-7 ") < all.find("0-x-0 "));  // the busiest
  CHECK(screen.rate_of(later.session_list[7]) == 1'024);
  CHECK(screen.rates().bytes == 1'500'000);
  const auto lines = screen.lines(140, 40);
  const auto out = std::find_if(lines.begin(), lines.end(),
                                [](const TopLine& line) { return has(line.text, "10.0.0.2:80"); });
  REQUIRE(out != lines.end());
  CHECK(out->look == TopLine::Look::bad);
}

TEST_CASE("top screen: a sluice that started anew has no rates against the one before") {
  TopScreen screen;
  screen.take(status_at(10'000));
  TopStatus anew = status_at(12'000);
  anew.uptime_s = 0;
  anew.messages = 100;
  screen.take(anew);
  CHECK(screen.rates().messages == 0);
}

TEST_CASE("top screen: the workers' load, the busiest first") {
  TopScreen screen;
  TopStatus status = status_at(10'000);
  screen.take(status);
  CHECK(!has(text_of(screen.lines(120, 40)), "load "));  // an older one tells none
  status.loads = {{.worker = 0, .busy = 0.02}, {.worker = 1, .busy = 0.3}};
  screen.take(status);
  const auto load_line = [&screen] {
    const auto lines = screen.lines(120, 40);
    const auto found = std::find_if(lines.begin(), lines.end(), [](const TopLine& line) {
      return line.text.starts_with("load ");
    });
    REQUIRE(found != lines.end());
    return *found;
  };
  CHECK(load_line().text == "load 16 %   worker 1 30 %   worker 0 2 %");
  CHECK(load_line().look == TopLine::Look::plain);
  status.loads[0].busy = 0.9;
  screen.take(status);
  CHECK(load_line().text == "load 60 %   worker 0 90 %   worker 1 30 %");
  CHECK(load_line().look == TopLine::Look::bad);
}

TEST_CASE("top screen: it fits each size, and has its keys in the last line") {
  TopScreen screen;
  TopStatus status = status_at(10'000);
  status.ending = status.latest_reload_bad = true;
  status.workers_missing = 1;
  status.certificate = "site.pem";
  status.certificate_days = 3;
  screen.take(status);
  for (const size_t columns : {size_t{1}, size_t{20}, size_t{79}, size_t{200}}) {
    for (size_t rows = 1; rows < 60; ++rows) {
      CAPTURE(columns);
      CAPTURE(rows);
      const std::vector<TopLine> lines = screen.lines(columns, rows);
      CHECK(lines.size() <= rows);
      for (const TopLine& line : lines) CHECK(line.text.size() <= columns);
      if (columns > 79) CHECK(lines.back().text.starts_with("q quit"));
    }
  }
  const std::string all = text_of(screen.lines(120, 40));
  CHECK(has(all, "sluice is ending"));
  CHECK(has(all, "the latest reload was refused"));
  CHECK(has(all, "1 of 2 workers accept nobody"));
  CHECK(has(all, "a certificate ends in 3 days: site.pem"));
  screen.complain("admin 1.2.3.4:5: nobody listens there");
  CHECK(has(text_of(screen.lines(120, 40)), "nobody listens there"));
  screen.take(status_at(11'000));
  CHECK(!has(text_of(screen.lines(120, 40)), "nobody listens there"));
}

TEST_CASE("top screen: on a small one the table with the focus alone; all of it for a file") {
  TopScreen screen;
  screen.take(status_at(10'000));
  CHECK(has(text_of(screen.lines(120, 10)), "ROUTE"));
  CHECK(!has(text_of(screen.lines(120, 10)), "SESSION "));
  CHECK(screen.take_keys("\t\t"));
  CHECK(has(text_of(screen.lines(120, 10)), "SESSION "));
  CHECK(!has(text_of(screen.lines(120, 10)), "REFUSED/S"));
  const std::string all = text_of(screen.lines(120, 0));
  CHECK(has(all, "/few"));
  CHECK(has(all, "0-x-19"));
  CHECK(!has(all, "0-x-25"));
  CHECK(!has(all, "q quit"));
}

TEST_CASE("top screen: keys sort, reverse, move, pause and end") {
  TopScreen screen;
  screen.take(status_at(10'000));
  const auto order = [&](const char* one, const char* other) {
    const std::string all = text_of(screen.lines(120, 60));
    return all.find(one) < all.find(other);
  };
  CHECK(order("/many ", "/few "));
  CHECK(screen.take_keys("r"));
  CHECK(order("/few ", "/many "));
  CHECK(screen.take_keys("rsssss"));  // back to ROUTE
  CHECK(has(text_of(screen.lines(120, 60)), "ROUTE*"));
  CHECK(order("/few ", "/many "));
  CHECK(screen.take_keys("\x1b[Z"));  // sessions
  CHECK(has(text_of(screen.lines(120, 12)), "0-x-0 "));
  CHECK(screen.take_keys("\x1b[B\x1bOBj"));
  CHECK(has(text_of(screen.lines(120, 12)), "0-x-3 "));
  CHECK(!has(text_of(screen.lines(120, 12)), "0-x-2 "));
  CHECK(screen.take_keys("\x1b[A\x1b[A\x1b[A\x1b[Akk\x1b[6~\x1b[5~"));
  CHECK(has(text_of(screen.lines(120, 12)), "0-x-0 "));
  for (int i = 0; i < 10; ++i) CHECK(screen.take_keys("\x1b[6~"));
  CHECK(has(text_of(screen.lines(120, 12)), "0-x-29 "));
  CHECK(screen.take_keys("p"));
  CHECK(screen.rests());
  screen.take(status_at(99'000));
  CHECK(has(text_of(screen.lines(120, 12)), "up 10s"));
  CHECK(has(text_of(screen.lines(120, 12)), "PAUSED"));
  CHECK(screen.take_keys("p\x1b[999zx"));
  CHECK(!screen.take_keys("q"));
  CHECK(!screen.take_keys("\x03"));
  CHECK(screen.take_keys("\x1b["));  // cut off
}

TEST_CASE("top screen: a filter is typed, holds for all tables, and goes with Esc") {
  TopScreen screen;
  screen.take(status_at(10'000));
  CHECK(screen.take_keys("/FEWx"));
  CHECK(has(text_of(screen.lines(120, 40)), "filter: FEWx_"));
  CHECK(screen.take_keys("\x7f\r"));
  std::string all = text_of(screen.lines(120, 40));
  CHECK(has(all, "/few "));
  CHECK(!has(all, "/many "));
  CHECK(!has(all, "0-x-1"));
  CHECK(has(all, "filter \"FEW\" (Esc: none)"));
  CHECK(screen.take_keys("\x1b"));
  CHECK(has(text_of(screen.lines(120, 40)), "/many "));
  CHECK(screen.take_keys("/q"));  // types it
  CHECK(screen.take_keys("\x1b"));
  CHECK(has(text_of(screen.lines(120, 40)), "/many "));
  CHECK(screen.take_keys("/" + std::string(1'000, 'x')));
  CHECK(screen.lines(200, 40).back().text.size() < 120);
  CHECK(!screen.take_keys("\x03"));
}

TEST_CASE("top screen: what strangers named is no command to a terminal") {
  TopScreen screen;
  TopStatus status = status_at(10'000);
  const std::string nasty =
      "\x1b]0;owned\x07\x9b"
      "2J\r\n\t\xff";
  status.version = status.conf = status.certificate = nasty;
  status.certificate_days = 1;
  status.sessions_wrong = "";
  status.refused = {{nasty, 1}};
  for (TopRoute& each : status.routes) each.name = each.upstream = nasty;
  for (TopPeer& each : status.peers) each.name = each.state = each.reason = each.check = nasty;
  for (TopSession& each : status.session_list) each.id = each.client = each.route = nasty;
  screen.take(status);
  screen.complain(nasty);
  for (const TopLine& line : screen.lines(300, 60)) {
    CHECK(std::all_of(line.text.begin(), line.text.end(),
                      [](char c) { return c >= ' ' && c <= '~'; }));
  }
}

TEST_CASE("top screen: why there is no list of sessions, and how much was not looked at") {
  TopScreen screen;
  TopStatus status = status_at(10'000);
  status.sessions_left_out = 70;
  screen.take(status);
  CHECK(has(text_of(screen.lines(120, 40)), "of the first 30; 70 more were not looked at"));
  status = status_at(11'000);
  status.session_list.clear();
  status.sessions_wrong = "the conf names no control socket";
  screen.take(status);
  CHECK(has(text_of(screen.lines(120, 40)), "the conf names no control socket"));
}

}  // namespace
}  // namespace sluice
