// Digests are of what a file held, not of its name: a file that was only copied is not parsed.
#include "tls/store.h"

#include "tls/client.h"
#include "tls/context.h"
#include "tls/server.h"
#include "tls/system_authorities.h"

namespace sluice {

namespace {

KeyPtr reference_to(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return KeyPtr(key);
}

Digest anchors_digest(const Pem& authorities) {
  return Digester("anchors").add(authorities.digest()).finish();
}

template <class... Shelves>
bool forget_one_of(Shelves&... shelves) {
  return (shelves.forget_one() || ...);
}

}  // namespace

TlsStore::TlsStore() = default;
TlsStore::~TlsStore() = default;

void TlsStore::begin_load() {
  certificates_.unmark();
  keys_.unmark();
  revocations_.unmark();
  trusted_.unmark();
  served_.unmark();
  clients_.unmark();
}

bool TlsStore::forget_some() {
  return forget_one_of(served_, clients_, trusted_, revocations_, keys_, certificates_);
}

void TlsStore::forget_unused() {
  while (forget_some()) {
  }
}

Result<Credentials> TlsStore::certificates(std::string_view pem) {
  const Digest made_of = Digester("certificates").add(pem).finish();
  if (const Credentials* known = certificates_.find(made_of)) return copy_of(*known);
  Result<Credentials> parsed = parse_certificates(pem);
  ++parsed_;
  if (parsed.ok()) certificates_.put(made_of, copy_of(parsed.value()));
  return parsed;
}

Status TlsStore::private_key(std::string_view pem, Credentials& credentials) {
  // A certificate determines the key, but not what another file claims to be that key.
  const Digest made_of = key_digest_of(credentials.certificate.get(), pem);
  if (const KeyPtr* known = keys_.find(made_of)) {
    credentials.key = reference_to(known->get());
    credentials.key_digest = made_of;
    return Done{};
  }
  const Status parsed = parse_private_key(pem, credentials);
  ++parsed_;
  if (!parsed.ok()) return parsed;
  keys_.put(made_of, reference_to(credentials.key.get()));
  return parsed;
}

Result<std::span<const RevocationPtr>> TlsStore::revocations(const Pem& pem) {
  const std::vector<RevocationPtr>* known = revocations_.find(pem.digest());
  if (known == nullptr) {
    Result<std::vector<RevocationPtr>> parsed = parse_revocations(pem.view());
    ++parsed_;
    if (!parsed.ok()) return parsed.fault();
    const StorePtr taking(X509_STORE_new());
    if (const Status taken = add_revocations(parsed.value(), taking.get()); !taken.ok()) {
      return taken.fault();
    }
    known = revocations_.put(pem.digest(), std::move(parsed.value()));
  }
  return std::span<const RevocationPtr>(*known);
}

bool TlsStore::has_anchors(const Pem& authorities) {
  return trusted_.find(anchors_digest(authorities)) != nullptr;
}

void TlsStore::keep_anchors(const Pem& authorities, StorePtr anchors) {
  ++parsed_;
  trusted_.put(anchors_digest(authorities), std::move(anchors));
}

Result<X509_STORE*> TlsStore::anchors(const Pem& authorities) {
  if (!has_anchors(authorities)) {
    Result<StorePtr> parsed = parse_authorities(authorities.view());
    if (!parsed.ok()) {
      ++parsed_;
      return parsed.fault();
    }
    keep_anchors(authorities, std::move(parsed.value()));
  }
  return trusted_.find(anchors_digest(authorities))->get();
}

Result<X509_STORE*> TlsStore::trusted(const Pem& authorities, const Pem& revoked) {
  if (revoked.empty() && !authorities.empty()) return anchors(authorities);
  if (revoked.empty()) return system_authorities();
  const Digest made_of =
      Digester("trusted").add(authorities.digest()).add(revoked.digest()).finish();
  if (const StorePtr* known = trusted_.find(made_of)) return known->get();
  Result<std::span<const RevocationPtr>> lists = revocations(revoked);
  if (!lists.ok()) return lists.fault();
  const Result<X509_STORE*> plain =
      authorities.empty() ? Result<X509_STORE*>(system_authorities()) : anchors(authorities);
  if (!plain.ok()) return plain.fault();
  Result<StorePtr> store = copy_of_anchors(plain.value());
  if (!store.ok()) return store.fault();
  if (const Status added = add_revocations(lists.value(), store.value().get()); !added.ok()) {
    return added.fault();
  }
  return trusted_.put(made_of, std::move(store.value()))->get();
}

ServedCertificateRef TlsStore::served(const Digest& made_of) {
  const ServedCertificateRef* known = served_.find(made_of);
  return known == nullptr ? nullptr : *known;
}

TlsClientRef TlsStore::client(const Digest& made_of) {
  const TlsClientRef* known = clients_.find(made_of);
  return known == nullptr ? nullptr : *known;
}

void TlsStore::keep(const Digest& made_of, ServedCertificateRef served) {
  ++built_;
  served_.put(made_of, std::move(served));
}

void TlsStore::keep(const Digest& made_of, TlsClientRef client) {
  ++built_;
  clients_.put(made_of, std::move(client));
}

}  // namespace sluice
