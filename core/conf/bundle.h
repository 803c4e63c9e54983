// BundleDraft: the rest of a line that names a bundle of authorities. One of a whole system takes
// tens of milliseconds to parse, so it is done one certificate a step.
#pragma once

#include <string>
#include <utility>

#include "tls/credentials.h"
#include "tls/store.h"

namespace sluice {

class BundleDraft {
 public:
  // `target` is what the line sets, once the bundle is known to be good. It and the store outlive
  // this.
  BundleDraft(Pem read, Pem& target, TlsStore& store)
      : read_(std::move(read)), target_(target), store_(store), parser_(read_.view()) {}
  BundleDraft(const BundleDraft&) = delete;
  BundleDraft& operator=(const BundleDraft&) = delete;

  // False when nothing is left.
  bool step() { return parser_.step(); }
  // Once, when step() returned false. A Fault says what is wrong with the bundle.
  Status finish() {
    Result<StorePtr> anchors = parser_.finish();
    if (!anchors.ok()) return anchors.fault();
    store_.keep_anchors(read_, std::move(anchors.value()));
    target_ = std::move(read_);
    return Done{};
  }

 private:
  Pem read_;
  Pem& target_;
  TlsStore& store_;
  AuthoritiesParser parser_;
};

}  // namespace sluice
