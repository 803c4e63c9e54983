// The system's authorities are in memory once they are loaded: files that go afterwards, and a
// process that may open none, make no difference.
#include <doctest/doctest.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/system_authorities.h"

namespace sluice {
namespace {

using testing::Identity;
using testing::TemporaryFolder;

// OpenSSL's defaults as a test wants them; they stand until the next one of these.
struct System {
  System(const std::string& file, const std::string& folders) {
    ::setenv("SSL_CERT_FILE", file.c_str(), 1);
    ::setenv("SSL_CERT_DIR", folders.c_str(), 1);
  }
  ~System() {
    ::unsetenv("SSL_CERT_FILE");
    ::unsetenv("SSL_CERT_DIR");
  }
};

std::string hash_name(const Identity& authority, const std::string& end) {
  char name[16];
  const unsigned long hash = X509_subject_name_hash(authority.certificate.get());
  std::snprintf(name, sizeof name, "%08lx", hash);
  return name + end;
}

Identity authority_named(const std::string& name) {
  return testing::make_identity({.common_name = name, .authority = true});
}

void write(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << content;
}

bool verifies(X509_STORE* store, const Identity& identity) {
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  REQUIRE(X509_STORE_CTX_init(context, store, identity.certificate.get(), nullptr) == 1);
  const bool good = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  return good;
}

TEST_CASE("tls system_authorities: those of the file and of each folder, which may be gone then") {
  TemporaryFolder folder;
  const Identity in_file = authority_named("in the file");
  const Identity first = authority_named("in the first folder");
  const Identity second = authority_named("in the second folder");
  const Identity unhashed = authority_named("without its hash");
  write(folder.file("all.pem"), pem_of(in_file));
  write(folder.file("one/" + hash_name(first, ".0")), pem_of(first));
  write(folder.file("one/plain.pem"), pem_of(unhashed));
  write(folder.file("two/" + hash_name(second, ".17")), pem_of(second));
  const System system(folder.file("all.pem"), folder.file("one") + "::" + folder.file("two"));
  const StorePtr store = load_system_authorities();
  std::filesystem::remove_all(folder.file("one"));
  std::filesystem::remove_all(folder.file("two"));
  for (const Identity* each : {&in_file, &first, &second}) {
    const Identity issued = testing::make_identity({.common_name = "a.example"}, each);
    CHECK(verifies(store.get(), issued));
  }
  CHECK_FALSE(verifies(store.get(), testing::make_identity({.common_name = "x"}, &unhashed)));
}

TEST_CASE("tls system_authorities: what cannot be read is left out, and nothing at all is none") {
  const TemporaryFolder folder;
  const Identity good = authority_named("good");
  write(folder.file("one/" + hash_name(good, ".0")), pem_of(good));
  write(folder.file("one/00000000.0"), "no certificate");
  std::filesystem::create_symlink(folder.file("nowhere"), folder.file("one/00000001.0"));
  {
    const System system(folder.file("missing.pem"), folder.file("one"));
    const StorePtr store = load_system_authorities();
    CHECK(verifies(store.get(), testing::make_identity({.common_name = "x"}, &good)));
    CHECK(sk_X509_OBJECT_num(X509_STORE_get0_objects(store.get())) == 1);
  }
  const System system(folder.file("missing.pem"), folder.file("no_folder"));
  CHECK(sk_X509_OBJECT_num(X509_STORE_get0_objects(load_system_authorities().get())) == 0);
}

TEST_CASE("tls system_authorities: loaded once for all that add nothing") {
  CHECK(system_authorities() != nullptr);
  CHECK(system_authorities() == system_authorities());
}

}  // namespace
}  // namespace sluice
