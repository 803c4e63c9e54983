// Visit, the judgement at its end: each answer is its upstream's and whole, or one of the proxy's
// own that the plan permits, or visibly cut off.
#include <algorithm>

#include "tests/sim/http_visit.h"
#include "tests/sim/world.h"

namespace sluice::sim {

// What its client may be told by the proxy itself.
std::vector<int> Visit::permitted(size_t at) const {
  const PlainRequest& request = plan_.requests[at];
  const PlainAnswer& answer = request.answer;
  std::vector<int> statuses = request.refusals;
  const auto add = [&statuses](std::initializer_list<int> more) {
    statuses.insert(statuses.end(), more);
  };
  if (circumstances_.guard_statuses[at] != 0) add({circumstances_.guard_statuses[at]});
  if (answer.refused) add({502});
  if (answer.cut != Cut::none) add({502, 504});
  if (answer.pauses) add({504});
  if (request.pauses) add({408, 504});
  if (answer.reads_bytes != UINT64_MAX) add({408, 504});
  if (plan_.cut != Cut::none) add({400, 408});
  if (!circumstances_.sure_routes[request.route]) add({502, 503, 504});
  const bool others = config_.upstream(route_of(at).upstream).peers.size() > 1;
  if (others && route_of(at).next_peer_on.has(answer.status)) add({502, 503, 504});
  if (!calm()) add({408, 502, 503, 504});
  return statuses;
}

// Whether it need not be answered to the end.
bool Visit::excused(size_t at) const {
  const PlainRequest& request = plan_.requests[at];
  return !request.answer.clean() || request.pauses || circumstances_.guard_statuses[at] != 0 ||
         (request.heads && request.passes != UINT64_MAX) ||
         !circumstances_.sure_routes[request.route];
}

// Where nothing but its end shows that a body is whole, it must have ended in order.
void Visit::judge_endless() const {
  const bool endless = sent_.in_body() && sent_.own_status() == 0 &&
                       plan_.requests[sent_.answered()].answer.framing == BodyFraming::until_close;
  if (!endless || client_gone_ || farewell_ == Farewell::dead) return;
  if (plan_.cut == Cut::fin || plan_.cut == Cut::reset) return;
  const bool orderly = farewell_ == Farewell::fin || connection_->left_ns < farewell_ns_;
  if (!orderly) return;
  const Leg& leg = *leg_of(sent_.answered());
  const PlainAnswer& answer = plan_.requests[leg.request].answer;
  const uint64_t came = leg.in - (answer.text.size() - answer.body.size());
  if (!leg.ended || came != sent_.body_bytes()) fail("a body that broke off looks whole");
}

void Visit::judge() const {
  if (!accepted()) return;
  judge_endless();
  if (sent_.own_status() != 0) {
    const size_t at = sent_.in_body() ? sent_.answered() : sent_.answered() - 1;
    const std::vector<int> statuses = permitted(at);
    if (std::find(statuses.begin(), statuses.end(), sent_.own_status()) == statuses.end()) {
      fail("the client is told " + std::to_string(sent_.own_status()));
    }
  }
  if (!calm() || !circumstances_.patient) return;
  const bool endless = sent_.in_body() && sent_.own_status() == 0 && sent_.closes() &&
                       plan_.requests[sent_.answered()].answer.framing == BodyFraming::until_close;
  if (endless && !excused(sent_.answered())) {
    const PlainAnswer& answer = plan_.requests[sent_.answered()].answer;
    if (answer.notifies && sent_.body_bytes() != answer.body.size()) fail("an answer is not whole");
  } else if (!sent_.over() && !sent_.all_answered() && !excused(sent_.answered())) {
    fail("a request is not answered");
  }
  if (farewell_ != Farewell::abort && visitor_->answers().bytes() != sent_.bytes()) {
    fail("the client got " + std::to_string(visitor_->answers().bytes()) + " bytes of " +
         std::to_string(sent_.bytes()));
  }
}

}  // namespace sluice::sim
