// Forward: sends what the leg takes, then reads; a peer may answer before it has read everything.
#include "core/session/forward.h"

#include <utility>

#include "core/session/direction.h"
#include "protocol/plain_http.h"

namespace sluice {

namespace {

// One recv takes at most this much, so that early frames behind a 101 fit any ring.
constexpr size_t read_bytes = most_early_bytes;

Http1Parser::Limits limits_of(uint32_t most_head_bytes) {
  Http1Parser::Limits limits;
  limits.head_bytes = most_head_bytes;
  return limits;
}

}  // namespace

Forward::Forward(Leg& upstream, std::string request, uint32_t most_head_bytes, Interim interim)
    : upstream_(upstream),
      request_(std::move(request)),
      parser_(Http1Parser::Role::response, limits_of(most_head_bytes)),
      interim_(interim) {}

Forward::Step Forward::run() {
  const bool takes = request_.send(upstream_) != Outgoing::Step::failed;
  const Step step = read();
  // A peer that takes no more may have answered: what it said was read first.
  return step == Step::wait && !takes ? Step::lost : step;
}

Forward::Step Forward::read() {
  for (int round = 0; upstream_.readable; ++round) {
    if (round == read_rounds) return Step::again;
    char bytes[read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = upstream_.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) return Step::lost;
    const Step step = take({bytes, io.bytes});
    if (step != Step::wait) return step;
  }
  return Step::wait;
}

// Interim answers may stand in one segment with what follows them.
Forward::Step Forward::take(std::string_view bytes) {
  begun_ = true;
  while (!bytes.empty()) {
    const Http1Parser::Fed fed = parser_.feed_head(bytes);
    if (fed.outcome == Http1Parser::Outcome::failed) return Step::malformed;
    bytes.remove_prefix(fed.consumed);
    if (fed.outcome == Http1Parser::Outcome::more) break;
    const int status = parser_.answer().status;
    if (status < 100 || status > 199 || status == 101) {
      behind_ = bytes;
      return Step::answered;
    }
    if (interim_ == Interim::keep) {
      interim_text_ += write_http1(build_interim_answer(parser_.answer()));
    }
    parser_.next_head();
  }
  return Step::wait;
}

const char* Forward::why() const {
  const char* failure = upstream_.failure();
  return *failure != '\0' ? failure : "upstream closed during the handshake";
}

}  // namespace sluice
