// PasswordQueue: each place goes from phase to phase by compare-and-swap, so that two never have
// it.
//
//   free -> filling -> asked -> checking -> right | wrong -> free
//                          \--> free (withdrawn)
#include "core/session/password_queue.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

namespace sluice {

namespace {

enum Phase : uint64_t { is_free, filling, asked, checking, right, wrong };

constexpr uint64_t phase_bits = 0xff;
constexpr unsigned use_shift = 8;
constexpr uint64_t use_bits = 0xffffff;
constexpr unsigned until_shift = 32;
// A check that is under way, or a verdict on its way to who asked, is nobody's after so long.
constexpr uint64_t grace_s = 60;

Phase phase_of(uint64_t state) {
  return static_cast<Phase>(state & phase_bits);
}
uint64_t with_phase(uint64_t state, Phase phase) {
  return (state & ~phase_bits) | phase;
}
uint64_t until_s_of(uint64_t state) {
  return state >> until_shift;
}
uint64_t next_use(uint64_t state, uint64_t until_s) {
  const uint64_t use = ((state >> use_shift) + 1) & use_bits;
  return (until_s & 0xffffffff) << until_shift | use << use_shift | filling;
}

bool is_takeable(uint64_t state, uint64_t now_s) {
  return phase_of(state) == is_free || until_s_of(state) + grace_s < now_s;
}

template <size_t N>
void copy(std::string_view text, std::array<char, N>& to) {
  std::memcpy(to.data(), text.data(), text.size());
  to[text.size()] = '\0';
}

}  // namespace

std::optional<PasswordQueue::Ticket> PasswordQueue::ask(std::string_view hash,
                                                        std::string_view password, uint64_t now_ms,
                                                        uint64_t until_ms, size_t most) const {
  if (password.size() > PasswordPlace::most_password_bytes || hash.size() > 63) return std::nullopt;
  const size_t count = std::min(most, places_.size());
  for (size_t i = 0; i < count; ++i) {
    PasswordPlace& place = places_[i];
    uint64_t state = place.state.load(std::memory_order_relaxed);
    const uint64_t mine = next_use(state, until_ms / 1000 + 1);
    if (!is_takeable(state, now_ms / 1000) ||
        !place.state.compare_exchange_strong(state, mine, std::memory_order_acquire)) {
      continue;
    }
    copy(hash, place.hash);
    copy(password, place.password);
    uint64_t filled = mine;
    if (!place.state.compare_exchange_strong(filled, with_phase(mine, asked),
                                             std::memory_order_release)) {
      return std::nullopt;  // this process stood still for a minute
    }
    bell_->fetch_add(1, std::memory_order_release);
    return Ticket{i, with_phase(mine, asked)};
  }
  return std::nullopt;
}

PasswordQueue::Verdict PasswordQueue::look(const Ticket& ticket) const {
  PasswordPlace& place = places_[ticket.place];
  uint64_t state = place.state.load(std::memory_order_acquire);
  if (with_phase(state, asked) != ticket.state) return Verdict::lost;
  const Phase phase = phase_of(state);
  if (phase == asked || phase == checking) return Verdict::waiting;
  if (phase != right && phase != wrong) return Verdict::lost;
  place.state.compare_exchange_strong(state, with_phase(state, is_free));
  return phase == right ? Verdict::right : Verdict::wrong;
}

void PasswordQueue::withdraw(const Ticket& ticket) const {
  PasswordPlace& place = places_[ticket.place];
  uint64_t state = ticket.state;
  // Who takes it out of `asked` alone may touch the password.
  if (place.state.compare_exchange_strong(state, with_phase(state, filling))) {
    OPENSSL_cleanse(place.password.data(), place.password.size());
    place.state.store(with_phase(state, is_free), std::memory_order_release);
    return;
  }
  for (const Phase phase : {right, wrong}) {
    state = with_phase(ticket.state, phase);
    place.state.compare_exchange_strong(state, with_phase(state, is_free));
  }
}

bool PasswordQueue::check_one(uint64_t now_ms, Check check) {
  for (size_t i = 0; i < places_.size(); ++i) {
    PasswordPlace& place = places_[next_];
    next_ = (next_ + 1) % places_.size();
    uint64_t state = place.state.load(std::memory_order_relaxed);
    if (phase_of(state) != asked || until_s_of(state) < now_ms / 1000) continue;
    if (!place.state.compare_exchange_strong(state, with_phase(state, checking),
                                             std::memory_order_acquire)) {
      continue;
    }
    PasswordPlace mine;
    mine.hash = place.hash;
    mine.password = place.password;
    OPENSSL_cleanse(place.password.data(), place.password.size());
    const Phase verdict = check(mine.hash.data(), mine.password.data()) ? right : wrong;
    OPENSSL_cleanse(mine.password.data(), mine.password.size());
    state = with_phase(state, checking);
    place.state.compare_exchange_strong(state, with_phase(state, verdict),
                                        std::memory_order_release);
    return true;
  }
  return false;
}

}  // namespace sluice
