// Forward: a request on its way to one connected peer, and the head of that peer's answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/session/leg.h"
#include "core/session/outgoing.h"
#include "protocol/http1.h"

namespace sluice {

class Forward {
 public:
  enum class Step : uint8_t {
    wait,
    again,      // more is there than one turn should take: call it once others had theirs
    answered,   // answer() stands; interim answers (1xx but 101) before it were dropped
    malformed,  // parser() says why
    lost,       // the peer is gone, or takes nothing more; why() says it
  };

  static constexpr int read_rounds = 32;  // reads in a row, then others get their turn

  // The leg outlives this. `request` is the head as it travels; the answer's head, with the interim
  // ones before it, has at most so many bytes.
  Forward(Leg& upstream, std::string request, uint32_t most_head_bytes);

  Step run();

  bool request_sent() const { return request_.all_sent(); }
  // A byte of the answer came: it is this peer's to give, no other one is asked.
  bool begun() const { return begun_; }
  // After `answered`; views into this.
  const AnswerHead& answer() const { return parser_.answer(); }
  std::string_view behind() const { return behind_; }  // bytes that came with the head
  // For the answer's body.
  Http1Parser& parser() { return parser_; }
  // After `lost`: static text.
  const char* why() const;

 private:
  Step read();
  Step take(std::string_view bytes);

  Leg& upstream_;
  Outgoing request_;
  Http1Parser parser_;
  std::string behind_;
  bool begun_ = false;
};

}  // namespace sluice
