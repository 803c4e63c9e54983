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
      const LogHandover sent{{{with_error ? error_log.near.get() : -1, true}},
                             {{with_access ? access_log.near.get() : -1, false}}};
      REQUIRE(send_logs(ends.master, sent).ok());
      std::optional<ControlMessage> message = ends.worker.next();
      REQUIRE(message);
      CHECK_FALSE(read_ticket_keys(*message));
      const std::optional<LogHandover> logs = read_logs(*message);
      REQUIRE(logs);
      CHECK(logs->error.descriptor.may_block);
      CHECK_FALSE(logs->access.descriptor.may_block);
      REQUIRE((logs->error.descriptor.fd >= 0) == with_error);
      REQUIRE((logs->access.descriptor.fd >= 0) == with_access);
      if (with_error) {
        const Descriptor got(logs->error.descriptor.fd);
        CHECK(got.get() != error_log.near.get());
        testing::send_text(got.get(), "error");
        CHECK(testing::recv_text(error_log.far.get()) == "error");
      }
      if (with_access) {
        const Descriptor got(logs->access.descriptor.fd);
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
  LogHandover logs;
  CHECK(refused(packed(logs), fds));
  logs.error.descriptor.fd = 5;
  CHECK(refused(packed(logs), {}));
  std::vector<uint8_t> longer = packed(logs);
  longer.push_back(0);
  CHECK(refused(longer, fds));
  logs.access.descriptor.fd = 6;
  CHECK(refused(packed(logs), fds));
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

DrainOrder order_of(uint32_t number, Part::Kind kind, const std::string& text) {
  DrainOrder order;
  order.number = number;
  order.place = static_cast<uint8_t>(number % most_drains);
  order.part = {kind, UpstreamId{number + 1}, ListenerId{number + 2}, text};
  order.window_ms = uint64_t{number} << 33;
  order.code = CloseCode::service_restart;
  return order;
}

TEST_CASE("control_messages: drains come as they were sent, none as well as many") {
  const DrainOrders many = {order_of(1, Part::Kind::upstream, ""),
                            order_of(2, Part::Kind::server, "ws://a:1"),
                            order_of(3, Part::Kind::route, std::string(3'000, 'p')),
                            order_of(4, Part::Kind::listener, "")};
  for (const DrainOrders& sent : {DrainOrders(), many}) {
    Ends ends;
    REQUIRE(drains_fit(sent));
    REQUIRE(send_drains(ends.master, sent).ok());
    const std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    const std::optional<DrainOrders> got = read_drains(*message);
    REQUIRE(got);
    REQUIRE(got->size() == sent.size());
    for (size_t i = 0; i < sent.size(); ++i) {
      CHECK((*got)[i].number == sent[i].number);
      CHECK((*got)[i].place == sent[i].place);
      CHECK((*got)[i].part == sent[i].part);
      CHECK((*got)[i].window_ms == sent[i].window_ms);
      CHECK((*got)[i].code == sent[i].code);
    }
  }
  CHECK_FALSE(drains_fit({order_of(1, Part::Kind::route, std::string(4'090, 'p'))}));
  CHECK_FALSE(drains_fit(DrainOrders(most_drains + 1)));
}

TEST_CASE("control_messages: drains that do not add up are none") {
  Ends ends;
  REQUIRE(send_drains(ends.master, {order_of(1, Part::Kind::route, "/a")}).ok());
  std::vector<uint8_t> good;
  {
    const std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    good.assign(message->payload().begin(), message->payload().end());
    ends.worker.acknowledge(message->sequence(), Answer::taken);
  }
  const auto is_good = [&](const std::vector<uint8_t>& bytes) {
    REQUIRE(ends.master.send(4, bytes, {}, Keep::all).ok());
    const std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    ends.worker.acknowledge(message->sequence(), Answer::taken);
    return read_drains(*message).has_value();
  };
  CHECK(is_good(good));
  CHECK_FALSE(is_good({good.begin(), good.end() - 1}));
  for (const auto& each : {std::pair{8, 0},      // no number
                           std::pair{20, 0},     // a code of 1024 and less
                           std::pair{22, 3},     // more text than there is
                           std::pair{24, 32},    // no place of a row
                           std::pair{25, 0},     // everything
                           std::pair{25, 5}}) {  // no kind
    CAPTURE(each.first);
    std::vector<uint8_t> wrong = good;
    wrong[static_cast<size_t>(each.first)] = static_cast<uint8_t>(each.second);
    CHECK_FALSE(is_good(wrong));
  }
}

TEST_CASE("control_messages: requests for pages, and pages") {
  Ends ends;
  PageRequest sent{.list = 3, .place = 70'000, .lines = 12, .closes = true};
  sent.filter = {SessionFilter::By::id, "0-x-1"};
  sent.upstream = UpstreamId{4};
  sent.listener = ListenerId{5};
  sent.code = 1012;
  sent.reason = "enough";
  REQUIRE(send_page_request(ends.master, sent).ok());
  std::vector<uint8_t> good;
  {
    const std::optional<ControlMessage> message = ends.worker.next();
    REQUIRE(message);
    const std::optional<PageRequest> got = read_page_request(*message);
    REQUIRE(got);
    CHECK(got->list == 3);
    CHECK(got->place == 70'000);
    CHECK(got->lines == 12);
    CHECK(got->closes);
    CHECK(got->filter.by == SessionFilter::By::id);
    CHECK(got->filter.value == "0-x-1");
    CHECK(got->upstream == UpstreamId{4});
    CHECK(got->listener == ListenerId{5});
    CHECK(got->code == 1012);
    CHECK(got->reason == "enough");
    CHECK_FALSE(read_page(*message));
    good.assign(message->payload().begin(), message->payload().end());
  }
  const auto is_good = [&ends](const std::vector<uint8_t>& payload) {
    CHECK(ends.master.send(5, payload, {}, Keep::all).ok());
    const std::optional<ControlMessage> message = ends.worker.next();
    CHECK(message);
    return message && read_page_request(*message).has_value();
  };
  CHECK(is_good(good));
  good.back() = 0xff;  // a reason that is no UTF-8
  CHECK_FALSE(is_good(good));
  good.pop_back();
  CHECK_FALSE(is_good(good));
  const auto read_back = [&ends](const PageRequest& request) {
    CHECK(send_page_request(ends.master, request).ok());
    const std::optional<ControlMessage> message = ends.worker.next();
    CHECK(message);
    return message && read_page_request(*message).has_value();
  };
  sent.reason = std::string(max_close_reason_bytes, 'r');
  CHECK(read_back(sent));
  sent.reason += 'r';
  CHECK_FALSE(read_back(sent));
  sent.reason = "of a list that closes nothing";
  sent.closes = false;
  CHECK_FALSE(read_back(sent));
  sent.filter.value = std::string(4'100, 'x');
  CHECK_FALSE(send_page_request(ends.master, sent).ok());

  const Page page{3, 4'096, 1, 2, 1, std::string(Page::most_text_bytes, 'x')};
  REQUIRE(send_page(ends.worker, page).ok());
  const std::optional<ControlMessage> message = ends.master.next();
  REQUIRE(message);
  const std::optional<Page> got = read_page(*message);
  REQUIRE(got);
  CHECK(got->list == 3);
  CHECK(got->next == 4'096);
  CHECK(got->lines == 1);
  CHECK(got->left_out == 2);
  CHECK(got->closed == 1);
  CHECK(got->text == page.text);
}

TEST_CASE("control_messages: no copy of ticket keys outlives its message") {
  alignas(KeyHandover) std::array<unsigned char, sizeof(KeyHandover)> memory{};
  auto* message = new (memory.data()) KeyHandover(make_ticket_keys());
  const auto is_set = [](unsigned char byte) { return byte != 0; };
  CHECK(std::any_of(memory.begin(), memory.end(), is_set));
  message->~KeyHandover();
  CHECK(std::none_of(memory.begin(), memory.end(), is_set));
}

TEST_CASE("control_messages: a conf comes with all its sockets, its bundle in the last part") {
  for (const size_t count : {0u, 1u, 59u, 60u, 130u}) {
    CAPTURE(count);
    Ends ends;
    const Pair passed = unix_pair();
    std::vector<WorkerSocket> sent;
    for (uint32_t i = 0; i < count; ++i) {
      sent.push_back({ListenerId{i / 2}, i % 2, passed.near.get()});
    }
    REQUIRE(send_conf(ends.master, {3, 2, 1 << 20}, sent, passed.near.get(), 77).ok());
    CHECK(ends.master.awaits(static_cast<uint16_t>(ControlKind::conf)));
    std::vector<WorkerSocket> got;
    bool last = false;
    while (std::optional<ControlMessage> message = ends.worker.next()) {
      CHECK_FALSE(last);
      const std::optional<ConfPart> part = read_conf_part(*message);
      REQUIRE(part);
      CHECK(part->terms.generation == 3);
      CHECK(part->terms.workers == 2);
      CHECK(part->terms.buffer_memory_bytes == 1 << 20);
      CHECK(part->terms.sockets == count);
      last = part->bundle >= 0;
      CHECK(part->bundle_bytes == (last ? 77u : 0u));
      if (last) sys::close(part->bundle);
      got.insert(got.end(), part->sockets.begin(), part->sockets.begin() + part->socket_count);
      ends.worker.acknowledge(message->sequence(), Answer::taken);
    }
    CHECK(last);
    REQUIRE(got.size() == count);
    for (size_t i = 0; i < count; ++i) {
      CHECK(got[i].same_as(sent[i]));
      CHECK(got[i].fd >= 0);
      sys::close(got[i].fd);
    }
    CHECK_FALSE(ends.master.next());
    CHECK_FALSE(ends.master.awaits(static_cast<uint16_t>(ControlKind::conf)));
  }
}

TEST_CASE("control_messages: a part of a conf that does not add up is none, and is closed") {
  Pair passed = unix_pair();
  {
    Ends ends;
    const int fds[] = {passed.near.get(), passed.near.get()};
    std::vector<uint8_t> good;
    {
      Ends other;
      const std::vector<WorkerSocket> socket{{ListenerId{1}, 0, fds[0]}};
      REQUIRE(send_conf(other.master, {1, 1, 1}, socket, fds[1], 5).ok());
      const std::optional<ControlMessage> message = other.worker.next();
      REQUIRE(message);
      good.assign(message->payload().begin(), message->payload().end());
    }
    const auto is_part = [&](std::vector<uint8_t> bytes, std::span<const int> attached) {
      REQUIRE(ends.master.send(3, bytes, attached, Keep::all).ok());
      std::optional<ControlMessage> message = ends.worker.next();
      REQUIRE(message);
      const std::optional<ConfPart> part = read_conf_part(*message);
      if (part) sys::close(part->bundle);
      if (part) sys::close(part->sockets[0].fd);
      return part.has_value();
    };
    CHECK(is_part(good, fds));
    CHECK_FALSE(is_part(good, std::span(fds).first(1)));
    CHECK_FALSE(is_part({good.begin(), good.end() - 1}, fds));
    CHECK_FALSE(is_part({}, {}));
    std::vector<uint8_t> wrong = good;
    wrong[4] = 0;  // no workers
    CHECK_FALSE(is_part(wrong, fds));
    wrong = good;
    wrong[32] = 200;  // sockets
    CHECK_FALSE(is_part(wrong, fds));
    wrong = good;
    wrong[16] = 0;  // more sockets than there are in all
    CHECK_FALSE(is_part(wrong, fds));
    wrong = good;
    wrong[24] = 0;  // not the last part, though it has a bundle
    CHECK_FALSE(is_part(wrong, fds));
  }
  passed.near.close();
  char byte = 0;
  CHECK(sys::recv(passed.far.get(), &byte, 1) == 0);  // no copy of it is left anywhere
}

}  // namespace
}  // namespace sluice
