// Record: what the kernel sees of a session, and the checks that need no end.
#include "tests/sim/record.h"

#include <algorithm>

#include "tests/sim/guards.h"
#include "tests/sim/kernel.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

// Per connection and turn: a direction is pumped for each leg's event, once as put off and once
// more for what was acted on, each time one ring; a handshake's head may come in many small reads.
constexpr uint32_t most_calls = 60;
constexpr uint64_t most_rings = 6;
constexpr uint64_t discard_bytes = 64 * 1024;
// A relayed refusal moves sixteen times 16 KiB, for each leg's event and once as put off.
constexpr uint64_t refusal_bytes = 3 * 16 * 17 * 1024;
// With buffer_memory short, who took nothing for that long may be ended.
constexpr uint32_t least_stall_to_end_ms = 1'000;
// The worker looks at stalled sessions four times a second.
constexpr uint64_t stall_look_ns = 250 * ms;
constexpr uint64_t slack_ns = 4 * ms;
// However much moves; each wait may end a little late.
constexpr uint64_t most_close_waits = 12;
// How long a client may take to read an answer, and to go once it has it.
constexpr uint64_t answer_ms = 5'000;
constexpr uint64_t linger_ms = 5'000;

}  // namespace

Record::Record(const SessionPlan& plan, const Config& config, const Climate& climate)
    : plan_(plan), config_(config), route_(config.routes[plan.route]), climate_(climate) {
  lanes_[0].judge.rules = plan.rules_from_client(route_);
  lanes_[1].judge.rules = plan.rules_from_upstream(route_);
  lanes_[0].masked = true;
  for (const int side : {0, 1}) {
    if (!pings(side)) continue;
    lanes_[side].judge.own_pings = lanes_[1 - side].own_pings = &own_pings_[side];
  }
  legs_[0].frames_in = plan.client.opening_bytes();
  legs_[1].frames_in = plan.upstream.opening_bytes();
}

void Record::attach_client(ClientPeer& peer) {
  client_ = &peer;
  legs_[0].connection = &peer.connection();
  // Where the peer speaks TLS, nothing but what that says is told here.
  if (!peer.connection().peer_in_tls) {
    legs_[0].introduction_left = peer.connection().introduction_bytes;
  }
  peer.connection().observer = this;
}

void Record::take_over(ClientPeer& peer, uint64_t plain_bytes) {
  attach_client(peer);
  legs_[0].introduction_left = 0;
  plain_bytes_ = plain_bytes;
  taken_over_ns_ = world().now_ns();
}

void Record::attach_stream(ClientPeer& peer, const Http2StreamWire& stream, bool doomed) {
  attach_client(peer);
  legs_[0].frames_in = 0;  // its head is told elsewhere
  stream_ = &stream;
  doomed_ = doomed;
}

void Record::attach_upstream(UpstreamPeer& peer) {
  if (legs_[1].connection != nullptr) fail("a second upstream connection got the request");
  upstream_ = &peer;
  legs_[1].connection = &peer.connection();
  legs_[1].head_out = peer.received().substr(0, peer.frames_begin());
  legs_[1].frames_out = true;
  peer.connection().observer = this;
}

// --- system calls
// ---------------------------------------------------------------------------------

void Record::on_recv(Connection& connection, std::string_view bytes) {
  const int side = side_of(connection);
  Leg& leg = legs_[side];
  leg.moved_ns = world().now_ns();
  const auto introduction = std::min<size_t>(leg.introduction_left, bytes.size());
  leg.introduction_left -= introduction;
  bytes.remove_prefix(introduction);
  const uint64_t before = leg.raw_in;
  leg.raw_in += bytes.size();
  if (before < leg.frames_in) {
    leg.head_in += bytes.substr(0, static_cast<size_t>(leg.frames_in - before));
  }
  if (leg.raw_in <= leg.frames_in) return;
  const uint64_t skipped = leg.frames_in - std::min(before, leg.frames_in);
  lanes_[side].received(bytes.substr(static_cast<size_t>(skipped)));
  if (relaying_) look(side);
}

