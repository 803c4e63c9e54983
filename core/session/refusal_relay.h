// RefusalRelay: an upstream's answer that is no 101 on its way to the client, head and body, until
// both ends of the relay are done or one of them is too slow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/dial.h"
#include "core/session/outgoing.h"
#include "core/session/session_context.h"
#include "protocol/http1.h"

namespace sluice {

class RefusalRelay {
 public:
  enum class Step : uint8_t {
    wait,
    again,        // more is there than one turn should take
    done,         // the client has what there is to have
    client_left,  // the client takes nothing any more
    cut_off,      // reason() says why, and the log was told
  };

  // All outlive this. `answer` has the answer's head complete and decodes its body; `dial` names
  // the peer that gave it. `set_cookie`: the value of a field of ours, or "".
  RefusalRelay(const SessionContext& lent, const RouteConfig& route, const Dial& dial,
               Http1Parser& answer, std::string set_cookie);

  // `behind`: what of the body came with the head.
  Step begin(std::string_view behind);
  Step run();
  // Where the answer neither stands still nor has used up its time, it goes on.
  Step on_timer();

  const char* reason() const { return reason_; }  // static text

 private:
  bool take_body(std::string_view bytes);
  void queue_body(std::string_view body);
  void end_body();
  bool send();
  void watch();

  const SessionContext& lent_;
  const RouteConfig& route_;
  const Dial& dial_;
  Http1Parser& answer_;
  Outgoing out_;
  const char* reason_ = "";
  uint64_t progress_ms_;    // when bytes last moved
  uint64_t ends_ms_;        // when it is cut off although they move
  bool body_done_ = false;  // the body's end is queued
};

}  // namespace sluice
