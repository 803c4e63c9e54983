// Outgoing: text on its way through a leg, as heads and short bodies are.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "core/session/leg.h"

namespace sluice {

class Outgoing {
 public:
  enum class Step : uint8_t { sent, blocked, failed };

  Outgoing() = default;
  explicit Outgoing(std::string text) : text_(std::move(text)) {}

  // Text may be appended; it goes out behind the rest. All of it is kept until clear(), so a caller
  // that has much to send appends a piece at a time.
  std::string& text() { return text_; }
  bool all_sent() const { return sent_ == text_.size(); }
  void clear() {
    text_.clear();
    sent_ = 0;
  }

  // Sends what the leg takes. `failed`: it takes nothing any more.
  Step send(Leg& leg) {
    while (!all_sent() && leg.writable) {
      const iovec piece{text_.data() + sent_, text_.size() - sent_};
      const Io io = leg.send({&piece, 1});
      if (io.state == Io::State::failed) return Step::failed;
      sent_ += io.bytes;
    }
    return all_sent() ? Step::sent : Step::blocked;
  }
  size_t sent_bytes() const { return sent_; }
  std::string unsent() const { return text_.substr(sent_); }

 private:
  std::string text_;
  size_t sent_ = 0;
};

}  // namespace sluice
