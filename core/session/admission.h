// Admission: which clients may have a session, decided at accept, before a byte of theirs is read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/error_answer.h"
#include "protocol/handshake.h"

namespace sluice {

// So many clients beyond worker_connections are answered with patience, until they have read why
// they get no session; more get the same 503 as far as it goes at once, or where TLS would come
// first nothing.
inline constexpr uint32_t overload_answers = 32;

// One a worker.
class Admission {
 public:
  // `most`: sessions at a time.
  explicit Admission(uint32_t most = 0) : most_(most) {}

  uint32_t most() const { return most_; }

  // Whether one client more can have a session, or at least an answer, beside so many sessions,
  // lingering ones included.
  bool has_place(size_t live) const { return live < most_ + overload_answers; }
  // Why a client gets an answer and no session, where there are so many with it; null: it may have
  // one. Those that linger behind their answer take nobody's place. The refusal lasts for good.
  const Refusal* refusal(size_t live, size_t lingering) const {
    static const Refusal overload{503, overload_reason};
    return live - lingering > most_ ? &overload : nullptr;
  }

 private:
  uint32_t most_;
};

}  // namespace sluice
