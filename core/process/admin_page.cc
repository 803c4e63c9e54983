// The page's style and script each stand in one element, without attributes.
#include "core/process/admin_page.h"

#include <openssl/evp.h>

#include <new>

#include "net/check.h"

namespace sluice {

namespace {

// As a policy names it: what stands between the element's tags, every byte (CSP 3, 8.4).
std::string hash_of_element(std::string_view name) {
  const std::string_view page = admin_page();
  const std::string open = "<" + std::string(name) + ">";
  const size_t begin = page.find(open);
  const size_t end = page.find("</" + std::string(name) + ">", begin);
  SLUICE_CHECK(begin != std::string_view::npos && end != std::string_view::npos);
  const std::string_view text = page.substr(begin + open.size(), end - begin - open.size());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &digest_bytes, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  unsigned char encoded[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
  const int bytes = EVP_EncodeBlock(encoded, digest, static_cast<int>(digest_bytes));
  return "'sha256-" +
         std::string(reinterpret_cast<const char*>(encoded), static_cast<size_t>(bytes)) + "'";
}

}  // namespace

std::string admin_page_policy() {
  static const std::string policy = "default-src 'none'; style-src " + hash_of_element("style") +
                                    "; script-src " + hash_of_element("script") +
                                    "; connect-src 'self'; img-src data:; base-uri 'none'; "
                                    "form-action 'none'; frame-ancestors 'none'";
  return policy;
}

}  // namespace sluice
