// Preface of a session: TLS where there is TLS, and what else a client may say there.
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "core/session/preface.h"
#include "tests/unit/session_testing.h"
#include "tests/unit/tls_testing.h"

namespace sluice {
namespace {

using Step = Preface::Step;

ListenConfig listener_in_tls() {
  ListenConfig listener;
  listener.tls = testing::make_server();
  return listener;
}

struct Prefaced {
  ListenConfig listener = listener_in_tls();
  testing::PairedLeg client;
  ClientAddress address;
  Preface preface{client.leg, listener, address};
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

struct Proxied {
  explicit Proxied(bool tls) {
    listener.proxy_protocol = true;
    listener.trusted_proxies.ranges = {Cidr::parse("10.0.0.0/8").value()};
    if (tls) listener.tls = testing::make_server();
  }

  ListenConfig listener;
  testing::PairedLeg client;
  ClientAddress address{Address::parse("10.0.0.1:5000").value()};
  std::optional<Preface> preface;

  Preface& begun() {
    if (!preface) preface.emplace(client.leg, listener, address);
    return *preface;
  }
};

TEST_CASE("preface: a PROXY header names the client; what is behind it is left in the socket") {
  Proxied p(/*tls=*/false);
  CHECK(p.begun().run() == Step::wait);
  CHECK(!p.begun().heard());
  p.client.say("PROXY TCP4 192.0.2.7 192.0.2.1 5");
  CHECK(p.begun().run() == Step::wait);
  CHECK(p.begun().heard());
  p.client.say("000 443\r\nGET / HTTP/1.1\r\n");
  CHECK(p.begun().run() == Step::done);
  CHECK(!p.begun().heard());  // nothing of a request
  CHECK(p.address.text() == "192.0.2.7:5000");
  CHECK(destination_of(p.begun().proxy_header(), p.address).text() == "192.0.2.1:443");
  CHECK(bool{p.client.leg.readable});
  CHECK(testing::recv_text(p.client.leg.fd()) == "GET / HTTP/1.1\r\n");
}

TEST_CASE("preface: TLS behind a PROXY header, in one segment with it") {
  Proxied p(/*tls=*/true);
  p.client.say("PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\nGET / HTTP/1.1\r\n");
  CHECK(p.begun().run() == Step::plain_http);
  CHECK(p.address.text() == "[2001:db8::7]:5000");

  Proxied secured(/*tls=*/true);
  secured.client.say("PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n");
  CHECK(secured.begun().run() == Step::wait);
  CHECK(secured.begun().proxy_reader() == nullptr);
  CHECK(secured.begun().tls() == nullptr);  // which is made at its own first byte
  const std::unique_ptr<TlsClient> tls = testing::make_client();
  TlsSessionSlot slot;
  const std::unique_ptr<TlsTransport> client = tls->connect(secured.client.far(), "a.example", slot);
  Step step = Step::wait;
  for (int round = 0; round < 10 && step != Step::done; ++round) {
    client->handshake();
    secured.client.leg.assume_readable();
    step = secured.begun().run();
  }
  CHECK(step == Step::done);
  CHECK(secured.begun().tls()->version() == "TLSv1.3");
}

TEST_CASE("preface: a PROXY header that must not, cannot or will not be taken") {
  using Reader = ProxyHeaderReader::Step;
  Proxied stranger(/*tls=*/false);
  stranger.address = ClientAddress(Address::parse("192.0.2.9:5000").value());
  stranger.client.say("P");
  CHECK(stranger.begun().run() == Step::no_proxy_header);
  CHECK(stranger.begun().proxy_step() == Reader::untrusted);
  CHECK(stranger.address.text() == "192.0.2.9:5000");

  Proxied http(/*tls=*/false);
  http.client.say("GET / HTTP/1.1\r\n");
  CHECK(http.begun().run() == Step::no_proxy_header);
  CHECK(http.begun().proxy_step() == Reader::bad);
  CHECK(std::string(http.begun().proxy_reader()->reason()) == "no PROXY header");

  Proxied gone(/*tls=*/false);
  gone.client.hang_up();
  CHECK(gone.begun().run() == Step::no_proxy_header);
  CHECK(gone.begun().proxy_step() == Reader::left);
  CHECK(!gone.begun().heard());
}

}  // namespace
}  // namespace sluice
