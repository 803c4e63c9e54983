// Counters: rows begin at zero wherever their memory comes from, and say what they count.
#include "core/observe/counters.h"

#include <doctest/doctest.h>

#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace sluice {
namespace {

TEST_CASE("counters: a row over zeroed memory counts from nothing") {
  alignas(WorkerRow) unsigned char memory[sizeof(WorkerRow)];
  std::memset(memory, 0, sizeof memory);
  auto& row = *std::launder(reinterpret_cast<WorkerRow*>(memory));
  CHECK(row.accepted.value() == 0);
  CHECK(row.ended_in_all() == 0);
  row.accepted.add(1);
  row.accepted.add(2);
  CHECK(row.accepted.value() == 3);
  CHECK(row.relayed.value() == 0);
}

TEST_CASE("counters: ends are counted by kind, and the report names those that occurred") {
  WorkerRow row;
  row.held_back.add(4);
  row.rate_refused.add(5);
  row.relayed.add(3);
  FewLabelRows labels;
  row.routes.set(LabelRows::place_of(RouteId{1}) + 1);
  labels.rows().route(RouteId{0}).from_client.passed.add(100);
  labels.rows().route(RouteId{1}).from_client.taken.add(31);
  row.ended[static_cast<size_t>(EndKind::idle_timeout)].add(2);
  row.ended[static_cast<size_t>(EndKind::peer_close)].add(1);
  CHECK(row.ended_in_all() == 3);
  CHECK(text_of(row, labels.rows()) ==
        "accepted 0, turned away 0, refused 0, handshake_rate pauses 4, handshake_rate refused 5, "
        "relayed 3, client bytes 131, client messages 0, upstream bytes 0, upstream messages 0, "
        "ended by peer_close 1, ended by idle_timeout 2");
}

TEST_CASE("counters: every kind of end has a name of its own, fit for a label") {
  std::vector<std::string> names;
  for (size_t i = 0; i < end_kinds; ++i) {
    const std::string name = name_of(static_cast<EndKind>(i));
    CAPTURE(name);
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
    for (const std::string& other : names) CHECK(name != other);
    names.push_back(name);
  }
}

TEST_CASE("counters: routes and listeners without a row of their own share one") {
  FewLabelRows few;
  const LabelRows rows = few.rows();
  CHECK(&rows.route(RouteId{0}) == &few.routes[2]);
  CHECK(&rows.route(RouteId{1}) == &few.routes[3]);
  CHECK(&rows.route(RouteId{2}) == &few.routes[LabelRows::other]);
  CHECK(&rows.route(RouteId{UINT32_MAX}) == &few.routes[LabelRows::other]);
  CHECK(&rows.listener(ListenerId{0}) == &few.listeners[0]);
  CHECK(&rows.listener(ListenerId{1}) == &few.listeners[1]);
  CHECK(&rows.listener(ListenerId{7}) == &few.listeners[1]);
}

TEST_CASE("counters: every status and every code has one place") {
  CHECK(answer_place(0) == 0);
  CHECK(counted_answers[answer_place(503)] == 503);
  CHECK(answer_place(299) == counted_answers.size());
  CHECK(answer_place(-1) == counted_answers.size());
  CHECK(close_place(1000) == 0);
  CHECK(close_place(1015) == 15);
  CHECK(close_place(3000) == 16);
  CHECK(close_place(4999) == 17);
  constexpr uint16_t odd[] = {0, 999, 1016, 2999, 5000, 65535};
  for (const uint16_t each : odd) CHECK(close_place(each) == 18);
}

TEST_CASE("counters: opened sessions are closed, lost or active") {
  RouteRow row;
  row.opened.add(7);
  row.closed[1][static_cast<size_t>(EndKind::peer_close)].add(2);
  row.closed[3][static_cast<size_t>(EndKind::drain)].add(1);
  CHECK(row.closed_in_all() == 3);
  CHECK(row.active() == 4);
  row.lost.add(4);
  CHECK(row.active() == 0);
  row.closed[0][0].add(1);  // as a reader may see it who read `opened` before
  CHECK(row.active() == 0);
}

TEST_CASE("counters: durations have places by powers of two, and a last one") {
  Durations durations;
  for (const uint64_t each : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{3}, UINT64_MAX / 2})
    durations.add(each);
  CHECK(durations.counts[0].value() == 1);
  CHECK(durations.counts[1].value() == 1);
  CHECK(durations.counts[2].value() == 2);
  CHECK(durations.counts[Durations::places - 1].value() == 1);
  CHECK(durations.count() == 5);
}

}  // namespace
}  // namespace sluice
