// Credentials: a certificate with its chain, the private key that belongs to it, and what is
// stapled to it. Parsed from PEM; files are not its matter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.h"
#include "tls/openssl_ptr.h"

namespace sluice {

struct Credentials {
  CertificatePtr certificate;
  std::vector<CertificatePtr> chain;  // intermediates, as they stand in the file
  KeyPtr key;
  std::string ocsp_response;  // DER; "" where none is stapled
  // DNS names of the certificate in lower case, "*.example.org" among them (RFC 6125 6.4.3); the
  // common name only where there is no subjectAltName.
  std::vector<std::string> names;
};

// The first certificate in `pem` is the one that is shown, what follows is its chain.
Result<Credentials> parse_certificates(std::string_view pem);
// Gives `credentials` its key. Faults: no key, one that asks for a passphrase, another
// certificate's.
Status parse_private_key(std::string_view pem, Credentials& credentials);
// Gives `credentials` its OCSP response, DER (RFC 6960 4.2.1), which must be a successful one.
Status parse_ocsp_response(std::string_view der, Credentials& credentials);

// All certificates of a bundle, as trust anchors. Faults where there is none.
Result<StorePtr> parse_authorities(std::string_view pem);

// From then on `store` refuses certificates that stand in one of `pem`'s CRLs (RFC 5280 5), and
// chains with an issuer for which no CRL is in force. Faults where there is none in it.
Status add_revocations(std::string_view pem, X509_STORE* store);
// When the first of `pem`'s CRLs gave way to a newer one, as OpenSSL writes a time, "" where all
// are in force at `now_s`.
std::string outdated_revocations(std::string_view pem, int64_t now_s);

// A subject or an issuer as RFC 2253 writes it; "" where memory is short.
std::string text_of(const X509_NAME* name);
// "Nov 28 18:00:00 2026 GMT".
std::string text_of(const ASN1_TIME* time);

// Whole days until the certificate ends (RFC 5280 4.1.2.5); below 0 once it has. The time is the
// wall clock's.
int64_t days_until_end(const X509* certificate, uint64_t wall_clock_ms);

// The reason that OpenSSL's error queue gives, static text; empties the queue.
const char* take_openssl_reason();

}  // namespace sluice
