// Admission: which clients may have a session, decided at accept, before a byte of theirs is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/error_answer.h"
#include "protocol/handshake.h"

namespace sluice {

// So many clients beyond worker_connections are answered with patience, until they have read why
// they get no session; more get the same 503 as far as it goes at once, or where TLS would come
// first nothing.
inline constexpr uint32_t overload_answers = 32;

// Retry-After of clients beyond handshake_rate is 1 to so many seconds.
inline constexpr uint32_t most_retry_after_s = 10;

// Why a client beyond handshake_rate gets no session; it lasts for good. `random` spreads when such
// clients come again.
inline const Refusal& handshake_rate_refusal(uint32_t random) {
  static const std::array<Refusal, most_retry_after_s> all = [] {
    std::array<Refusal, most_retry_after_s> refusals;
    for (uint32_t i = 0; i < most_retry_after_s; ++i) {
      refusals[i] = Refusal{503, handshake_rate_reason, {}, i + 1};
    }
    return refusals;
  }();
  return all[random % most_retry_after_s];
}

// One a worker.
class Admission {
 public:
  // `most`: sessions at a time.
  explicit Admission(uint32_t most = 0) : most_(most) {}

  uint32_t most() const { return most_; }

  // Whether one client more can have a session, or at least an answer, beside so many sessions,
  // lingering ones included.
  bool has_place(size_t live) const { return live < most_ + overload_answers; }
  // Whether one that gets no session can have patience for its answer without a place of others'.
  bool has_patience(size_t live, size_t lingering) const {
    return lingering < overload_answers && has_place(live);
  }
  // Why a client gets an answer and no session, where there are so many with it; null: it may have
  // one. Those that linger behind their answer take nobody's place. The refusal lasts for good.
  const Refusal* refusal(size_t live, size_t lingering) const {
    return live - lingering > most_ ? &overload() : nullptr;
  }
  static const Refusal& overload() {
    static const Refusal refusal{503, overload_reason};
    return refusal;
  }
  // Its address is not let in, by the listener's rules.
  static const Refusal& denied() {
    static const Refusal refusal{403, denied_reason, "by the listener"};
    return refusal;
  }
  // Its address has as many connections as limit_connections of the listener lets it.
  static const Refusal& too_many_of_client() {
    static const Refusal refusal{429, client_connections_reason, "by the listener"};
    return refusal;
  }
  static const Refusal& no_room_to_count() {
    static const Refusal refusal{503, client_table_reason, "by the listener"};
    return refusal;
  }

 private:
  uint32_t most_;
};

}  // namespace sluice
