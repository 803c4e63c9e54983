// Tracer: which handshakes are wanted, how many lines are kept, and what goes when.
#include "core/session/tracer.h"

#include <doctest/doctest.h>

#include <string>

#include "core/session/handshake_trace.h"

namespace sluice {
namespace {

TraceOrder order_of(uint32_t number, uint32_t handshakes = 10, uint32_t lines = 100) {
  TraceOrder order;
  order.number = number;
  order.handshakes = handshakes;
  order.lines = lines;
  order.until_ms = 1'000;
  return order;
}

TraceFacts facts_of(const std::string& path = "/a/b") {
  return {.client = "192.0.2.7:4711",
          .client_host = "192.0.2.7",
          .path = path,
          .host = "a.example",
          .route = "/a",
          .upstream = UpstreamId{3},
          .listener = ListenerId{2}};
}

// A handshake with so many lines.
void observe(Tracer& tracer, const TraceFacts& facts, int lines = 1) {
  HandshakeTrace trace(tracer, "0-x-1", 0);
  trace.facts = facts;
  for (int i = 0; i < lines; ++i) trace.note("step", "line");
}

TEST_CASE("tracer: all that an order names must be so") {
  Tracer tracer;
  CHECK(!tracer.on());
  CHECK(!tracer.matches(facts_of()));
  const auto wanted = [](auto set) {
    Tracer one;
    TraceOrder order = order_of(1);
    set(order);
    one.begin(order);
    return one.matches(facts_of());
  };
  CHECK(wanted([](TraceOrder&) {}));
  CHECK(wanted([](TraceOrder& o) { o.client = "192.0.2.7"; }));
  CHECK(wanted([](TraceOrder& o) { o.client = "192.0.2.7:4711"; }));
  CHECK(!wanted([](TraceOrder& o) { o.client = "192.0.2.7:4712"; }));
  CHECK(wanted([](TraceOrder& o) { o.path = "/a"; }));
  CHECK(!wanted([](TraceOrder& o) { o.path = "/a/bc"; }));
  CHECK(wanted([](TraceOrder& o) { o.route = "/a"; }));
  CHECK(!wanted([](TraceOrder& o) { o.route = "/"; }));
  CHECK(!wanted([](TraceOrder& o) { o.host = "b.example"; }));
  CHECK(wanted([](TraceOrder& o) { o.upstream = UpstreamId{3}; }));
  CHECK(!wanted([](TraceOrder& o) { o.upstream = UpstreamId{0}; }));
  CHECK(!wanted([](TraceOrder& o) {
    o.host = "a.example";
    o.listener = ListenerId{1};
  }));
}

TEST_CASE("tracer: an order ends with its handshakes, with its time, and when it is told") {
  Tracer tracer;
  tracer.begin(order_of(1, 1));
  CHECK(tracer.wants(ListenerId{0}, 999));
  observe(tracer, facts_of());
  CHECK(tracer.on());
  CHECK(!tracer.wants(ListenerId{0}, 999));  // it has had its one
  tracer.begin(order_of(2));
  CHECK(tracer.wants(ListenerId{0}, 999));
  CHECK(!tracer.wants(ListenerId{0}, 1'000));
  CHECK(!tracer.on());
  CHECK(!tracer.next_piece(100));
  tracer.begin(order_of(3));
  tracer.end(2);
  CHECK(tracer.on());
  tracer.end(3);
  CHECK(!tracer.on());
}

TEST_CASE("tracer: a piece is of one handshake, and the next one waits until that was told") {
  Tracer tracer;
  tracer.begin(order_of(1));
  tracer.begin(order_of(2));
  observe(tracer, facts_of(), 3);
  observe(tracer, facts_of());
  std::optional<TracePiece> piece = tracer.next_piece(130);  // two lines have room
  REQUIRE(piece);
  CHECK(piece->order == 1);
  CHECK(!piece->whole);
  CHECK(piece->text.ends_with("\n"));
  CHECK(piece->text.size() <= 130);
  const std::string first = piece->text;
  tracer.put_back(*piece);
  piece = tracer.next_piece(130);
  REQUIRE(piece);
  CHECK(piece->text == first);
  piece = tracer.next_piece(1'000);  // the other order's, whole
  REQUIRE(piece);
  CHECK(piece->order == 2);
  CHECK(piece->whole);
  CHECK(!tracer.next_piece(1'000));
  tracer.more(1);
  piece = tracer.next_piece(1'000);
  REQUIRE(piece);
  CHECK(piece->order == 1);
  CHECK(piece->whole);
  tracer.put_back(*piece);
  piece = tracer.next_piece(1'000);
  REQUIRE(piece);
  CHECK(piece->whole);
  CHECK(!tracer.next_piece(1'000));
}

TEST_CASE("tracer: more lines than an order allows are left out, and handshakes told of") {
  Tracer tracer;
  tracer.begin(order_of(1, 10, 2));
  observe(tracer, facts_of(), 5);
  CHECK(!tracer.wants(ListenerId{0}, 0));
  CHECK(!tracer.wants(ListenerId{0}, 0));
  std::optional<TracePiece> piece = tracer.next_piece(1'000);
  REQUIRE(piece);
  CHECK(piece->left_out == 2);
  CHECK(piece->text.find("\"text\":\"3 lines: lines=N has room for more\"") != std::string::npos);
  CHECK(tracer.wants(ListenerId{0}, 0));  // they went
  {
    HandshakeTrace unwanted(tracer, "0-x-2", 0);
    unwanted.note("a", "b");
    unwanted.note("a", "b");
    CHECK(!tracer.wants(ListenerId{0}, 0));
    tracer.end(1);
    TraceOrder other = order_of(2, 10, 2);
    other.host = "b.example";
    tracer.begin(other);
    unwanted.facts = facts_of();
    unwanted.judge();
    CHECK(tracer.wants(ListenerId{0}, 0));  // and its lines with it
    unwanted.note("a", "b");
  }
  CHECK(!tracer.next_piece(1'000));
}

}  // namespace
}  // namespace sluice
