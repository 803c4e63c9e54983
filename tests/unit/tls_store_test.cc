// TlsStore: what is made of the same is made once; what no load asked for since is forgotten.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/tls_testing.h"
#include "tls/store.h"

namespace sluice {
namespace {

using testing::crl_pem_of;
using testing::Identity;
using testing::key_pem_of;
using testing::make_identity;
using testing::pem_of;
using testing::test_authority;

// The credentials of an identity, as a conf's lines bring them.
Credentials ask(TlsStore& store, const Identity& identity) {
  Result<Credentials> got = store.certificates(pem_of(identity));
  REQUIRE(got.ok());
  REQUIRE(store.private_key(key_pem_of(identity), got.value()).ok());
  return std::move(got.value());
}

TlsServerRef serve(TlsStore& store, TlsServerSettings settings) {
  TlsServerMaker maker(std::move(settings), store);
  while (maker.step()) {
  }
  Result<std::unique_ptr<TlsServer>> made = maker.finish();
  REQUIRE(made.ok());
  return std::move(made.value());
}

TlsServerSettings settings_for(TlsStore& store, const Identity& identity) {
  TlsServerSettings settings;
  settings.credentials.push_back(ask(store, identity));
  settings.policy.resumption.lifetime_s = 3'600;
  return settings;
}

TEST_CASE("tls store: certificates and keys are parsed once for as often as they are asked for") {
  TlsStore store;
  const Identity& site = test_authority().site;
  const Credentials first = ask(store, site);
  CHECK(store.parsed() == 2);
  const Credentials second = ask(store, site);
  CHECK(store.parsed() == 2);
  CHECK(second.certificate.get() == first.certificate.get());
  CHECK(second.key.get() == first.key.get());
  CHECK(second.key_digest == first.key_digest);
  CHECK(second.names == first.names);
  // The same file with a byte more may mean something else.
  CHECK(store.certificates(pem_of(site) + "\n").ok());
  CHECK(store.parsed() == 3);
}

TEST_CASE("tls store: a key is known together with its certificate alone") {
  TlsStore store;
  const Identity& site = test_authority().site;
  ask(store, site);
  Result<Credentials> other = store.certificates(pem_of(test_authority().root));
  REQUIRE(other.ok());
  const Status wrong = store.private_key(key_pem_of(site), other.value());
  REQUIRE_FALSE(wrong.ok());
  CHECK(std::string_view(wrong.fault().what) == "the key does not belong to the certificate");
  CHECK(other.value().key == nullptr);
}

TEST_CASE("tls store: what cannot be parsed is tried again each time") {
  TlsStore store;
  for (uint64_t times = 1; times <= 2; ++times) {
    CHECK_FALSE(store.certificates("nonsense").ok());
    CHECK_FALSE(store.anchors(Pem(std::string("nonsense"))).ok());
    CHECK_FALSE(store.revocations(Pem(std::string("nonsense"))).ok());
    CHECK(store.parsed() == 3 * times);
  }
}

TEST_CASE("tls store: a bundle with and without CRLs is two stores of one parse") {
  TlsStore store;
  const Pem bundle = test_authority().pem();
  const Pem crl = crl_pem_of(test_authority().root, {test_authority().site.certificate.get()});
  const Result<X509_STORE*> plain = store.trusted(bundle, Pem());
  const Result<X509_STORE*> strict = store.trusted(bundle, crl);
  REQUIRE(plain.ok());
  REQUIRE(strict.ok());
  CHECK(plain.value() != strict.value());
  CHECK(store.parsed() == 2);
  CHECK(store.trusted(bundle, Pem()).value() == plain.value());
  CHECK(store.trusted(bundle, crl).value() == strict.value());
  CHECK(store.anchors(bundle).value() == plain.value());
  CHECK(store.parsed() == 2);
}

TEST_CASE("tls store: a context is built once for everything that is made of the same") {
  TlsStore store;
  const Identity& site = test_authority().site;
  const TlsServerRef first = serve(store, settings_for(store, site));
  const TlsServerRef second = serve(store, settings_for(store, site));
  CHECK(store.built() == 1);
  const Result<TlsClientRef> client = TlsClient::find_or_make(testing::client_settings(), store);
  REQUIRE(client.ok());
  CHECK(TlsClient::find_or_make(testing::client_settings(), store).value() == client.value());
  CHECK(store.built() == 2);
}

TEST_CASE("tls store: whatever goes into a server's context makes another one") {
  TlsStore store;
  const Identity& site = test_authority().site;
  const Pem bundle = test_authority().pem();
  const Pem larger = test_authority().pem() + pem_of(site);
  const Pem crl = crl_pem_of(test_authority().root, {});
  uint64_t built = 0;
  const auto another = [&](auto change) {
    for (int times = 0; times < 2; ++times) {
      TlsServerSettings settings = settings_for(store, site);
      change(settings);
      serve(store, std::move(settings));
    }
    CHECK(store.built() == ++built);
  };
  another([](TlsServerSettings&) {});
  another([](TlsServerSettings& s) { s.policy.protocols.tls12 = false; });
  another([](TlsServerSettings& s) { s.policy.protocols.tls13 = false; });
  another([](TlsServerSettings& s) { s.policy.ciphers = "TLS_AES_128_GCM_SHA256"; });
  another([](TlsServerSettings& s) { s.policy.verify_depth = 1; });
  another([](TlsServerSettings& s) { s.policy.chain_bytes = 4'096; });
  another([](TlsServerSettings& s) { s.policy.resumption.lifetime_s = 60; });
  another([](TlsServerSettings& s) { s.policy.resumption.clock = testing::clock_ahead; });
  another([](TlsServerSettings& s) { s.credentials[0].ocsp_response = "x"; });
  another([](TlsServerSettings& s) {
    s.credentials[0].chain = std::move(
        parse_certificates(pem_of(test_authority().site) + test_authority().pem()).value().chain);
  });
  another([&](TlsServerSettings& s) {
    s.client_authorities = bundle;
    s.verify_client = VerifyClient::on;
  });
  another([&](TlsServerSettings& s) {
    s.client_authorities = larger;
    s.verify_client = VerifyClient::on;
  });
  another([&](TlsServerSettings& s) {
    s.client_authorities = bundle;
    s.verify_client = VerifyClient::optional;
  });
  another([&](TlsServerSettings& s) {
    s.client_authorities = bundle;
    s.verify_client = VerifyClient::on;
    s.policy.revoked = crl;
  });
  // What the transport counts is none of the context's.
  TlsServerSettings counted = settings_for(store, site);
  counted.policy.records_without_data = 5;
  CHECK(serve(store, std::move(counted))->records_without_data() == 5);
  CHECK(store.built() == built);
}

TEST_CASE("tls store: whatever a client is made with makes another one") {
  TlsStore store;
  const Credentials own = ask(store, test_authority().site);
  const Pem crl = crl_pem_of(test_authority().root, {});
  const Pem others = pem_of(make_identity({.common_name = "another"}));
  uint64_t built = 0;
  const auto another = [&](auto change) {
    for (int times = 0; times < 2; ++times) {
      TlsClientSettings settings = testing::client_settings();
      change(settings);
      REQUIRE(TlsClient::find_or_make(settings, store).ok());
    }
    CHECK(store.built() == ++built);
  };
  another([](TlsClientSettings&) {});
  another([](TlsClientSettings& s) { s.verify = false; });
  another([](TlsClientSettings& s) { s.server_name = "b.example"; });
  another([&](TlsClientSettings& s) { s.authorities = others; });
  another([](TlsClientSettings& s) { s.policy.records_without_data = 5; });
  another([](TlsClientSettings& s) { s.policy.protocols.tls12 = false; });
  another([&](TlsClientSettings& s) { s.policy.revoked = crl; });
  another([&](TlsClientSettings& s) { s.credentials = &own; });
}

TEST_CASE("tls store: what the latest load did not ask for is forgotten, but not taken away") {
  TlsStore store;
  const Identity old_site = test_authority().issue("a.example", "DNS:a.example");
  store.begin_load();
  const TlsServerRef before = serve(store, settings_for(store, old_site));
  const TlsServerRef kept = serve(store, settings_for(store, test_authority().site));
  CHECK_FALSE(store.forget_some());

  store.begin_load();
  const TlsServerRef after = serve(store, settings_for(store, test_authority().site));
  int steps = 0;
  while (store.forget_some()) ++steps;
  CHECK(steps == 3);  // context, key, certificate
  CHECK(store.parsed() == 4);
  CHECK(store.built() == 2);
  const auto client = testing::make_client();
  for (const TlsServerRef& each : {before, kept, after}) {
    testing::Conversation conversation(*each, *client);
    conversation.open();
  }
  // It is made again where it comes back.
  serve(store, settings_for(store, old_site));
  CHECK(store.parsed() == 6);
  CHECK(store.built() == 3);
}

}  // namespace
}  // namespace sluice
