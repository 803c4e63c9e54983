// TlsStore: what a process has parsed and built for TLS, each under the digest of what it was made
// of, so that a conf that is loaded again parses and builds only what has changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "net/result.h"
#include "tls/credentials.h"
#include "tls/digest.h"
#include "tls/pem.h"

namespace sluice {

class TlsClient;
struct ServedCertificate;
using ServedCertificateRef = std::shared_ptr<const ServedCertificate>;
using TlsClientRef = std::shared_ptr<const TlsClient>;

// Things by digests. Each is marked when it is put there or found.
template <class Thing>
class TlsShelf {
 public:
  // Null where it is not there; else good until it is forgotten.
  Thing* find(const Digest& made_of) {
    const auto found = things_.find(made_of);
    if (found == things_.end()) return nullptr;
    found->second.marked = true;
    return &found->second.thing;
  }
  Thing* put(const Digest& made_of, Thing thing) {
    return &things_.insert_or_assign(made_of, Place{std::move(thing)}).first->second.thing;
  }
  void unmark() {
    for (auto& [made_of, place] : things_) place.marked = false;
  }
  // Forgets one that is not marked; false where there is none.
  bool forget_one() {
    for (auto at = things_.begin(); at != things_.end(); ++at) {
      if (at->second.marked) continue;
      things_.erase(at);
      return true;
    }
    return false;
  }

 private:
  struct Place {
    Thing thing;
    bool marked = true;
  };
  std::map<Digest, Place> things_;
};

// For one thread. Whatever hands out references of OpenSSL's or shared ones: what still holds one
// outlives the store's own.
class TlsStore {
 public:
  TlsStore();
  TlsStore(const TlsStore&) = delete;
  TlsStore& operator=(const TlsStore&) = delete;
  ~TlsStore();

  // From here on whatever is asked for is marked; all else is unmarked.
  void begin_load();
  // Behind a load whose Config is in force: forgets one thing that no load has asked for since
  // begin_load(), which takes a small part of a millisecond. False when nothing is left.
  bool forget_some();
  void forget_unused();

  // How often since the start a file's certificates, a key, a bundle or a file of CRLs was parsed,
  // and an OpenSSL context was built.
  uint64_t parsed() const { return parsed_; }
  uint64_t built() const { return built_; }

  // As parse_certificates() and its like (credentials.h). What cannot be parsed is not kept.
  Result<Credentials> certificates(std::string_view pem);
  Status private_key(std::string_view pem, Credentials& credentials);
  Result<std::span<const RevocationPtr>> revocations(const Pem& pem);
  // Whether that bundle's anchors are there; where they are not, who has parsed them may put them
  // there.
  bool has_anchors(const Pem& authorities);
  void keep_anchors(const Pem& authorities, StorePtr anchors);
  // The next two are good until they are forgotten; a context takes a reference of its own.
  // The anchors in that bundle.
  Result<X509_STORE*> anchors(const Pem& authorities);
  // The same (empty: the system's), and refusing whom `revoked` names.
  Result<X509_STORE*> trusted(const Pem& authorities, const Pem& revoked);

  // Null where there is none yet.
  ServedCertificateRef served(const Digest& made_of);
  TlsClientRef client(const Digest& made_of);
  // Counts a context.
  void keep(const Digest& made_of, ServedCertificateRef served);
  void keep(const Digest& made_of, TlsClientRef client);

 private:
  uint64_t parsed_ = 0;
  uint64_t built_ = 0;
  TlsShelf<Credentials> certificates_;  // without a key
  TlsShelf<KeyPtr> keys_;
  TlsShelf<std::vector<RevocationPtr>> revocations_;
  TlsShelf<StorePtr> trusted_;
  TlsShelf<ServedCertificateRef> served_;
  TlsShelf<TlsClientRef> clients_;
};

}  // namespace sluice
