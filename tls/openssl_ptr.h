// Owning pointers to OpenSSL's objects, as well as what several files take out of such objects.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sluice {

template <auto Free>
struct OpenSslFree {
  template <class Object>
  void operator()(Object* object) const {
    Free(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpenSslFree<&BIO_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<&SSL_CTX_free>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree<&X509_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<&SSL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<&EVP_PKEY_free>>;
using StorePtr = std::unique_ptr<X509_STORE, OpenSslFree<&X509_STORE_free>>;
using RevocationPtr = std::unique_ptr<X509_CRL, OpenSslFree<&X509_CRL_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<&EVP_MD_CTX_free>>;
using AlternativeNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<&GENERAL_NAMES_free>>;

// What was written to a BIO of memory (BIO_s_mem).
inline std::string content_of(BIO* memory) {
  const char* bytes = nullptr;
  const long count = BIO_get_mem_data(memory, &bytes);
  return std::string(bytes, static_cast<size_t>(std::max(count, 0L)));
}

// The certificate's subjectAltName; null where it has none.
inline AlternativeNamesPtr alternative_names_of(const X509* certificate) {
  return AlternativeNamesPtr(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

}  // namespace sluice
