// Forward: a request on its way to one connected peer, and the head of that peer's answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/session/leg.h"
#include "core/session/outgoing.h"
#include "protocol/http1.h"

namespace sluice {

class Forward {
 public:
  enum class Step : uint8_t {
    wait,
    again,      // more is there than one turn should take: call it once others had theirs
    answered,   // answer() stands
    malformed,  // parser() says why
    lost,       // the peer is gone, or takes nothing more; why() says it
  };

  static constexpr int read_rounds = 32;  // reads in a row, then others get their turn

  // What becomes of interim answers (1xx but 101).
  enum class Interim : uint8_t { drop, keep };

  // The leg outlives this. `request` is the head as it travels; the answer's head, with the interim
  // ones before it, has at most so many bytes.
  Forward(Leg& upstream, std::string request, uint32_t most_head_bytes,
          Interim interim = Interim::drop);

  // What of the request's body goes out with its head. To be called before run().
  void append(std::string_view body) { request_.text().append(body); }
  Step run();

  bool request_sent() const { return request_.all_sent(); }
  // A byte of the answer came: it is this peer's to give, no other one is asked.
  bool begun() const { return begun_; }
  // After `answered`; views into this.
  const AnswerHead& answer() const { return parser_.answer(); }
  std::string_view behind() const { return behind_; }  // bytes that came with the head
  // The interim answers that came since the last call, as the client gets them.
  std::string take_interim() { return std::exchange(interim_text_, {}); }
  // For the answer's body.
  Http1Parser& parser() { return parser_; }
  const Http1Parser& parser() const { return parser_; }
  // After `lost`: static text.
  const char* why() const;

 private:
  Step read();
  Step take(std::string_view bytes);

  Leg& upstream_;
  Outgoing request_;
  Http1Parser parser_;
  std::string behind_;
  std::string interim_text_;
  Interim interim_;
  bool begun_ = false;
};

}  // namespace sluice
