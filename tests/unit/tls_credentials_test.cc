// Credentials: what is read from PEM and DER, and every fault that a file can have.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/tls_testing.h"
#include "tls/credentials.h"
#include "tls/secret.h"

namespace sluice {
namespace {

using testing::Identity;
using testing::key_pem_of;
using testing::make_identity;
using testing::pem_of;
using testing::test_authority;

const std::string broken_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

std::string fault_of(const std::string& pem) {
  const Result<Credentials> parsed = parse_certificates(pem);
  CHECK(ERR_peek_error() == 0);
  return parsed.ok() ? "" : parsed.fault().text();
}

std::string key_fault_of(const std::string& pem, const Identity& identity) {
  Result<Credentials> parsed = parse_certificates(pem_of(identity));
  REQUIRE(parsed.ok());
  const Status read = parse_private_key(pem, parsed.value());
  CHECK(ERR_peek_error() == 0);
  CHECK(read.ok() == (parsed.value().key != nullptr));
  return read.ok() ? "" : read.fault().text();
}

std::vector<std::string> names_of(const testing::Wish& wish) {
  const Result<Credentials> parsed = parse_certificates(pem_of(make_identity(wish)));
  REQUIRE(parsed.ok());
  return parsed.value().names;
}

using Names = std::vector<std::string>;

TEST_CASE("credentials: a certificate, then its chain, whatever else stands in the file") {
  const Identity middle = make_identity({.common_name = "Middle", .authority = true});
  const Identity& site = test_authority().site;
  const Result<Credentials> parsed = parse_certificates(
      "subject=CN = a.example\n" + key_pem_of(site) + pem_of(site) + "\n" + pem_of(middle));
  REQUIRE(parsed.ok());
  CHECK(X509_cmp(parsed.value().certificate.get(), site.certificate.get()) == 0);
  REQUIRE(parsed.value().chain.size() == 1);
  CHECK(X509_cmp(parsed.value().chain[0].get(), middle.certificate.get()) == 0);
  CHECK(parsed.value().key == nullptr);
  CHECK(parsed.value().ocsp_response == "");
}

TEST_CASE("credentials: a copy of a bundle holds its CRLs, too, and what is added stays there") {
  const Identity root = make_identity({.common_name = "Root", .authority = true});
  const StorePtr first = std::move(parse_authorities(pem_of(root)).value());
  const std::vector<RevocationPtr> lists =
      std::move(parse_revocations(testing::crl_pem_of(root, {})).value());
  REQUIRE(add_revocations(lists, first.get()).ok());
  const StorePtr copy = std::move(copy_of_anchors(first.get()).value());
  const auto count = [](const StorePtr& store) {
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(store.get()));
  };
  CHECK(count(copy) == 2);
  const Identity other = make_identity({.common_name = "Other", .authority = true});
  REQUIRE(X509_STORE_add_cert(copy.get(), other.certificate.get()) == 1);
  CHECK(count(copy) == 3);
  CHECK(count(first) == 2);
}

TEST_CASE("credentials: when a certificate ends") {
  const int64_t before_s = system_wall_clock_s();
  const Result<Credentials> parsed = parse_certificates(pem_of(make_identity({.ends_s = 900'000})));
  REQUIRE(parsed.ok());
  const int64_t end_s = end_of(parsed.value().certificate.get());
  // OpenSSL asks time(3), whose clock lags behind the other one by up to a tick.
  CHECK(end_s >= before_s + 900'000 - 1);
  CHECK(end_s <= system_wall_clock_s() + 900'000);
}

TEST_CASE("credentials: a copy refers to the same objects, and outlives what it was made of") {
  const Identity site = make_identity({.common_name = "a.example"});
  const Identity middle = make_identity({.common_name = "Middle"});
  auto first = std::make_unique<Credentials>(
      std::move(parse_certificates(pem_of(site) + pem_of(middle)).value()));
  REQUIRE(parse_private_key(key_pem_of(site), *first).ok());
  REQUIRE(parse_ocsp_response(testing::ocsp_response(), *first).ok());
  const X509* const certificate = first->certificate.get();
  const Credentials copy = copy_of(*first);
  const Digest key_digest = first->key_digest;
  first.reset();
  CHECK(copy.certificate.get() == certificate);
  CHECK(X509_cmp(copy.chain.at(0).get(), middle.certificate.get()) == 0);
  CHECK(X509_check_private_key(copy.certificate.get(), copy.key.get()) == 1);
  CHECK(copy.key_digest == key_digest);
  CHECK(copy.ocsp_response == testing::ocsp_response());
  CHECK(copy.names == Names{"a.example"});
}

TEST_CASE("credentials: DNS names in lower case, the common name only where there are no others") {
  CHECK(names_of({.common_name = "c.example", .names = "DNS:A.Example,DNS:*.B.example"}) ==
        Names{"a.example", "*.b.example"});
  CHECK(names_of({.common_name = "C.example"}) == Names{"c.example"});
  CHECK(names_of({.common_name = "c.example", .names = "IP:10.0.0.1"}).empty());
  CHECK(names_of({.common_name = "c.example", .names = "IP:10.0.0.1,DNS:d.example"}) ==
        Names{"d.example"});
}

TEST_CASE("credentials: a name with a NUL in it counts for nothing") {
  Identity identity = make_identity({.common_name = "c.example"});
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  const char bytes[] = "a.example\0.evil.example";
  ASN1_STRING_set(text, bytes, sizeof bytes - 1);
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  sk_GENERAL_NAME_push(names, name);
  REQUIRE(X509_add1_ext_i2d(identity.certificate.get(), NID_subject_alt_name, names, 0, 0) == 1);
  GENERAL_NAMES_free(names);
  REQUIRE(X509_sign(identity.certificate.get(), identity.key.get(), EVP_sha256()) > 0);
  const Result<Credentials> parsed = parse_certificates(pem_of(identity));
  REQUIRE(parsed.ok());
  CHECK(parsed.value().names.empty());
}

TEST_CASE("credentials: what is wrong with a certificate's file") {
  const Identity& site = test_authority().site;
  CHECK(fault_of(pem_of(site)) == "");
  CHECK(fault_of("") == "it holds no certificate in PEM form");
  CHECK(fault_of("certificate\n") == "it holds no certificate in PEM form");
  CHECK(fault_of(key_pem_of(site)) == "it holds no certificate in PEM form");
  CHECK(fault_of(broken_pem) == "its certificate cannot be read");
  CHECK(fault_of(pem_of(site).substr(0, 200)) == "its certificate cannot be read");
  CHECK(fault_of(pem_of(site) + broken_pem) == "a certificate of its chain cannot be read");
}

TEST_CASE("credentials: what is wrong with a key's file") {
  const Identity& site = test_authority().site;
  const Identity other = make_identity({.common_name = "other"});
  CHECK(key_fault_of(key_pem_of(site), site) == "");
  CHECK(key_fault_of(pem_of(site) + key_pem_of(site), site) == "");  // both in one file
  CHECK(key_fault_of("", site) == "it holds no private key in PEM form");
  CHECK(key_fault_of(pem_of(site), site) == "it holds no private key in PEM form");
  CHECK(key_fault_of(key_pem_of(site, "hunter2"), site) ==
        "its key asks for a passphrase; store it without one");
  CHECK(key_fault_of(key_pem_of(other), site) == "the key does not belong to the certificate");
  std::string damaged = key_pem_of(site);
  damaged.replace(damaged.find('\n') + 1, 8, "AAAAAAAA");
  CHECK(key_fault_of(damaged, site) == "its private key cannot be read");
}

TEST_CASE("credentials: an OCSP response is kept as it is, where it is a successful one") {
  Credentials credentials;
  const auto fault = [&](const std::string& der) {
    const Status parsed = parse_ocsp_response(der, credentials);
    CHECK(ERR_peek_error() == 0);
    return parsed.ok() ? "" : parsed.fault().text();
  };
  CHECK(fault("") == "it is no OCSP response in DER form");
  CHECK(fault("nonsense") == "it is no OCSP response in DER form");
  CHECK(fault(testing::ocsp_response().substr(0, 4)) == "it is no OCSP response in DER form");
  CHECK(fault(testing::ocsp_response(OCSP_RESPONSE_STATUS_TRYLATER)) ==
        "its OCSP response is not a successful one");
  CHECK(credentials.ocsp_response == "");
  CHECK(fault(testing::ocsp_response()) == "");
  CHECK(credentials.ocsp_response == testing::ocsp_response());
}

TEST_CASE("credentials: a bundle of authorities is taken whole or not at all") {
  const Identity first = make_identity({.common_name = "first", .authority = true});
  const Identity second = make_identity({.common_name = "second", .authority = true});
  const auto fault = [](const std::string& pem) {
    const Result<StorePtr> parsed = parse_authorities(pem);
    CHECK(ERR_peek_error() == 0);
    return parsed.ok() ? "" : parsed.fault().text();
  };
  Result<StorePtr> both =
      parse_authorities("# ours\n" + pem_of(first) + "# theirs\n" + pem_of(second));
  REQUIRE(both.ok());
  CHECK(sk_X509_OBJECT_num(X509_STORE_get0_objects(both.value().get())) == 2);
  CHECK(fault("") == "it holds no certificate in PEM form");
  CHECK(fault(key_pem_of(first)) == "it holds no certificate in PEM form");
  CHECK(fault(pem_of(first) + broken_pem) == "a certificate in it cannot be read");
}

TEST_CASE("credentials: OpenSSL's reason is taken once, and there is always one") {
  ERR_clear_error();
  ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
  ERR_raise(ERR_LIB_SSL, SSL_R_LENGTH_MISMATCH);
  CHECK(std::string(take_openssl_reason()) == "no shared cipher");
  CHECK(ERR_peek_error() == 0);
  CHECK(std::string(take_openssl_reason()) == "TLS failure");
}

TEST_CASE("secret: grows up to what was asked for, and takes nothing of what would not fit") {
  for (const size_t most : {size_t{8}, size_t{1000}, size_t{10'000}}) {
    CAPTURE(most);
    Secret secret(most);
    CHECK(secret.view() == "");
    while (secret.append("k")) {
    }
    CHECK(secret.view() == std::string(most, 'k'));
    CHECK_FALSE(secret.append("more"));
    CHECK(secret.append(""));
    CHECK(secret.view().size() == most);
  }
  Secret at_once(5000);
  CHECK(at_once.append(std::string(4999, 'a')));
  CHECK_FALSE(at_once.append("bc"));
  CHECK(at_once.append("b"));
  CHECK(at_once.view() == std::string(4999, 'a') + "b");
}

}  // namespace
}  // namespace sluice
