// Leg: what it knows of its descriptor's readiness once a TLS handshake has read from it.
#include "core/session/leg.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "core/session/leg_tls.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"
#include "tls/client.h"
#include "tls/server.h"

namespace sluice {
namespace {

Credentials self_signed() {
  Credentials made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, made.key.get());
  REQUIRE(X509_sign(certificate, made.key.get(), EVP_sha256()) > 0);
  return made;
}

void set_blocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  REQUIRE(fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0);
}

// A leg in TLS; its client shakes hands, sends "request" and close_notify, and keeps its
// descriptor.
class SecuredLeg {
 public:
  SecuredLeg() {
    TlsServerSettings settings;
    settings.credentials.push_back(self_signed());
    Result<std::unique_ptr<TlsServer>> made = TlsServer::make(std::move(settings));
    REQUIRE(made.ok());
    server_ = std::move(made.value());
    for (const testing::Descriptor* end : {&pair_.near, &pair_.far}) set_blocking(end->get(), true);
    client_ = std::thread([this] { run_client(); });
    leg.attach(pair_.near.get());
    std::unique_ptr<TlsTransport> tls = server_->accept(pair_.near.get());
    tls_ = tls.get();
    leg.wrap(std::move(tls));
  }
  ~SecuredLeg() {
    join_client();
    leg.detach();
  }

  void join_client() {
    if (client_.joinable()) client_.join();
    CHECK(client_done_);
    set_blocking(pair_.near.get(), false);
  }

  TlsTransport::Handshake shake_hands() { return sluice::shake_hands(leg, *tls_); }
  Io recv(std::string& buffer) {
    const iovec piece{buffer.data(), buffer.size()};
    return leg.recv({&piece, 1});
  }

  Leg leg;

 private:
  void run_client() {
    const ContextPtr context(SSL_CTX_new(TLS_client_method()));
    const SslPtr ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), pair_.far.get());
    client_done_ = SSL_connect(ssl.get()) == 1 && SSL_write(ssl.get(), "request", 7) == 7;
    SSL_shutdown(ssl.get());
  }

  testing::Pair pair_ = testing::unix_pair();
  std::unique_ptr<TlsServer> server_;
  TlsTransport* tls_ = nullptr;  // the leg's
  std::thread client_;
  bool client_done_ = false;
};

// A client may answer while handshake() is at work, after an event that told only that the leg is
// writable: no further event tells of what was taken from the socket then. Descriptors that block
// make that the only order of events.
TEST_CASE("leg: what comes with the end of the TLS handshake waits to be read") {
  SecuredLeg secured;
  secured.leg.note(Readiness{.writable = true});
  CHECK(secured.shake_hands() == TlsTransport::Handshake::done);
  CHECK(bool{secured.leg.readable});
  std::string buffer(7, '.');
  CHECK(secured.recv(buffer).bytes == 7);
  CHECK(buffer == "request");
}

TEST_CASE("leg: close_notify behind data is an end, whether FIN follows or not") {
  SecuredLeg secured;
  CHECK(secured.shake_hands() == TlsTransport::Handshake::done);
  secured.join_client();
  std::string buffer(100, '.');
  const Io data = secured.recv(buffer);
  CHECK(data.state == Io::State::open);
  CHECK(data.bytes == 7);
  CHECK(bool{secured.leg.readable});
  CHECK(secured.recv(buffer).state == Io::State::ended);
  CHECK(secured.recv(buffer).state == Io::State::ended);
}

// The kernel tells why to the first call after the loss, here a send, and EPIPE to those after it.
TEST_CASE("leg: why a plain connection failed is kept") {
  testing::Pair pair = testing::tcp_pair();
  Leg leg;
  leg.attach(pair.near.get());
  CHECK(std::string(leg.failure()).empty());
  sys::set_abort_on_close(pair.far.get());
  pair.far.close();
  sys::wait_readable(pair.near.get(), testing::patience_ms);
  std::string text = "for nobody";
  const iovec piece{text.data(), text.size()};
  CHECK(leg.send({&piece, 1}).state == Io::State::failed);
  CHECK(leg.send({&piece, 1}).error == EPIPE);
  CHECK(std::string(leg.failure()) == "connection reset by peer");
  leg.attach(pair.near.get());
  CHECK(std::string(leg.failure()).empty());
  leg.detach();
}

// What a leg asks of a stream that has no descriptor.
class FakeStream final : public Transport {
 public:
  explicit FakeStream(std::string& told) : told_(told) {}
  ~FakeStream() override { told_ += "gone "; }

  Io recv(std::span<const iovec>) override { return {.state = Io::State::blocked}; }
  Io send(std::span<const iovec> pieces) override { return {.bytes = bytes_of(pieces)}; }
  bool shutdown_write() override {
    told_ += "end ";
    return true;
  }
  void abort() override { told_ += "abort "; }
  size_t unsent_bytes() const override { return 17; }
  int socket() const override { return 5; }
  bool refused() const override { return true; }
  void watch(Handle, unsigned leg) override { told_ += "leg " + std::to_string(leg) + " "; }

 private:
  std::string& told_;
};

TEST_CASE("leg: a stream is a leg without a descriptor of its own") {
  Reactor reactor;
  std::string told;
  for (const End how : {End::orderly, End::abort}) {
    CAPTURE(how == End::abort);
    told.clear();
    Leg leg;
    leg.open_stream(std::make_unique<FakeStream>(told), {{}, {}, 1});
    CHECK(leg.is_open());
    CHECK(leg.refused());
    CHECK(leg.is_stream());
    CHECK_FALSE(leg.has_descriptor());
    CHECK(leg.socket() == 5);
    CHECK_FALSE(leg.may_splice());
    CHECK(leg.undelivered_bytes() == 17);
    CHECK(bool{leg.readable});
    char byte = 0;
    const iovec piece{&byte, 1};
    CHECK(leg.recv({&piece, 1}).state == Io::State::blocked);
    CHECK_FALSE(bool{leg.readable});
    leg.note({.readable = true});
    CHECK(bool{leg.readable});
    leg.close(reactor, how);
    CHECK_FALSE(leg.is_open());
    CHECK(told == (how == End::abort ? "leg 1 abort gone " : "leg 1 end gone "));
    CHECK_FALSE(leg.refused());
  }
}

TEST_CASE("leg: a stream that becomes another leg is announced as that one") {
  Reactor reactor;
  std::string told;
  Leg rival;
  rival.open_stream(std::make_unique<FakeStream>(told), {{}, {}, rival_leg});
  rival.end_input();
  Leg leg;
  CHECK(leg.take_over(reactor, rival, {{}, {}, 1}).ok());
  CHECK_FALSE(rival.is_open());
  CHECK(leg.is_stream());
  CHECK(bool{leg.input_ended});
  CHECK(told == "leg 2 leg 1 ");
  leg.close(reactor, End::orderly);
  CHECK(told == "leg 2 leg 1 end gone ");
}

}  // namespace
}  // namespace sluice
