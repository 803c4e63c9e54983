// Visit: what the kernel sees of plain requests, and what must be true of them at any time.
#include "tests/sim/http_visit.h"

#include <algorithm>
#include <utility>

#include "tests/sim/guards.h"
#include "tests/sim/proxy_plan.h"
#include "tests/sim/tls_wire.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t slack_ns = 5 * ms;

}  // namespace

Visit::Visit(const VisitPlan& plan, const Config& config, const Climate& climate,
             Circumstances circumstances)
    : plan_(plan),
      config_(config),
      climate_(climate),
      circumstances_(std::move(circumstances)),
      sent_(plan, "the proxy's client"),
      times_asked_(plan.requests.size()),
      introduction_left_(circumstances_.introduction_bytes) {}

void Visit::attach_client(Visitor& visitor, ClientPeer& upgrading, Record& record) {
  visitor_ = &visitor;
  upgrading_ = &upgrading;
  record_ = &record;
  connection_ = &visitor.connection();
  connection_->observer = this;
  // Where the peer speaks TLS, nothing but what that says is told here.
  if (connection_->peer_in_tls) introduction_left_ = 0;
}

void Visit::note_asked(const Connection& connection, size_t number) {
  if (number >= plan_.requests.size()) fail("a request of nobody's reached an upstream");
  const bool late = number < sent_.answered() && connection.left_ns != 0;  // the proxy gave it up
  if (!late && (handed_over_ || sent_.over() || sent_.answered() != number)) {
    fail("request " + std::to_string(number) + " reached an upstream out of its turn");
  }
  if (++times_asked_[number] > 1 && !plan_.requests[number].repeatable()) {
    fail("a request reached two upstreams that may not be made twice");
  }
}

void Visit::answer(Doorman& doorman, size_t number, OnKept on_kept) {
  const PlainRequest& request = plan_.requests[number];
  Wire& wire = doorman.wire();
  TlsHabits habits;
  habits.notifies = request.answer.notifies;
  if (wire.tls() != nullptr) static_cast<TlsWire&>(wire).adopt(habits);
  Connection& connection = wire.connection();
  Leg leg{.connection = &connection, .request = number, .origin = nullptr};
  leg.asked_ns = connection.touched_ns;
  connection.observer = this;
  world().note("request %lld: upstream #%lld", static_cast<int64_t>(number), connection.number());
  leg.body_out = doorman.sent_bytes() - (doorman.received().find("\r\n\r\n") + 4);
  leg.origin = std::make_unique<Origin>(wire, request, doorman.received());
  leg.wire = &wire;
  leg.on_kept = std::move(on_kept);
  judge_forwarded(*leg.origin, number);
  judge_told(leg);
  legs_.push_back(std::move(leg));
}

// What a client says of others is believed where it is a balancer.
std::string Visit::client_of(size_t number) const {
  const std::string& hop = circumstances_.forwarded_for;
  const bool believed = listener().proxy_protocol && hop == balancer_host;
  return believed && plan_.requests[number].forwarded ? forwarded_host : hop;
}

void Visit::judge_forwarded(const Origin& origin, size_t number) const {
  const std::string& hop = circumstances_.forwarded_for;
  const std::string client = client_of(number);
  const std::string expected = client == hop ? hop : client + ", " + hop;
  const std::string_view found = origin.head().value("x-forwarded-for");
  if (found != expected) fail("X-Forwarded-For is " + std::string(found) + ", not " + expected);
}

// Whether the connection is to end with the answer.
void Visit::judge_told(Leg& leg) const {
  const PlainHead& head = leg.origin->head();
  leg.told_to_end = head.count("connection") > 0;
  if (leg.told_to_end && (head.count("connection") > 1 || head.value("connection") != "close")) {
    fail("an upstream got another Connection");
  }
  if (circumstances_.reloaded) return;
  const RouteConfig& route = route_of(leg.request);
  const bool may_stay = !plan_.requests[leg.request].old &&
                        route.send_proxy_protocol == SendProxyProtocol::off &&
                        config_.upstream(route.upstream).keepalive > 0;
  if (!leg.told_to_end && !may_stay) fail("a connection is not told to end");
  if (leg.told_to_end && may_stay && calm()) fail("a connection is told to end");
}

bool Visit::may_be_kept(const Leg& leg) const {
  const PlainRequest& request = plan_.requests[leg.request];
  return !leg.told_to_end && leg.body_out == request.body.size() && !request.answer.closes &&
         request.answer.framing != BodyFraming::until_close;
}

// The proxy may keep what has answered for whoever asks next.
void Visit::release(size_t at) {
  if (sent_.own_status() != 0 || legs_.empty()) return;
  Leg& leg = legs_.back();
  if (leg.request != at || !may_be_kept(leg)) return;
  leg.kept = true;
  leg.on_kept(*leg.wire, leg.origin->left_unread(), plan_.requests[at].answer.ends);
}

Visit::Leg* Visit::leg_at(const Connection& connection) {
  for (auto leg = legs_.rbegin(); leg != legs_.rend(); ++leg) {
    if (leg->connection == &connection) return &*leg;
  }
  return nullptr;
}

