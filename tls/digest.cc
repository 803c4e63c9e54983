// A part's length goes before it. OpenSSL fails here only where memory is short.
#include "tls/digest.h"

#include <openssl/hmac.h>

#include <new>

namespace sluice {

Digester::Digester(std::string_view purpose) : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  add(purpose);
}

void Digester::update(const void* bytes, size_t count) {
  if (EVP_DigestUpdate(context_.get(), bytes, count) != 1) throw std::bad_alloc();
}

Digester& Digester::add(std::string_view part) {
  add(uint64_t{part.size()});
  update(part.data(), part.size());
  return *this;
}

Digester& Digester::add(const Digest& part) {
  update(part.data(), part.size());
  return *this;
}

Digester& Digester::add(uint64_t number) {
  update(&number, sizeof number);
  return *this;
}

Digester& Digester::add(const X509* certificate) {
  Digest digest;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), nullptr) != 1) throw std::bad_alloc();
  return add(digest);
}

Digest Digester::finish() {
  Digest digest;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) throw std::bad_alloc();
  return digest;
}

Digest keyed_digest(const Digest& key, std::string_view text) {
  Digest digest;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, text.size(),
           digest.data(), nullptr) == nullptr) {
    throw std::bad_alloc();
  }
  return digest;
}

}  // namespace sluice
