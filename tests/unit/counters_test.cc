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
  row.from_client.bytes.add(131);
  row.ended[static_cast<size_t>(EndKind::idle_timeout)].add(2);
  row.ended[static_cast<size_t>(EndKind::peer_close)].add(1);
  CHECK(row.ended_in_all() == 3);
  CHECK(text_of(row) ==
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

}  // namespace
}  // namespace sluice
