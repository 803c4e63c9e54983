// Session: what follows an answer, the wait for another request or lingering. It holds no Exchange
// then, so that a client that keeps its connection costs little more than one that is silent.
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "core/session/exchange.h"
#include "core/session/session.h"

namespace sluice {

// What came behind the request begins the next one, once others had their turn.
void Session::begin_waiting() {
  close_leg(Side::upstream, End::orderly);
  std::string behind = exchange_->take_behind();
  auto kept = std::make_unique<KeptConnection>(exchange_->take_connection());
  delete exchange_;
  kept_ = kept.release();
  state_ = State::waiting;
  ++context_.waiting_now;
  arm_timer(listener().keepalive_timeout_ms);
  if (behind.empty() && !leg(Side::client).readable) return;
  begin_next(std::move(behind));
  enqueue();
}

void Session::resume() {
  begin_next({});
  follow(exchange_->on_run());
}

// A request is an exchange with an id and a time of its own.
void Session::begin_next(std::string early) {
  client_ = kept_->address;
  id_ = context_.next_session++;
  opened_ms_ = now_ms();
  Exchange* const next = new Exchange(lent(), std::move(*kept_), std::move(early));
  delete kept_;
  exchange_ = next;
  state_ = State::exchanging;
  --context_.waiting_now;
}

bool Session::awaits_request() const {
  return state_ == State::waiting || (state_ == State::exchanging && exchange_->awaits_next());
}

void Session::end_waiting() {
  --context_.waiting_now;
  delete kept_;
  subprotocol_ = nullptr;
}

// A refusal was sent. Closing at once would send RST over it, where the client still sends.
void Session::begin_lingering() {
  close_leg(Side::upstream, End::orderly);
  std::deque<Handle>& queue = context_.lingering;
  while (!queue.empty() && context_.sessions.get(queue.front()) == nullptr) queue.pop_front();
  queue.push_back(self());
  ++context_.lingering_now;
  state_ = State::lingering;
  end_exchange();
  for (const Side side : {Side::client, Side::upstream}) {
    from(side).drop(context_.transits, traffic(side));
  }
  arm_timer(listener().lingering_timeout_ms);
  advance_lingering();
}

void Session::advance_lingering() {
  leg(Side::client).shutdown_write();  // again, where TLS found no room for its last word
  const FrameRules rules;
  const PumpEnd end = from(Side::client).pump(path(Side::client, rules, traffic(Side::client)));
  if (end == PumpEnd::waiting) return;
  if (end == PumpEnd::more) return enqueue();
  close({});
}

}  // namespace sluice
