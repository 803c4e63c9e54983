// Credentials: a certificate with its chain, the private key that belongs to it, and what is
// stapled to it. Parsed from PEM; files are not its matter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.h"
#include "tls/digest.h"
#include "tls/openssl_ptr.h"

namespace sluice {

struct Credentials {
  CertificatePtr certificate;
  std::vector<CertificatePtr> chain;  // intermediates, as they stand in the file
  KeyPtr key;
  Digest key_digest{};        // of the certificate and what its key was parsed from
  std::string ocsp_response;  // DER; "" where none is stapled
  // DNS names of the certificate in lower case, "*.example.org" among them (RFC 6125 6.4.3); the
  // common name only where there is no subjectAltName.
  std::vector<std::string> names;
};

// Refers to the same objects of OpenSSL's.
Credentials copy_of(const Credentials& credentials);

// The first certificate in `pem` is the one that is shown, what follows is its chain.
Result<Credentials> parse_certificates(std::string_view pem);
// Of a key in `pem` for that certificate.
Digest key_digest_of(const X509* certificate, std::string_view pem);
// Gives `credentials` its key. Faults: no key, one that asks for a passphrase, another
// certificate's.
Status parse_private_key(std::string_view pem, Credentials& credentials);
// Gives `credentials` its OCSP response, DER (RFC 6960 4.2.1), which must be a successful one.
Status parse_ocsp_response(std::string_view der, Credentials& credentials);

// All certificates of a bundle, as trust anchors. Faults where there is none.
Result<StorePtr> parse_authorities(std::string_view pem);
// The same, one certificate a step, for a process that serves meanwhile.
class AuthoritiesParser {
 public:
  // `pem` outlives this.
  explicit AuthoritiesParser(std::string_view pem);

  // False when nothing is left.
  bool step();
  // Once, when step() returned false.
  Result<StorePtr> finish();

 private:
  BioPtr source_;
  StorePtr store_;
  bool any_ = false;
  bool all_ = true;    // could be taken
  bool whole_ = true;  // was read to its end
};

// A store of its own with the same anchors and CRLs, which are not copied.
Result<StorePtr> copy_of_anchors(X509_STORE* store);

// All CRLs of a file. Faults where there is none.
Result<std::vector<RevocationPtr>> parse_revocations(std::string_view pem);
// From then on `store` refuses certificates that stand in one of the CRLs (RFC 5280 5), and chains
// with an issuer for which no CRL is in force.
Status add_revocations(std::span<const RevocationPtr> lists, X509_STORE* store);
// When the first of the CRLs gave way to a newer one, as OpenSSL writes a time, "" where all are in
// force at `now_s`.
std::string outdated_revocations(std::span<const RevocationPtr> lists, int64_t now_s);

// A subject or an issuer as RFC 2253 writes it; "" where memory is short.
std::string text_of(const X509_NAME* name);
// "Nov 28 18:00:00 2026 GMT".
std::string text_of(const ASN1_TIME* time);

// When the certificate ends (RFC 5280 4.1.2.5), in seconds since 1970; 0 where it does not tell.
int64_t end_of(const X509* certificate);

// The reason that OpenSSL's error queue gives, static text; empties the queue.
const char* take_openssl_reason();

}  // namespace sluice
