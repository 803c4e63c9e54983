// RequestReader: bytes of a connection become a head, a refusal, or nothing worth a line.
#include "core/session/request_reader.h"

#include <doctest/doctest.h>

#include <string>

#include "core/session/direction.h"
#include "tests/unit/session_testing.h"

namespace sluice {
namespace {

using Step = RequestReader::Step;

const std::string request = "GET /chat HTTP/1.1\r\nHost: a.example\r\n\r\n";

struct Reading {
  Step say(const std::string& bytes) {
    client.say(bytes);
    return reader.read();
  }

  ListenConfig listener;
  testing::PairedLeg client;
  RequestReader reader{client.leg, listener};
};

TEST_CASE("request reader: a head in pieces, and what came behind it") {
  Reading reading;
  CHECK(reading.reader.read() == Step::wait);
  CHECK(!reading.reader.heard());
  CHECK(reading.say(request.substr(0, 20)) == Step::wait);
  CHECK(reading.reader.heard());
  CHECK(reading.reader.head_so_far().target == "/chat");
  CHECK(reading.say(request.substr(20) + "early frames") == Step::complete);
  CHECK(reading.reader.head().method == "GET");
  CHECK(*reading.reader.head().find("Host") == "a.example");
  CHECK(reading.reader.early() == "early frames");
}

TEST_CASE("request reader: what is no HTTP is known by its first bytes") {
  Reading reading;
  CHECK(reading.say("\x16\x03\x01\x02") == Step::refused);
  CHECK(reading.reader.refusal().status == 400);
  CHECK(std::string(reading.reader.refusal().reason) == "TLS on a plain port");
}

TEST_CASE("request reader: a limit is named with its directive and what was seen") {
  Reading reading;
  reading.listener.max_header_bytes = 100;
  RequestReader reader(reading.client.leg, reading.listener);
  reading.client.say("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200, 'x'));
  CHECK(reader.read() == Step::refused);
  CHECK(reader.refusal().status == 431);
  CHECK(reader.refusal().detail.starts_with("max_header_size 100"));
}

TEST_CASE("request reader: one who leaves without a word is no fault, one who began is told of") {
  Reading silent;
  silent.client.hang_up();
  CHECK(silent.reader.read() == Step::left);
  CHECK(!silent.reader.heard());
  CHECK(std::string(silent.reader.refusal().reason).empty());

  Reading begun;
  CHECK(begun.say("GET /") == Step::wait);
  begun.client.hang_up();
  CHECK(begun.reader.read() == Step::left);
  CHECK(std::string(begun.reader.refusal().reason) ==
        "client left before its request was complete");
  CHECK(begun.reader.refusal().status == 0);
}

// A head of one byte a segment must not keep others from their turn.
TEST_CASE("request reader: after so many reads others get their turn") {
  Reading reading;
  reading.listener.max_header_bytes = 1'000'000;
  RequestReader reader(reading.client.leg, reading.listener);
  reading.client.say("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  CHECK(reader.read() == Step::wait);
  const std::string turnful(RequestReader::read_rounds * most_early_bytes, 'x');
  reading.client.say(turnful + "x");
  CHECK(reader.read() == Step::again);
  CHECK(reader.read() == Step::wait);
}

}  // namespace
}  // namespace sluice
