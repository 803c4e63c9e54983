// AnswerRelay: an upstream's answer on its way to the client, head and body, until the client has
// all of it or one of them is too slow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/session/body_relay.h"
#include "core/session/dial.h"
#include "core/session/outgoing.h"
#include "core/session/session_context.h"

namespace sluice {

// What is relayed, and how long it may take.
struct RelayedAnswer {
  std::string head;  // as the client gets it
  BodyFraming framing = BodyFraming::none;
  uint64_t length = 0;                  // with BodyFraming::length
  BodyLimits limits = {};               // `framing_bytes` is max_answer_header_size's
  const char* timeout = "";             // the directive of the next one
  uint32_t timeout_ms = 0;              // without a byte that moves
  uint64_t most_timeouts = UINT64_MAX;  // in all; a refusal's body may have no end otherwise
};

class AnswerRelay {
 public:
  enum class Step : uint8_t {
    wait,
    again,        // more is there than one turn should take
    done,         // the client has what there is to have
    broken,       // the body broke off or is malformed: its missing end is to tell the client
    client_left,  // the client takes nothing any more
    cut_off,      // reason() says why, and the log was told
  };

  // Both outlive this. `dial` names the peer that answers.
  AnswerRelay(const SessionContext& lent, const Dial& dial, RelayedAnswer answer);

  // `behind`: what of the body came with the head, at most BodyRelay::most_behind_bytes.
  Step begin(std::string_view behind);
  Step run();
  // Something else of its exchange moved then, by the reactor's clock: the answer is not late.
  void note_moved(uint64_t at_ms) { progress_ms_ = std::max(progress_ms_, at_ms); }
  // Where the answer neither stands still nor has used up its time, it goes on.
  Step on_timer();

  const char* reason() const { return reason_; }  // static text
  BodyRelay& body() { return body_; }
  const BodyRelay& body() const { return body_; }
  // The end of the body that reached the client can be told from one too early.
  bool end_shows() const { return answer_.framing != BodyFraming::until_close; }

 private:
  void warn(const char* what, const std::string& detail = {}) const;
  uint64_t progress_ms() const;
  void watch();

  const SessionContext& lent_;
  const Dial& dial_;
  const RelayedAnswer answer_;
  Outgoing head_;
  BodyRelay body_;
  const char* reason_ = "";
  uint64_t progress_ms_;  // when the head last moved
  uint64_t ends_ms_;      // when it is cut off although it moves
};

}  // namespace sluice