void Record::look(int side) {
  FrameJudge& judge = lanes_[side].judge;
  if (judge.verdict() != FrameJudge::Verdict::good) return;
  const uint64_t before = judge.accepted();
  lanes_[side].look(wake_ms_);
  if (judge.accepted() != before) relayed_ms_ = wake_ms_;
  if (judge.verdict() == FrameJudge::Verdict::closed) note_incident(Incident::Kind::closed, side);
  if (judge.verdict() == FrameJudge::Verdict::bad) {
    note_incident(Incident::Kind::bad, side, judge.code());
  }
}

void Record::on_input_end(Connection& connection, int error) {
  const int side = side_of(connection);
  if (error == 0 && connection.in_tls && !tls(side)->sent_notify()) {
    fail("TLS without close_notify is taken for an orderly end");
  }
  legs_[side].input_ended = true;
  if (relaying_) note_incident(error == 0 ? Incident::Kind::ended : Incident::Kind::lost, side);
}

void Record::on_send(Connection& connection, std::string_view bytes) {
  const int side = side_of(connection);
  Leg& leg = legs_[side];
  leg.moved_ns = leg.sent_ns = world().now_ns();
  if (leg.first_sent_ns == 0) leg.first_sent_ns = leg.sent_ns;
  if (!leg.frames_out) {
    leg.head_out += bytes;
    const size_t end = leg.head_out.find("\r\n\r\n");
    if (end == std::string::npos || !leg.head_out.starts_with("HTTP/1.1 101")) return;
    const std::string behind = leg.head_out.substr(end + 4);
    leg.head_out.resize(end + 4);
    leg.frames_out = true;
    begin_relaying();
    if (!behind.empty()) lanes_[1 - side].sent(behind, world().count_act());
    return;
  }
  Lane& lane = lanes_[1 - side];
  const bool had_own_close = lane.own_close();
  const uint64_t pings_before = own_pings_[side].count;
  const size_t out_before = lane.out().size();
  lane.sent(bytes, world().count_act());
  if (!lane.own_close() && lane.out().size() != out_before) relayed_ms_ = wake_ms_;
  note_pings(side, pings_before);
  check_rates(1 - side);
  if (lane.own_close() && !had_own_close) {
    world().note("Close of the proxy's own to side %lld, #%lld", side, connection.number());
  }
  if (lane.own_close_whole()) {
    recognize(side);
    if (!limited()) check_own_code(side);
  }
}

// The 101 is out: what came early is judged now.
void Record::begin_relaying() {
  if (upstream_ == nullptr) fail("a 101 without an upstream");
  relaying_ = true;
  relaying_ns_ = world().now_ns();
  activity_ms_ = relayed_ms_ = wake_ms_;
  look(0);
  look(1);
}

void Record::on_send_error(Connection& connection, int) {
  const int side = side_of(connection);
  legs_[side].unwritable = true;
  if (relaying_) note_incident(Incident::Kind::unwritable, side);
}

void Record::on_farewell(Connection& connection, Farewell farewell) {
  const int side = side_of(connection);
  Leg& leg = legs_[side];
  leg.farewell = farewell;
  leg.farewell_ns = world().now_ns();
  if (!relaying_ || farewell != Farewell::abort) return;
  const uint64_t patience_ms = climate_.crowded
                                   ? std::min(least_stall_to_end_ms, route_.send_timeout_ms)
                                   : route_.send_timeout_ms;
  const uint64_t moved = std::max(leg.sent_ns, connection.delivered_ns);
  const bool stalled =
      lanes_[1 - side].undelivered() > 0 && world().now_ns() + slack_ns >= moved + patience_ms * ms;
  if (stalled || aborts_rightly(side)) {
    note_incident(Incident::Kind::lost, side);
  } else if (incidents_.empty() && pings(side) && climate_.leaving_ns == 0 && !climate_.scarce &&
             !climate_.crowded && !limited() && climate_.drain_ns == 0 && !commanded() &&
             !may_be_old()) {
    fail("a peer is given up too soon");
  }
}