const Visit::Leg* Visit::leg_of(size_t request) const {
  for (auto leg = legs_.rbegin(); leg != legs_.rend(); ++leg) {
    if (leg->request == request) return &*leg;
  }
  return nullptr;
}

// --- system calls
// ---------------------------------------------------------------------------------

void Visit::on_recv(Connection& connection, std::string_view bytes) {
  moved_ns_ = world().now_ns();
  if (&connection != connection_) {
    Leg& leg = *leg_at(connection);
    const PlainRequest& request = plan_.requests[leg.request];
    const bool first = leg.in <= request.answer.interim_bytes;
    leg.in += bytes.size();
    if (first && leg.in > request.answer.interim_bytes) {
      leg.asked_in_time = leg.body_out == request.body.size();
    }
    return;
  }
  const auto introduction = std::min<size_t>(introduction_left_, bytes.size());
  introduction_left_ -= introduction;
  bytes.remove_prefix(introduction);
  received_ += bytes.size();
  body_moved_ns_ = moved_ns_;
  const uint64_t plain = plan_.bytes();
  if (received_ <= plain) return;
  early_ += bytes.substr(bytes.size() - std::min<uint64_t>(bytes.size(), received_ - plain));
  hand_over();
}

void Visit::on_input_end(Connection& connection, int error) {
  if (&connection == connection_) {
    input_ended_ = true;
    client_gone_ = client_gone_ || error != 0;
    return;
  }
  Leg& leg = *leg_at(connection);
  leg.ended = error == 0;
  if (leg.ended && connection.in_tls && !leg.origin->tls()->sent_notify()) {
    fail("TLS without close_notify is taken for an orderly end");
  }
}

void Visit::on_send(Connection& connection, std::string_view bytes) {
  moved_ns_ = world().now_ns();
  if (&connection == connection_) return on_client_sent(bytes);
  Leg& leg = *leg_at(connection);
  leg.asked_ns = world().now_ns();
  leg.body_out += bytes.size();
}

void Visit::on_client_sent(std::string_view bytes) {
  const size_t heads = sent_.heads();
  const size_t at = sent_.answered();
  const std::string_view behind = sent_.feed(bytes);
  if (!behind.empty()) fail("bytes to the client behind its last answer");
  if (sent_.heads() != heads) {
    judge_keeping(at);
    judge_own_time(at);
  }
  if (sent_.answered() == at) return;
  answered_ns_ = world().now_ns();
  release(at);
  hand_over();
}

void Visit::on_send_error(Connection& connection, int) {
  if (&connection == connection_) client_gone_ = true;
}

void Visit::on_farewell(Connection& connection, Farewell farewell) {
  if (&connection != connection_) return;
  farewell_ = farewell;
  farewell_ns_ = world().now_ns();
  if (!waiting() || input_ended_ || farewell == Farewell::dead || !calm()) return;
  if (farewell_ns_ + slack_ns < answered_ns_ + listener().keepalive_timeout_ms * ms) {
    fail("a kept connection is ended before its time");
  }
}

// The rest is an upgrade's, as soon as something of that is there.
void Visit::hand_over() {
  const bool kept = sent_.all_answered() && !sent_.closes();
  if (!kept || early_.empty() || handed_over_) return;
  handed_over_ = true;
  world().note("visit of #%lld: its session begins", connection_->number());
  record_->take_over(*upgrading_, plan_.bytes());
  record_->on_recv(*connection_, early_);
}

// --- while it goes on
// -----------------------------------------------------------------------------

bool Visit::live() const {
  if (!accepted() || handed_over_) return false;
  return connection_->fd >= 0 || std::any_of(legs_.begin(), legs_.end(), [](const Leg& leg) {
           return leg.connection->fd >= 0 && !leg.kept;
         });
}

bool Visit::waiting() const {
  if (handed_over_ || sent_.answered() == 0 || sent_.begun() || sent_.closes()) return false;
  return received_ <= plan_.bytes_until_end(sent_.answered() - 1);
}

// Nothing but its own plan explains what becomes of it.
bool Visit::calm() const {
  return circumstances_.strict && !circumstances_.reloaded && !disturbed_ && !climate_.scarce &&
         !climate_.overload && !climate_.storm && !climate_.crowded && climate_.drain_ns == 0 &&
         climate_.leaving_ns == 0;
}

// A connection is kept where nothing is against it, and nowhere else.
void Visit::judge_keeping(size_t at) const {
  if (sent_.own_status() != 0) return;
  const Leg* const leg = leg_of(at);
  if (leg == nullptr) fail("an answer of nobody's");
  const PlainRequest& request = plan_.requests[at];
  const uint32_t most = listener().keepalive_requests;
  const bool more = most == 0 || at + 1 < most;
  const bool may = request.keeps && more && listener().keepalive_timeout_ms > 0 &&
                   request.answer.framing != BodyFraming::until_close &&
                   leg->body_out == request.body.size();
  if (!sent_.closes() && !may) fail("a connection is kept that must end");
  if (sent_.closes() && may && leg->asked_in_time && calm()) {
    fail("a connection is ended that may be kept");
  }
}

