// Preface of a session: TLS where there is TLS, and what else a client may say there.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "core/session/preface.h"
#include "tests/unit/session_testing.h"
#include "tests/unit/tls_testing.h"

namespace sluice {
namespace {

using Step = Preface::Step;

struct Prefaced {
  std::unique_ptr<TlsServer> server = testing::make_server();
  testing::PairedLeg client;
  Preface preface{client.leg, *server};
};

TEST_CASE("preface: nothing is made for a client before its first byte") {
  Prefaced p;
  CHECK(p.preface.run() == Step::wait);
  CHECK(p.preface.tls() == nullptr);
  CHECK(!p.preface.heard());
}

TEST_CASE("preface: a handshake ends in a leg that speaks TLS and may hold bytes already") {
  Prefaced p;
  const std::unique_ptr<TlsClient> tls = testing::make_client();
  TlsSessionSlot slot;
  const std::unique_ptr<TlsTransport> client = tls->connect(p.client.far(), "a.example", slot);
  Step step = Step::wait;
  for (int round = 0; round < 10 && step != Step::done; ++round) {
    const bool done = client->handshake() == testing::Handshake::done;
    if (done && round < 9) testing::send_text(*client, "request");
    p.client.leg.assume_readable();
    step = p.preface.run();
  }
  REQUIRE(step == Step::done);
  CHECK(p.preface.heard());
  CHECK(p.preface.tls()->version() == "TLSv1.3");
  CHECK(bool{p.client.leg.readable});
  CHECK(!p.client.leg.may_splice());
}

TEST_CASE("preface: plain HTTP leaves the leg bare, so that it can be told") {
  Prefaced p;
  p.client.say("GET / HTTP/1.1\r\n");
  CHECK(p.preface.run() == Step::plain_http);
  CHECK(p.preface.tls() == nullptr);
  CHECK(p.client.leg.may_splice());
}

TEST_CASE("preface: what is neither fails with a reason; silence fails without") {
  Prefaced p;
  p.client.say("\x03nonsense that is no record at all");
  CHECK(p.preface.run() == Step::failed);
  CHECK(p.preface.heard());
  CHECK(!std::string(p.client.leg.failure()).empty());

  Prefaced silent;
  silent.client.hang_up();
  CHECK(silent.preface.run() == Step::failed);
  CHECK(!silent.preface.heard());
}

}  // namespace
}  // namespace sluice