void Record::on_event(Connection& connection, Readiness ready) {
  if (!relaying_ || connection.fd < 0) return;
  if (ready.readable) legs_[side_of(connection)].heard_ns = world().now_ns();
  event_turn_ = world().turn;
}

void Record::note_incident(Incident::Kind kind, int side, uint16_t code) {
  for (const Incident& known : incidents_) {
    if (known.kind == kind && known.side == side) return;
  }
  const Lane& lane = lanes_[side];
  const bool inside =
      lane.judge.in_frame() && !lane.own_close() && lane.out().size() > lane.judge.frame_begin();
  world().note("session %lld: incident %lld at side %lld", plan_.number, static_cast<int>(kind),
               side);
  incidents_.push_back(Incident{kind, side, code, world().count_act(), world().now_ns(), inside});
}

void Record::on_leaving() {
  if (relaying_ && live()) note_incident(Incident::Kind::leaving, 0);
}

void Record::on_command(uint16_t code, const std::string& reason) {
  command_ = {world().now_ns(), code, reason};
}

bool Record::may_ask_again() const {
  const NextPeerOn& on = route_.next_peer_on;
  const bool refused = plan_.answer == Answer::refusal && on.has(plan_.refusal_status);
  return legs_[1].raw_in == 0 || refused || (on.invalid_answer && !relaying_);
}

// --- while it goes on
// -----------------------------------------------------------------------------

bool Record::live() const {
  const Connection* upstream = legs_[1].connection;
  return accepted() && (legs_[0].connection->fd >= 0 || (upstream != nullptr && upstream->fd >= 0));
}

bool Record::over() const {
  return accepted() && !live();
}

void Record::on_wake() {
  wake_ms_ = world().now_ms();
  if (event_turn_ == world().turn) activity_ms_ = wake_ms_;
  if (!relaying_ || !incidents_.empty() || !live()) return;
  if (over_rate_[0] != '\0') fail(over_rate_);
  if (limited()) check_held();
  if (event_turn_ == world().turn || paced()) return;  // of pings: recognize()
  if (world().now_ms() - activity_ms_ >= route_.idle_timeout_ms) {
    note_incident(Incident::Kind::idle, 0);
  }
}

void Record::check_turn() {
  for (const int side : {0, 1}) {
    const Connection* connection = legs_[side].connection;
    if (connection == nullptr) continue;
    check_budget(*connection);
    if (!relaying_ || connection->fd < 0) continue;
    Leg& leg = legs_[side];
    const bool waits = lanes_[1 - side].undelivered() > 0;
    if (!waits || leg.queued_ns == 0) leg.queued_ns = waits ? world().now_ns() : 0;
    check_stall(side);
    check_pings(side);
  }
  if (relaying_) check_leaving();
  if (relaying_) check_token();
  if (relaying_ && !incidents_.empty()) check_closing();
  if (!relaying_ && live()) check_opening();
}

void Record::check_budget(const Connection& connection) const {
  if (connection.counted_turn != world().turn) return;
  // What is only dropped goes through a larger buffer; what is sent never does.
  const uint64_t relayed = most_rings * std::max(climate_.ring_bytes, climate_.pipe_bytes);
  const uint64_t dropped = std::max(relayed, most_rings * discard_bytes);
  uint64_t most_received = closing() ? dropped : relayed;
  uint64_t most_sent = relayed;
  if (!relaying_) most_received = most_sent = std::max(dropped, refusal_bytes);
  if (connection.recvs_in_turn > most_calls || connection.sends_in_turn > most_calls ||
      connection.received_in_turn > most_received || connection.sent_in_turn > most_sent) {
    fail("over its budget in one turn: " + std::to_string(connection.recvs_in_turn) + " recv, " +
         std::to_string(connection.received_in_turn) + " bytes, " +
         std::to_string(connection.sends_in_turn) + " send, " +
         std::to_string(connection.sent_in_turn) + " bytes");
  }
}

