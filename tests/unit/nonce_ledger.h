// NonceLedger: every key and nonce that something is sealed with in the process, so that none is
// used twice. Without doctest, for other programs that test.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_set>

#include "net/check.h"
#include "tls/record_keys.h"

namespace sluice::testing {

// While one lives, a second use of a nonce with the same key ends the process. Where several live
// they are one; what was noted is forgotten with the last of them.
class NonceLedger {
 public:
  NonceLedger() {
    const std::lock_guard<std::mutex> guard(mutex_);
    ++users_;
    tls_nonce_hook = [](std::span<const uint8_t> key, std::span<const uint8_t> nonce) {
      SLUICE_CHECK(note(key, nonce));
    };
  }
  NonceLedger(const NonceLedger&) = delete;
  NonceLedger& operator=(const NonceLedger&) = delete;
  ~NonceLedger() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (--users_ > 0) return;
    tls_nonce_hook = nullptr;
    entries_.clear();
  }

  // False where it is there already.
  static bool note(std::span<const uint8_t> key, std::span<const uint8_t> nonce) {
    std::string entry(key.begin(), key.end());
    entry.append(nonce.begin(), nonce.end());
    const std::lock_guard<std::mutex> guard(mutex_);
    return entries_.insert(std::move(entry)).second;
  }
  static size_t size() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return entries_.size();
  }

 private:
  static inline std::mutex mutex_;
  static inline std::unordered_set<std::string> entries_;
  static inline int users_ = 0;
};

}  // namespace sluice::testing