// Of timeouts that are not those of dialling.
void Visit::judge_own_time(size_t at) const {
  const Leg* const leg = leg_of(at);
  const bool timeout = sent_.own_status() == 504 || sent_.own_status() == 408;
  const RouteConfig& route = route_of(at);
  const bool alone = config_.upstream(route.upstream).peers.size() == 1;
  if (!timeout || leg == nullptr || (!alone && plan_.requests[at].repeatable())) return;
  const bool asked = leg->body_out == plan_.requests[at].body.size();
  // Until something of its body moves, the time runs from the connection on.
  uint64_t since_ns = leg->connection->handed_ns;
  if (leg->body_out > 0) since_ns = asked ? leg->asked_ns : std::max(leg->asked_ns, body_moved_ns_);
  const uint64_t least_ms = asked ? route.answer_timeout_ms : route.body_timeout_ms;
  if (world().now_ns() + slack_ns < since_ns + least_ms * ms) fail("a timeout before its time");
}

void Visit::check_turn() const {
  if (!live()) return;
  const uint64_t now_ns = world().now_ns();
  const bool takes = connection_->fd >= 0 && connection_->writable() && connection_->untaken == 0;
  if (sent_.over() && takes && connection_->left_ns == 0 && now_ns > answered_ns_ + slack_ns) {
    fail("a connection goes on that was to end");
  }
  if (waiting()) {
    for (const Leg& leg : legs_) {
      if (leg.connection->fd >= 0 && !leg.kept) {
        fail("an upstream's connection outlives its answer");
      }
    }
    if (now_ns > answered_ns_ + listener().keepalive_timeout_ms * ms + slack_ns) {
      fail("a kept connection outlives keepalive_timeout");
    }
  }
  const Leg* const leg = sent_.all_answered() ? nullptr : leg_of(sent_.answered());
  if (leg != nullptr && leg->connection->fd >= 0) check_exchange(*leg);
  uint64_t most_ms = listener().client_header_timeout_ms + listener().keepalive_timeout_ms +
                     2 * listener().lingering_timeout_ms;
  for (const RouteConfig& route : config_.routes) {
    most_ms += 3 * (route.connect_timeout_ms + route.handshake_timeout_ms) +
               route.answer_timeout_ms + route.body_timeout_ms + guard_ms(route);
  }
  if (now_ns > std::max(moved_ns_, connection_->handed_ns) + most_ms * ms) fail("it does not end");
}

// Something moves, or it ends.
void Visit::check_exchange(const Leg& leg) const {
  const RouteConfig& route = route_of(leg.request);
  const PlainRequest& request = plan_.requests[leg.request];
  const uint64_t now_ns = world().now_ns();
  const bool asked = leg.body_out == request.body.size();
  const bool head_came = leg.in >= request.answer.text.size() - request.answer.body.size();
  if (asked && !head_came && now_ns > leg.asked_ns + route.answer_timeout_ms * ms + slack_ns) {
    fail("it outlives answer_timeout");
  }
  const uint64_t moved_ns = std::max(moved_ns_, leg.asked_ns);
  if ((!asked || head_came) && now_ns > moved_ns + route.body_timeout_ms * ms + slack_ns) {
    fail("it outlives body_timeout");
  }
}

void Visit::check_quiet() const {
  if (!live() || connection_->fd < 0 || climate_.scarce || climate_.crowded) return;
  if (sent_.over() || sent_.all_answered()) return;
  const size_t at = sent_.answered();
  const Leg* const leg = leg_of(at);
  const uint64_t head_end = begin_of(at) + plan_.requests[at].head.size();
  // A balancer's header is left where it is until it is whole.
  const bool introduced =
      circumstances_.introduction_bytes == 0 || connection_->read_by_proxy() > 0;
  // While its TLS has something to send, nothing is read.
  const bool held = connection_->in_tls && connection_->untaken > 0;
  // What HTTP/2 may begin with as well is looked at until it is more.
  const bool looked_at = listener().http2 != Http2Use::off && received_ == 0 &&
                         plan_.requests[0].head.starts_with('P');
  const bool unread =
      connection_->unread_by_proxy() && !input_ended_ && introduced && !held && !looked_at;
  if (unread && received_ < head_end && !sent_.begun()) fail("a request's head is forgotten");
  if (leg == nullptr || leg->connection->fd < 0) return;
  const bool in_body = received_ < plan_.bytes_until_end(at) && !sent_.in_body();
  if (unread && in_body && leg->connection->writable()) fail("a request's body is forgotten");
  const bool takes = connection_->writable() && connection_->untaken == 0;
  if (takes && !leg->ended && leg->connection->unread_by_proxy()) fail("an answer is forgotten");
}

void Visit::fail(const std::string& what) const {
  world().fail(
      "visit of #" + (connection_ != nullptr ? std::to_string(connection_->number()) : "-") +
      ", request " + plan_.requests[std::min(sent_.answered(), plan_.requests.size() - 1)].id +
      ": " + what);
}

}  // namespace sluice::sim
