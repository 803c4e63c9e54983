// What master and workers say to each other: logs with their descriptors, ticket keys, and what is
// neither.
#include "core/process/control_messages.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::Pair;
using testing::unix_pair;
using Answer = ControlChannel::Answer;
using Keep = ControlChannel::Keep;

struct Ends {
  explicit Ends(Pair pair = unix_pair())
      : master(pair.near.release()), worker(pair.far.release()) {}

  ControlChannel master;
  ControlChannel worker;
};

bool same(const TicketKey& a, const TicketKey& b) {
  return a.name == b.name && a.cipher_key == b.cipher_key && a.mac_key == b.mac_key;
}

TEST_CASE("control_messages: logs travel with their descriptors, as many as there are") {
  for (const bool with_error : {false, true}) {
    for (const bool with_access : {false, true}) {
      CAPTURE(with_error);
      CAPTURE(with_access);
      Ends ends;
      const Pair error_log = unix_pair();
      const Pair access_log = unix_pair();
      const LogHandover sent{{with_error ? error_log.near.get() : -1, true},
                             {with_access ? access_log.near.get() : -1, false}};
      REQUIRE(send_logs(ends.master, sent).ok());
      std::optional<ControlMessage> message = ends.worker.next();
      REQUIRE(message);
      CHECK_FALSE(read_ticket_keys(*message));
      const std::optional<LogHandover> logs = read_logs(*message);
      REQUIRE(logs);
      CHECK(logs->error.may_block);
      CHECK_FALSE(logs->access.may_block);
      REQUIRE((logs->error.fd >= 0) == with_error);
      REQUIRE((logs->access.fd >= 0) == with_access);
      if (with_error) {
        const Descriptor got(logs->error.fd);
        CHECK(got.get() != error_log.near.get());
        testing::send_text(got.get(), "error");
        CHECK(testing::recv_text(error_log.far.get()) == "error");
      }
      if (with_access) {
        const Descriptor got(logs->access.fd);
        testing::send_text(got.get(), "access");
        CHECK(testing::recv_text(access_log.far.get()) == "access");
      }
    }
  }
}

TEST_CASE("control_messages: logs whose flags and descriptors differ are none, and are closed") {
  Ends ends;
  Pair passed = unix_pair();
  const int fds[] = {passed.near.get()};
  const auto refused = [&ends](std::span<const uint8_t> flags, std::span<const int> attached) {
    REQUIRE(ends.master.send(1, flags, attached, Keep::all).ok());
    std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    return !read_logs(*message);
  };
  CHECK(refused(std::array<uint8_t, 2>{1, 1}, fds));
  CHECK(refused(std::array<uint8_t, 2>{1, 0}, {}));
  CHECK(refused(std::array<uint8_t, 2>{0, 0}, fds));
  CHECK(refused(std::array<uint8_t, 3>{1, 0, 0}, fds));
  CHECK(refused({}, fds));
  passed.near.close();
  char byte = 0;
  CHECK(sys::recv(passed.far.get(), &byte, 1) == 0);  // no copy of it is left anywhere
}

TEST_CASE("control_messages: ticket keys arrive as they are, the latest ones where many wait") {
  Ends ends;
  TicketKeys first = make_ticket_keys();
  TicketKeys last = first;
  REQUIRE(send_ticket_keys(ends.master, first).ok());
  for (int i = 0; i < 3; ++i) {
    rotate_ticket_keys(last);
    REQUIRE(send_ticket_keys(ends.master, last).ok());
  }
  for (const TicketKeys& wanted : {first, last}) {
    std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    CHECK_FALSE(read_logs(*message));
    const std::optional<KeyHandover> got = read_ticket_keys(*message);
    REQUIRE(got);
    CHECK(same(got->keys.current, wanted.current));
    CHECK(same(got->keys.previous, wanted.previous));
    ends.worker.acknowledge(message->sequence(), Answer::taken);
    CHECK_FALSE(ends.master.next());
    ends.master.flush();
  }
  CHECK(ends.master.unacknowledged() == 0);
}

TEST_CASE("control_messages: keys of another size are none") {
  Ends ends;
  const std::vector<uint8_t> bytes(sizeof(TicketKeys) - 1, 1);
  REQUIRE(ends.master.send(2, bytes, {}, Keep::all).ok());
  const std::optional<ControlMessage> message = ends.worker.next();
  REQUIRE(message);
  CHECK_FALSE(read_ticket_keys(*message));
}

TEST_CASE("control_messages: no copy of ticket keys outlives its message") {
  alignas(KeyHandover) std::array<unsigned char, sizeof(KeyHandover)> memory{};
  auto* message = new (memory.data()) KeyHandover(make_ticket_keys());
  const auto is_set = [](unsigned char byte) { return byte != 0; };
  CHECK(std::any_of(memory.begin(), memory.end(), is_set));
  message->~KeyHandover();
  CHECK(std::none_of(memory.begin(), memory.end(), is_set));
}

}  // namespace
}  // namespace sluice
