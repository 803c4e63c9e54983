// OwnAnswer and Outgoing: text goes out as far as a leg takes it, and nothing goes twice.
#include "core/session/own_answer.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/session_testing.h"

namespace sluice {
namespace {

TEST_CASE("own answer: status, advice and request id; a HEAD gets the head alone") {
  testing::PairedLeg client;
  OwnAnswer answer(client.leg, {404, "no route"}, "0-abc-7", "GET");
  CHECK(answer.run() == OwnAnswer::Step::sent);
  const std::string text = client.heard();
  CHECK(text.starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK(text.ends_with("Request id: 0-abc-7\n"));
  OwnAnswer to_head(client.leg, {404, "no route"}, "0-abc-7", "HEAD");
  CHECK(to_head.run() == OwnAnswer::Step::sent);
  const std::string head = client.heard();
  CHECK(head == text.substr(0, text.find("\r\n\r\n") + 4));
}

TEST_CASE("own answer: it waits for a client that reads slowly, and learns of one that left") {
  testing::PairedLeg client;
  client.leg.writable = false;
  OwnAnswer answer(client.leg, {503, "worker_connections reached", {}, 7}, "0-1", "");
  CHECK(answer.run() == OwnAnswer::Step::wait);
  CHECK(client.heard().empty());
  client.leg.assume_writable();
  CHECK(answer.run() == OwnAnswer::Step::sent);
  const std::string heard = client.heard();
  CHECK(heard.starts_with("HTTP/1.1 503 "));
  CHECK(heard.find("\r\nRetry-After: 7\r\n") != std::string::npos);

  testing::PairedLeg gone;
  gone.hang_up();
  OwnAnswer for_nobody(gone.leg, {400, "malformed field"}, "0-1", "");
  CHECK(for_nobody.run() == OwnAnswer::Step::client_left);
}

TEST_CASE("outgoing: what is appended follows, what was sent is not sent again") {
  testing::PairedLeg leg;
  sys::set_receive_buffer(leg.far(), 4'096);
  const std::string large(3'000'000, 'a');
  Outgoing out(large);
  CHECK(out.send(leg.leg) == Outgoing::Step::blocked);
  CHECK(!out.all_sent());
  CHECK(out.sent_bytes() > 0);
  out.text() += "the end";
  std::string all;
  for (int i = 0; i < 10'000 && !out.all_sent(); ++i) {
    all += leg.heard();
    leg.leg.assume_writable();
    out.send(leg.leg);
  }
  all += leg.heard();
  CHECK(all.size() == large.size() + 7);
  CHECK(all.ends_with("athe end"));
  out.clear();
  CHECK(out.all_sent());
  CHECK(out.send(leg.leg) == Outgoing::Step::sent);
}

}  // namespace
}  // namespace sluice
