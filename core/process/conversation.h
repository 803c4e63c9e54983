// Conversation: the client's end of a control socket, for programs without a reactor.
#pragma once

#include <cstdint>
#include <string>

#include "net/address.h"

namespace sluice {

// One connection; closed at its end. All calls block, at most until their deadline, by the
// monotonic clock.
class Conversation {
 public:
  Conversation() = default;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();

  // 0 or an errno value. A queue that is full is waited for.
  int connect(const Address& address, uint64_t deadline_ms);
  // One that cannot be written to may answer all the same: it says why it hears nothing.
  void ask(const std::string& request) const;
  // The next line, or what came of it; "" where none comes in time; of what is longer than any
  // answer, no more than shows that.
  std::string answer(uint64_t deadline_ms);

  // Its other end is.
  bool ended() const { return ended_; }
  // The last line is no whole one, because nothing more came of it.
  bool cut() const { return cut_; }

  // Until the other end is closed, as it is when the process has ended. False: not in time.
  bool await_end(uint64_t deadline_ms);

 private:
  bool receive(std::string& text, uint64_t deadline_ms);

  int fd_ = -1;
  std::string came_;
  bool ended_ = false;
  bool cut_ = false;
};

// Why nobody can be spoken to at a control socket of that name, and what helps.
std::string unreachable(const std::string& name, int error);

}  // namespace sluice
