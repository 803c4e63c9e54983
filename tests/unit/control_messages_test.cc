// The control channel: both messages, descriptors that become the receiver's, and its end.
#include "core/process/control.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <vector>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::Pair;
using testing::unix_pair;

std::optional<ControlMessage> next(const Pair& channel, bool& ended) {
  ended = false;
  return receive_control(channel.far.get(), ended);
}

TEST_CASE("control: logs travel with their descriptors, as many as there are") {
  const Pair channel = unix_pair();
  const Pair error_log = unix_pair();
  const Pair access_log = unix_pair();
  const int fds[] = {-1, error_log.near.get()};
  const int others[] = {-1, access_log.near.get()};
  for (const int error : fds) {
    for (const int access : others) {
      CAPTURE(error);
      CAPTURE(access);
      REQUIRE(send_control(channel.near.get(), LogHandover{{error, true}, {access, false}}).ok());
      bool ended = false;
      const auto message = next(channel, ended);
      CHECK_FALSE(ended);
      REQUIRE(message);
      const auto* logs = std::get_if<LogHandover>(&*message);
      REQUIRE(logs != nullptr);
      CHECK(logs->error.may_block);
      CHECK_FALSE(logs->access.may_block);
      REQUIRE((logs->error.fd >= 0) == (error >= 0));
      REQUIRE((logs->access.fd >= 0) == (access >= 0));
      if (error >= 0) {
        const Descriptor got(logs->error.fd);
        CHECK(got.get() != error);
        testing::send_text(got.get(), "error");
        CHECK(testing::recv_text(error_log.far.get()) == "error");
      }
      if (access >= 0) {
        const Descriptor got(logs->access.fd);
        testing::send_text(got.get(), "access");
        CHECK(testing::recv_text(access_log.far.get()) == "access");
      }
    }
  }
}

TEST_CASE("control: no copy of ticket keys outlives its message") {
  alignas(KeyHandover) std::array<unsigned char, sizeof(KeyHandover)> memory{};
  auto* message = new (memory.data()) KeyHandover(make_ticket_keys());
  const auto is_set = [](unsigned char byte) { return byte != 0; };
  CHECK(std::any_of(memory.begin(), memory.end(), is_set));
  message->~KeyHandover();
  CHECK(std::none_of(memory.begin(), memory.end(), is_set));
}

TEST_CASE("control: ticket keys arrive as they are, in the order in which they were sent") {
  const Pair channel = unix_pair();
  TicketKeys keys = make_ticket_keys();
  std::vector<TicketKeys> sent;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(send_control(channel.near.get(), keys).ok());
    sent.push_back(keys);
    rotate_ticket_keys(keys);
  }
  REQUIRE(send_control(channel.near.get(), LogHandover{}).ok());
  bool ended = false;
  for (const TicketKeys& each : sent) {
    const auto message = next(channel, ended);
    REQUIRE(message);
    const auto* handed_over = std::get_if<KeyHandover>(&*message);
    REQUIRE(handed_over != nullptr);
    const TicketKeys* got = &handed_over->keys;
    for (const auto key : {&TicketKeys::current, &TicketKeys::previous}) {
      CHECK((got->*key).name == (each.*key).name);
      CHECK((got->*key).cipher_key == (each.*key).cipher_key);
      CHECK((got->*key).mac_key == (each.*key).mac_key);
    }
  }
  const auto message = next(channel, ended);
  REQUIRE(message);
  CHECK(std::holds_alternative<LogHandover>(*message));
  CHECK_FALSE(next(channel, ended));
  CHECK_FALSE(ended);
}

TEST_CASE("control: the master's end is told apart from silence") {
  Pair channel = unix_pair();
  bool ended = true;
  CHECK_FALSE(next(channel, ended));
  CHECK_FALSE(ended);
  REQUIRE(send_control(channel.near.get(), make_ticket_keys()).ok());
  channel.near.close();
  CHECK(next(channel, ended));  // what was sent before is still there
  CHECK_FALSE(ended);
  CHECK_FALSE(next(channel, ended));
  CHECK(ended);
}

TEST_CASE("control: what is no message is dropped with its descriptors") {
  const Pair channel = unix_pair();
  Pair passed = unix_pair();
  const uint8_t nonsense[] = {9, 9, 9};
  const int fds[] = {passed.near.get()};
  REQUIRE(sys::send_with_descriptors(channel.near.get(), nonsense, fds) == 3);
  bool ended = false;
  CHECK_FALSE(next(channel, ended));
  CHECK_FALSE(ended);
  passed.near.close();
  char byte = 0;
  CHECK(sys::recv(passed.far.get(), &byte, 1) == 0);  // no copy of it is left anywhere
}

TEST_CASE("control: a channel that is gone or full is a fault") {
  Pair channel = unix_pair();
  const TicketKeys keys = make_ticket_keys();
  Status sent = Done{};
  for (int i = 0; i < 100'000 && sent.ok(); ++i) sent = send_control(channel.near.get(), keys);
  CHECK_FALSE(sent.ok());
  channel.far.close();
  CHECK_FALSE(send_control(channel.near.get(), keys).ok());
}

}  // namespace
}  // namespace sluice
