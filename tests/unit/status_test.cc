// What status shows of a worker: its row, and the sessions that live.
#include "core/process/status.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

TEST_CASE("status: sessions are those that neither ended nor went with a worker") {
  WorkerRow row;
  CHECK(living_sessions(row, 0) == 0);
  row.relayed.add(10);
  row.ended[static_cast<size_t>(EndKind::peer_close)].add(3);
  CHECK(living_sessions(row, 0) == 7);
  CHECK(living_sessions(row, 2) == 5);
  CHECK(living_sessions(row, 7) == 0);
  row.ended[static_cast<size_t>(EndKind::shutdown)].add(1);  // its own `relayed` was read before
  CHECK(living_sessions(row, 7) == 0);
}

TEST_CASE("status: a worker as JSON, kinds of ends that occurred alone") {
  WorkerRow row;
  row.accepted.add(12);
  row.turned_away.add(1);
  row.refused.add(2);
  row.held_back.add(7);
  row.rate_refused.add(8);
  row.limited[static_cast<size_t>(ClientLimit::handshakes)].add(3);
  row.clients_forgotten.add(1);
  row.relayed.add(9);
  FewLabelRows labels;
  row.routes.set(LabelRows::first_route + 1);
  RouteRow& route = labels.rows().route(RouteId{0});
  route.from_client.passed.add(100);
  route.from_client.frames.add_data(FrameCounts::text, 1, 5);
  route.from_upstream.passed.add(200);
  route.from_upstream.frames.add_data(FrameCounts::binary, 0, 6);
  row.ended[static_cast<size_t>(EndKind::idle_timeout)].add(4);
  CHECK(line_of(worker_status(3, 4711, row, labels.rows(), 2)) ==
        "{\"number\":3,\"pid\":4711,\"sessions\":3,\"accepted\":12,\"turned_away\":1,\"refused\":2,"
        "\"handshake_rate_pauses\":7,\"handshake_rate_refused\":8,"
        "\"limited\":{\"handshakes_per_client\":3},\"clients_forgotten\":1,"
        "\"requests\":0,\"relayed\":9,\"lost\":2,\"from_client\":{\"bytes\":100,\"messages\":5},"
        "\"from_upstream\":{\"bytes\":200,\"messages\":6},\"ended\":{\"idle_timeout\":4}}");
}

}  // namespace
}  // namespace sluice
