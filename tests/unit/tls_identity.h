// Certificates and keys for tests, made on the spot: none is kept in the tree. For the unit tests
// and for other programs that test, so without doctest.
#pragma once

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "net/check.h"
#include "tls/openssl_ptr.h"

namespace sluice::testing {

struct Identity {
  CertificatePtr certificate;
  KeyPtr key;
};

// What a certificate is to say. Times are seconds from now.
struct Wish {
  std::string common_name = {};
  std::string names = {};  // as OpenSSL's conf has them: "DNS:a.example,IP:127.0.0.1"; "": none
  bool authority = false;
  long begins_s = -3'600;
  long ends_s = 90 * 86'400;  // nothing is told of it
};

inline void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  SLUICE_CHECK(extension != nullptr);
  SLUICE_CHECK(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// A new P-256 key, and a certificate for it that `issuer` signs; without one it signs itself.
inline Identity make_identity(const Wish& wish, const Identity* issuer = nullptr) {
  static long serial = 0;
  Identity made{CertificatePtr(X509_new()), KeyPtr(EVP_EC_gen("P-256"))};
  X509* const certificate = made.certificate.get();
  SLUICE_CHECK(certificate != nullptr && made.key != nullptr);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.begins_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.ends_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  X509* const signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, signer, NID_basic_constraints,
                wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!wish.names.empty()) add_extension(certificate, signer, NID_subject_alt_name, wish.names);
  EVP_PKEY* const signing_key = issuer == nullptr ? made.key.get() : issuer->key.get();
  SLUICE_CHECK(X509_sign(certificate, signing_key, EVP_sha256()) > 0);
  return made;
}

inline std::string pem_of(X509* certificate) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  SLUICE_CHECK(PEM_write_bio_X509(memory.get(), certificate) == 1);
  return sluice::content_of(memory.get());
}
inline std::string pem_of(const Identity& identity) {
  return pem_of(identity.certificate.get());
}

// With a passphrase the key is locked by it.
inline std::string key_pem_of(const Identity& identity, const std::string& passphrase = "") {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
  SLUICE_CHECK(PEM_write_bio_PKCS8PrivateKey(memory.get(), identity.key.get(), cipher,
                                             passphrase.data(), static_cast<int>(passphrase.size()),
                                             nullptr, nullptr) == 1);
  return sluice::content_of(memory.get());
}

// PEM of a CRL in force that names `revoked`; times are seconds from now.
inline std::string crl_pem_of(const Identity& issuer, const std::vector<const X509*>& revoked,
                              long next_s = 86'400) {
  const std::unique_ptr<X509_CRL, OpenSslFree<&X509_CRL_free>> list(X509_CRL_new());
  const std::unique_ptr<ASN1_TIME, OpenSslFree<&ASN1_TIME_free>> time(
      X509_gmtime_adj(nullptr, -3'600));
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.certificate.get()));
  X509_CRL_set1_lastUpdate(list.get(), time.get());
  for (const X509* each : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(
        entry, const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(each)));  // it is copied
    X509_REVOKED_set_revocationDate(entry, time.get());
    X509_CRL_add0_revoked(list.get(), entry);
  }
  X509_gmtime_adj(time.get(), next_s);
  X509_CRL_set1_nextUpdate(list.get(), time.get());
  SLUICE_CHECK(X509_CRL_sign(list.get(), issuer.key.get(), EVP_sha256()) > 0);
  const BioPtr memory(BIO_new(BIO_s_mem()));
  SLUICE_CHECK(PEM_write_bio_X509_CRL(memory.get(), list.get()) == 1);
  return sluice::content_of(memory.get());
}

// DER of a response without answers, which is all that stapling looks at.
inline std::string ocsp_response(int status = OCSP_RESPONSE_STATUS_SUCCESSFUL) {
  OCSP_RESPONSE* response = OCSP_response_create(status, nullptr);
  SLUICE_CHECK(response != nullptr);
  unsigned char* bytes = nullptr;
  const int count = i2d_OCSP_RESPONSE(response, &bytes);
  SLUICE_CHECK(count > 0);
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  OPENSSL_free(bytes);
  OCSP_RESPONSE_free(response);
  return der;
}

}  // namespace sluice::testing
