// Traces: who is told what, one handshake after the other, and how a trace ends.
#include "core/process/traces.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice {
namespace {

using Verb = TraceCommand::Verb;

ControlTicket ticket_of(uint32_t index) {
  return ControlTicket{Handle{index, 1}};
}

struct Owner final : TracesOwner {
  uint32_t worker_places() const override { return static_cast<uint32_t>(pids.size()); }
  pid_t worker_pid(uint32_t number) const override { return pids[number]; }
  bool send_trace(uint32_t number, const TraceCommand& command) override {
    if (deaf) return false;
    const char* const words[] = {"begin", "more", "end"};
    sent += std::to_string(number) + ":" + words[static_cast<size_t>(command.verb)] + " " +
            std::to_string(command.order.number) + "; ";
    return true;
  }
  void tell(ControlTicket ticket, std::string lines) override {
    told += std::to_string(ticket.client.index) + ":" + lines;
  }
  void answer(ControlTicket ticket, std::string text) override {
    answered += std::to_string(ticket.client.index) + ":" + text;
  }
  std::string take_sent() { return std::exchange(sent, ""); }

  std::vector<pid_t> pids = {11, 22};
  std::string sent;
  std::string told;
  std::string answered;
  bool deaf = false;
};

struct Fixture {
  Fixture() { REQUIRE(reactor.open().ok()); }
  void begin(uint32_t client, uint32_t handshakes, const std::string& warning = "") {
    TraceOrder order;
    order.handshakes = handshakes;
    traces.begin(ticket_of(client), order, 600'000, warning);
  }
  static TracePiece piece(uint32_t order, const std::string& text, bool whole = true,
                          uint32_t left_out = 0) {
    return {.order = order, .left_out = left_out, .whole = whole, .text = text + "\n"};
  }

  Reactor reactor;
  Owner owner;
  Traces traces{reactor, owner};
};

TEST_CASE("traces: one handshake is told in one go, and the next piece when that was taken") {
  Fixture f;
  f.begin(5, 3);
  CHECK(f.owner.take_sent() == "0:begin 1; 1:begin 1; ");
  REQUIRE(f.traces.orders().size() == 1);
  CHECK(f.traces.orders()[0].number == 1);
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "a1", false)));
  CHECK(f.owner.told == "5:a1\n");
  CHECK(f.owner.take_sent() == "0:more 1; ");
  CHECK(f.traces.on_piece(1, Fixture::piece(1, "b")));
  CHECK(!f.traces.on_piece(1, Fixture::piece(1, "b")));  // it was not told to go on
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.owner.told == "5:a1\n");  // the other one speaks still
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "a2")));
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.owner.told == "5:a1\n5:a2\n5:b\n");
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "c", true, 4)));
  CHECK(f.owner.answered.empty());
  f.owner.take_sent();
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.owner.answered.starts_with("5:{\"ok\":true,\"handshakes\":3,\"warnings\":[\"4 hand"));
  CHECK(f.owner.take_sent() == "0:end 1; 1:end 1; ");
  CHECK(f.traces.size() == 0);
  CHECK(f.traces.on_piece(1, Fixture::piece(1, "late")));  // it went before the end came
  CHECK(!f.traces.on_piece(1, Fixture::piece(2, "x")));
  CHECK(!f.traces.on_taken(ticket_of(5)));
}

TEST_CASE("traces: a worker that dies breaks off its handshake, and others go on") {
  Fixture f;
  f.begin(5, 3);
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "a1", false)));
  CHECK(f.traces.on_piece(1, Fixture::piece(1, "b1")));
  CHECK(f.traces.on_taken(ticket_of(5)));
  f.owner.pids[0] = 33;
  f.owner.take_sent();
  f.traces.on_crew_progress();
  CHECK(f.owner.told == "5:a1\n5:b1\n");
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "c")));  // of its successor
  f.owner.pids[0] = 44;
  CHECK(f.traces.on_piece(0, Fixture::piece(1, "d")));  // and of that one's
  f.owner.take_sent();
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.owner.told == "5:a1\n5:b1\n5:c\n");
  CHECK(f.owner.take_sent() == "");  // who sent it is gone
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.traces.on_taken(ticket_of(5)));
  CHECK(f.owner.answered.find("1 handshakes break off") != std::string::npos);
}

TEST_CASE("traces: the end of their client, of their time, and who could not be told") {
  Fixture f;
  f.begin(5, 1);
  f.begin(6, 1, "no such route");
  f.owner.take_sent();
  CHECK(!f.traces.forget(ticket_of(7)));
  CHECK(f.traces.forget(ticket_of(5)));
  CHECK(f.owner.take_sent() == "0:end 1; 1:end 1; ");
  CHECK(f.traces.size() == 1);
  CHECK(f.reactor.armed_timers() == 1);
  f.traces.on_timer(Handle{2, 1}, 0);
  CHECK(f.owner.answered == "6:{\"ok\":true,\"handshakes\":0,\"warnings\":[\"no such route\"]}\n");
  f.owner.deaf = true;
  f.begin(8, 1);
  CHECK(f.traces.on_piece(0, Fixture::piece(3, "a", false)));
  f.traces.on_timer(Handle{3, 1}, 0);  // what is being told is taken first
  CHECK(f.owner.told == "8:a\n");
  CHECK(f.traces.on_taken(ticket_of(8)));
  CHECK(f.owner.answered.find("2 of the workers could not be told") != std::string::npos);
}

}  // namespace
}  // namespace sluice
