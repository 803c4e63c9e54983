// Run, what the worker's counters say: what must be true of them at any time and at the end, and
// what the kernel and the worker's own list of sessions say as well.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/process/worker.h"
#include "tests/sim/run.h"

namespace sluice::sim {

namespace {

// A list of sessions is made once in so many turns.
constexpr uint64_t turns_a_list = 64;

std::string difference(const char* what, uint64_t a, uint64_t b) {
  return std::string(what) + ": " + std::to_string(a) + " is not " + std::to_string(b);
}

// Sums the numbers behind that name in lines of JSON.
uint64_t sum_in(const std::string& lines, const std::string& name) {
  uint64_t sum = 0;
  for (size_t at = 0; (at = lines.find("\"" + name + "\":", at)) != std::string::npos;) {
    at += name.size() + 3;
    sum += std::strtoull(lines.c_str() + at, nullptr, 10);
  }
  return sum;
}

}  // namespace

void Run::expect_equal(const char* what, uint64_t a, uint64_t b) {
  if (a != b) world_.fail(difference(what, a, b));
}

Run::CounterSums Run::counter_sums() const {
  CounterSums sums;
  for (const RouteRow& route : labels_.routes) {
    for (const TrafficCounters* side : {&route.from_client, &route.from_upstream}) {
      sums.received += side->received();
      sums.sent += side->sent();
      sums.own += side->own.value();
      sums.dropped += side->dropped.value();
      sums.payload += side->payload(side == &route.from_client);
      sums.messages += side->frames.messages();
    }
    sums.opened += route.opened.value();
    sums.closed += route.closed_in_all();
    for (const Counter& each : route.answered) sums.answered += each.value();
    for (const Counter& each : route.served) sums.served += each.value();
  }
  for (const ListenerRow& listener : labels_.listeners) {
    sums.accepted += listener.accepted.value();
    for (const Counter& each : listener.turned_away) sums.turned_away += each.value();
  }
  return sums;
}

// A connection begins with one, and so does a stream of HTTP/2.
uint64_t Run::requests_begun(const CounterSums& sums) const {
  return sums.accepted + row_.reused.value() + row_.http2_streams.value();
}

uint64_t Run::requests_ended(const CounterSums& sums) const {
  return sums.turned_away + sums.answered + row_.failed.value() + sums.served + sums.opened +
         row_.http2_connections.value();
}

// Between two turns.
void Run::check_counters() {
  const CounterSums sums = counter_sums();
  expect_equal("connections by listener", sums.accepted, row_.accepted.value());
  expect_equal("those turned away", sums.turned_away, row_.without_session.value());
  expect_equal("handshakes by answer", sums.answered, row_.refused.value());
  expect_equal("plain requests by answer", sums.served, row_.served.value());
  expect_equal("sessions opened", sums.opened, row_.relayed.value());
  if (sums.closed > sums.opened) world_.fail("more sessions are closed than were opened");
  if (row_.gone.value() + sums.turned_away > sums.accepted + row_.http2_streams.value()) {
    world_.fail("more connections are gone than came");
  }
  if (row_.in_handshake() != requests_begun(sums) - requests_ended(sums)) {
    world_.fail("more requests are over than came");
  }
  uint64_t written = 0;
  for (const auto& session : sessions_) {
    if (session->record->relaying()) written += session->record->frame_bytes_written();
  }
  expect_equal("bytes sent, counted and by the kernel", sums.sent, written);
  if (worker_ == nullptr || world_.turn % turns_a_list != 0) return;
  PageRequest all;
  all.lines = places_a_page;
  const Page page = worker_->page(all);
  if (page.next != Page::last || page.left_out > 0) return;
  expect_equal("bytes received and own, and those sent, dropped and queued",
               sums.received + sums.own, sums.sent + sums.dropped + sum_in(page.text, "queued"));
  expect_equal("sessions active, by counters and by a list", sums.opened - sums.closed, page.lines);
}

// Once the worker has ended.
void Run::check_last_counters() {
  check_counters();
  const CounterSums sums = counter_sums();
  expect_equal("requests, and refused, failed, served and opened ones", requests_begun(sums),
               requests_ended(sums));
  expect_equal("connections that are left", row_.connections(), 0);
  expect_equal("handshakes that are left", row_.in_handshake(), 0);
  expect_equal("sessions opened and closed", sums.opened, sums.closed);
  expect_equal("bytes received and own, and those sent and dropped", sums.received + sums.own,
               sums.sent + sums.dropped);
}

void Run::check_left_behind() {
  // What the proxy said in its last moments still arrives.
  world_.advance(world_.now_ns() + second);
  if (const size_t left = entries_in_use(client_counts_); left != 0) {
    world_.fail(std::to_string(left) + " counts of clients are left");
  }
  if (passwords_.holds_any()) world_.fail("a password is left in the queue");
  if (kernel_.open_descriptors() != 0) {
    world_.fail("descriptors are left open:" + kernel_.describe_descriptors());
  }
  if (kernel_.mappings != 0) {
    world_.fail(std::to_string(kernel_.mappings) + " mappings are left, " +
                std::to_string(kernel_.mapped_bytes) + " bytes");
  }
  if (Config::living != 1) world_.fail("a Config is still referred to");
  if (access_log_ >= 0 && !scenery_.broken_access_log) {
    const auto relayed = static_cast<size_t>(
        std::count_if(sessions_.begin(), sessions_.end(),
                      [](const auto& session) { return session->record->relaying(); }));
    if (opens_logged_ != relayed || closes_logged_ != relayed) {
      world_.fail(std::to_string(relayed) + " sessions were relayed, logged are " +
                  std::to_string(opens_logged_) + " open and " + std::to_string(closes_logged_) +
                  " close lines");
    }
  }
}

}  // namespace sluice::sim