// Before it relays a session is bounded by its deadlines, and by send_timeout where a refusal
// moves.
void Record::check_opening() const {
  uint64_t least = 0;
  for (const Leg& leg : legs_) {
    if (leg.connection != nullptr) {
      least = std::max({least, begun_ns(), leg.connection->handed_ns, leg.moved_ns});
    }
  }
  const uint64_t most_ms = config_.listeners[0].client_header_timeout_ms +
                           3 * (route_.connect_timeout_ms + route_.handshake_timeout_ms) +
                           route_.send_timeout_ms + answer_ms + linger_ms + guard_ms(route_);
  if (world().now_ns() > least + most_ms * ms + slack_ns) fail("its handshake does not end");
}

void Record::check_stall(int side) const {
  const Lane& lane = lanes_[1 - side];
  if (lane.undelivered() == 0 || !incidents_.empty()) return;
  // One look tells that something was delivered since the one before, a later one that the time is
  // over.
  const uint64_t since = std::max({legs_[side].sent_ns, legs_[side].connection->delivered_ns,
                                   legs_[1 - side].moved_ns, relaying_ns_});
  if (world().now_ns() > since + route_.send_timeout_ms * ms + 2 * stall_look_ns + slack_ns) {
    fail("bytes wait longer than send_timeout");
  }
}

// A peer that behaves has its answer to a Close awaited as long as something moves, up to a bound,
// and one that has ended its sending half alone gets what moves toward it.
void Record::check_closing() const {
  const Incident& first = incidents_.front();
  if (!live() || first.kind == Incident::Kind::unwritable || limited()) return;
  uint64_t deadline = first.when_ns + route_.close_timeout_ms * ms;
  if (first.kind == Incident::Kind::closed || first.kind == Incident::Kind::ended) {
    const uint64_t moved = std::max({first.when_ns, legs_[0].moved_ns, legs_[1].moved_ns});
    deadline = moved + 2 * route_.close_timeout_ms * ms;
  }
  if (first.kind == Incident::Kind::closed) {
    const uint64_t at_most = first.when_ns + most_close_waits * (route_.close_timeout_ms + 1) * ms;
    deadline = std::min(deadline, at_most);
  }
  if (const Incident* leave = told()) {
    const uint64_t begun = std::max({leave->when_ns, legs_[0].moved_ns, legs_[1].moved_ns});
    const uint64_t patience = route_.close_timeout_ms * ms;
    deadline = std::max(deadline, std::min(begun + 3 * patience, leave->when_ns + 27 * patience));
  }
  if (world().now_ns() > deadline + slack_ns) fail("outlives its close_timeout");
}

void Record::check_quiet() {
  check_untaken(0);
  check_untaken(1);
  if (!relaying_) return;
  check_unread(0);
  check_unread(1);
  check_hidden(0);
  check_hidden(1);
  if (!incidents_.empty() || !live()) return;
  for (const int side : {0, 1}) {
    const Connection& target = *legs_[side].connection;
    if (limited(1 - side)) continue;
    if (lanes_[1 - side].undelivered() > 0 && target.fd >= 0 && target.writable()) {
      fail("bytes wait though side " + std::to_string(side) + " takes them");
    }
  }
  if (!paced() && world().now_ms() > activity_ms_ + route_.idle_timeout_ms + 5) {
    fail("outlives its idle_timeout");
  }
}

// Unread input is right only while the other side takes nothing.
void Record::check_unread(int side) const {
  const Connection& source = *legs_[side].connection;
  if (source.fd < 0 || legs_[side].input_ended || !source.unread_by_proxy()) return;
  const Connection& target = *legs_[1 - side].connection;
  if (target.fd >= 0 && !target.writable()) return;
  if (limited(side)) return;
  fail("input of side " + std::to_string(side) + " is forgotten");
}

void Record::fail(const std::string& what) const {
  std::string numbers;
  for (const Leg& leg : legs_) {
    numbers += leg.connection != nullptr ? " #" + std::to_string(leg.connection->number()) : " -";
  }
  world().fail("session " + std::to_string(plan_.number) + " (" + numbers.substr(1) + ", route " +
               route_.path + "): " + what);
}

}  // namespace sluice::sim
