// Trace messages: what is sent is what is read, and nothing else is taken for one.
#include "core/process/trace_messages.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/process/control_messages.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

struct Channels {
  testing::Pair pair = testing::unix_pair();
  ControlChannel near{pair.near.release()};
  ControlChannel far{pair.far.release()};
};

TEST_CASE("trace messages: an order with all that it names, and one that names nothing") {
  Channels c;
  TraceCommand command;
  TraceOrder& order = command.order;
  order.number = 7;
  order.handshakes = 3;
  order.lines = 9;
  order.until_ms = 1'234'567'890'123;
  order.client = "::1";
  order.route = "/r";
  order.host = "h";
  order.path = "/p";
  order.upstream = UpstreamId{0};
  order.listener = ListenerId{5};
  REQUIRE(send_trace_command(c.near, command).ok());
  {
    const auto message = c.far.next();
    REQUIRE(message);
    const auto read = read_trace_command(*message);
    REQUIRE(read);
    CHECK(!read_trace_piece(*message));
    CHECK(read->verb == TraceCommand::Verb::begin);
    CHECK(read->order.number == 7);
    CHECK(read->order.handshakes == 3);
    CHECK(read->order.lines == 9);
    CHECK(read->order.until_ms == order.until_ms);
    CHECK(read->order.client + read->order.route + read->order.host + read->order.path ==
          "::1/rh/p");
    CHECK(read->order.upstream == UpstreamId{0});
    CHECK(read->order.listener == ListenerId{5});
  }
  TraceCommand end;
  end.verb = TraceCommand::Verb::end;
  end.order.number = 8;
  REQUIRE(send_trace_command(c.near, end).ok());
  const auto message = c.far.next();
  REQUIRE(message);
  const auto read = read_trace_command(*message);
  REQUIRE(read);
  CHECK(read->verb == TraceCommand::Verb::end);
  CHECK(!read->order.upstream);
  CHECK(!read->order.listener);
  CHECK(read->order.path.empty());
  order.path = std::string(ControlChannel::most_payload_bytes, 'p');
  CHECK(!send_trace_command(c.near, command).ok());
}

TEST_CASE("trace messages: a piece as long as one may be") {
  Channels c;
  const std::string text = std::string(most_piece_bytes - 1, 'x') + "\n";
  REQUIRE(send_trace_piece(c.near, {.order = 2, .left_out = 3, .whole = false, .text = text}).ok());
  const auto message = c.far.next();
  REQUIRE(message);
  const auto piece = read_trace_piece(*message);
  REQUIRE(piece);
  CHECK(!read_trace_command(*message));
  CHECK(piece->order == 2);
  CHECK(piece->left_out == 3);
  CHECK(!piece->whole);
  CHECK(piece->text == text);
}

TEST_CASE("trace messages: cut and malformed ones are none") {
  for (const ControlKind kind : {ControlKind::trace_command, ControlKind::trace_piece}) {
    for (size_t bytes = 0; bytes < 80; ++bytes) {
      Channels c;
      const std::vector<uint8_t> payload(bytes, 0xff);
      REQUIRE(
          c.near.send(static_cast<uint16_t>(kind), payload, {}, ControlChannel::Keep::all).ok());
      const auto message = c.far.next();
      REQUIRE(message);
      CHECK(!read_trace_command(*message));
      CHECK(!read_trace_piece(*message));
    }
  }
}

}  // namespace
}  // namespace sluice
