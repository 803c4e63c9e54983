// PasswordQueue: passwords that wait to be checked, and what came of it, in memory that workers
// share with the process that checks them. bcrypt takes tenths of a second on purpose: no session
// of a worker waits behind it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice {

// What one check takes. Whoever has its phase owns the rest; all of it is good as the kernel gives
// it, zero. A place that nobody comes back for is free again some time after it was to be done.
struct PasswordPlace {
  static constexpr size_t most_password_bytes = 255;  // of which bcrypt reads 72

  // From the highest: the second of the monotonic clock until which the verdict is wanted (32
  // bits), how often the place was used (24), and its phase (8).
  std::atomic<uint64_t> state{0};
  std::array<char, 64> hash{};
  std::array<char, most_password_bytes + 1> password{};
};

// A view. All calls are safe in several processes at once; none blocks.
class PasswordQueue {
 public:
  enum class Verdict : uint8_t { waiting, right, wrong, lost };
  // Names one check for who asked for it.
  struct Ticket {
    size_t place = 0;
    uint64_t state = 0;  // when it was asked
  };
  // Whether the hash is one of that password. May take its time.
  using Check = bool (*)(const char* hash, const char* password);

  // Nobody checks, and nothing can be asked.
  PasswordQueue() = default;
  // Both outlive the view. `bell` counts what was asked, for who sleeps meanwhile.
  PasswordQueue(std::span<PasswordPlace> places, std::atomic<uint32_t>* bell)
      : places_(places), bell_(bell) {}

  explicit operator bool() const { return !places_.empty(); }

  // Asks whether it is the hash of that password; both are copied. The verdict is wanted until
  // then. Nothing where `most` wait already, or a text is too long.
  std::optional<Ticket> ask(std::string_view hash, std::string_view password, uint64_t now_ms,
                            uint64_t until_ms, size_t most) const;
  // `lost`: nobody will say. After anything but `waiting` the ticket is void.
  Verdict look(const Ticket& ticket) const;
  // Nobody wants to know any more.
  void withdraw(const Ticket& ticket) const;

  // For who checks: checks one of those that wait, by turns; false where none does. Those that are
  // wanted no more are left out.
  bool check_one(uint64_t now_ms, Check check);
  std::atomic<uint32_t>& bell() const { return *bell_; }

 private:
  std::span<PasswordPlace> places_;
  std::atomic<uint32_t>* bell_ = nullptr;
  size_t next_ = 0;  // the place that is looked at first
};

}  // namespace sluice
