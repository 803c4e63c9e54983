// X509_STORE_set_default_paths(3) without its lookups later on.
#include "tls/system_authorities.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "net/check.h"

namespace sluice {

namespace {

std::string variable_or(const char* variable, const char* otherwise) {
  const char* const value = ::secure_getenv(variable);
  return value != nullptr ? value : otherwise;
}

// "5ad8a5d6.0" is a certificate, "5ad8a5d6.r0" a CRL (X509_LOOKUP_hash_dir(3)).
bool named_by_hash(std::string_view name) {
  constexpr size_t hash_digits = 8;
  if (name.size() <= hash_digits || name[hash_digits] != '.') return false;
  std::string_view number = name.substr(hash_digits + 1);
  if (number.starts_with('r')) number.remove_prefix(1);
  const auto all = [](std::string_view text, int (*kind)(int)) {
    return std::all_of(text.begin(), text.end(),
                       [kind](char byte) { return kind(static_cast<unsigned char>(byte)) != 0; });
  };
  return all(name.substr(0, hash_digits), std::isxdigit) && !number.empty() &&
         all(number, std::isdigit);
}

void load_folder(X509_STORE* store, const std::string& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (named_by_hash(path.filename().string())) X509_STORE_load_file(store, path.c_str());
  }
}

}  // namespace

StorePtr load_system_authorities() {
  StorePtr store(X509_STORE_new());
  SLUICE_CHECK(store != nullptr);
  const std::string file =
      variable_or(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  X509_STORE_load_file(store.get(), file.c_str());
  const std::string folders =
      variable_or(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  for (size_t at = 0; at <= folders.size();) {
    const size_t end = std::min(folders.find(':', at), folders.size());
    if (end > at) load_folder(store.get(), folders.substr(at, end - at));
    at = end + 1;
  }
  ERR_clear_error();
  return store;
}

X509_STORE* system_authorities() {
  static X509_STORE* const store = load_system_authorities().release();
  return store;
}

}  // namespace sluice
