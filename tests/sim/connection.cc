// Connection: two pipes, each a queue at the sender, pieces in flight and a bounded buffer at the
// receiver.
#include "tests/sim/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/sim/world.h"

namespace sluice::sim {

Connection::Connection(const Link& link, uint32_t number, std::function<void(Connection&)> wake)
    : link_(link), number_(number), wake_(std::move(wake)) {}

// --- the proxy's side
// -----------------------------------------------------------------------------

ssize_t Connection::recv(char* buffer, size_t bytes) {
  // Things go on between the wait and this call.
  if (in_tls && world().random.chance(20)) {
    world().advance(world().now_ns() + world().random.below(100 * us));
  }
  if (state_ == State::connecting) return -EAGAIN;
  if (!rx_.empty()) {
    size_t taken = std::min(bytes, rx_.size());
    // An urgent mark shortens the read that reaches it.
    while (!marks_.empty() && marks_.front() <= received_) marks_.pop_front();
    if (!marks_.empty()) taken = std::min<size_t>(taken, marks_.front() - received_);
    std::memcpy(buffer, rx_.view().data(), taken);
    rx_.drop(taken);
    received_ += taken;
    count(true, taken);
    world().note("recv #%lld: %lld bytes of %lld asked for", number_, static_cast<int64_t>(taken),
                 static_cast<int64_t>(bytes));
    if (Observer* told = observer_of_bytes()) told->on_recv(*this, {buffer, taken});
    flow_in();
    return static_cast<ssize_t>(taken);
  }
  count(true, 0);
  return tell_end();
}

ssize_t Connection::peek(char* buffer, size_t bytes) {
  if (state_ == State::connecting) return -EAGAIN;
  if (rx_.empty()) return tell_end();
  size_t seen = std::min(bytes, rx_.size());
  for (const uint64_t mark : marks_) {  // those that are reached stay: a peek takes nothing
    if (mark > received_) seen = std::min<size_t>(seen, mark - received_);
  }
  std::memcpy(buffer, rx_.view().data(), seen);
  return static_cast<ssize_t>(seen);
}

// A mark that a recv() has stopped at is behind it; before, a splice gets no further.
bool Connection::at_mark() const {
  return std::find(marks_.begin(), marks_.end(), received_) != marks_.end();
}

ssize_t Connection::tell_end() {
  if (error_ != 0 || ended()) {
    const int error = std::exchange(error_, 0);
    end_read_ = true;
    touched_ns = world().now_ns();
    world().note("recv #%lld: end, error %lld", number_, error);
    if (Observer* told = observer_of_bytes()) told->on_input_end(*this, error);
    return -error;
  }
  return -EAGAIN;
}

ssize_t Connection::send(std::string_view bytes) {
  int error = 0;
  if (error_ != 0) {
    error = std::exchange(error_, 0);
  } else if (state_ == State::dead || fin_out_) {
    error = EPIPE;
  }
  if (error != 0) {
    count(false, 0);
    touched_ns = world().now_ns();
    world().note("send #%lld: error %lld", number_, error);
    if (Observer* told = observer_of_bytes()) told->on_send_error(*this, error);
    return -error;
  }
  const size_t room = std::min(link_.proxy_send_bytes - tx_used_,
                               most_unsent_ - std::min(most_unsent_, tx_.size()));
  const size_t taken = state_ == State::connecting ? 0 : std::min(room, bytes.size());
  if (taken < bytes.size()) no_space_ = true;
  untaken = bytes.size() - taken;
  count(false, taken);
  if (taken == 0) return -EAGAIN;
  tx_.append(bytes.substr(0, taken));
  tx_used_ += taken;
  world().note("send #%lld: %lld bytes of %lld", number_, static_cast<int64_t>(taken),
               static_cast<int64_t>(bytes.size()));
  if (Observer* told = observer_of_bytes()) told->on_send(*this, bytes.substr(0, taken));
  flow_out();
  return static_cast<ssize_t>(taken);
}

int Connection::shutdown_write() {
  if (state_ != State::open) return -ENOTCONN;
  world().note("shutdown #%lld", number_);
  if (left_ns == 0) left_ns = world().now_ns();
  fin_out_ = true;
  flow_out();
  return 0;
}

void Connection::close(bool abort) {
  const bool unread = !rx_.empty();
  if (left_ns == 0) left_ns = world().now_ns();
  if (state_ != State::open) {
    farewell_ = Farewell::dead;
  } else if (abort || unread) {
    farewell_ = abort ? Farewell::abort : Farewell::unread;
  } else {
    farewell_ = Farewell::fin;
  }
  world().note("close #%lld: farewell %lld, unread %lld", number_, static_cast<int>(farewell_),
               static_cast<int64_t>(rx_.size()));
  if (observer != nullptr) observer->on_farewell(*this, farewell_);
  fd = -1;
  if (farewell_ == Farewell::abort || farewell_ == Farewell::unread) {
    tx_.clear();
    reset_peer();
    state_ = State::dead;
  } else if (farewell_ == Farewell::fin) {
    fin_out_ = true;
    flow_out();
  } else {
    state_ = State::dead;
  }
}

int Connection::take_error() {
  return std::exchange(error_, 0);
}

// A socket that is two thirds full is not writable (sk_stream_is_writeable), though it takes bytes.
bool Connection::writable() const {
  if (fin_out_ || state_ == State::dead) return true;
  return tx_used_ * 3 <= link_.proxy_send_bytes * 2 && tx_.size() <= most_unsent_ / 2;
}

Readiness Connection::poll() {
  Readiness ready;
  if (state_ == State::connecting) return ready;
  ready.hung_up = state_ == State::dead || (fin_in_ && fin_out_);
  ready.failed = error_ != 0;
  ready.ended = ended();
  ready.readable = !rx_.empty() || ready.ended || ready.hung_up || ready.failed;
  // A mark can come between the wait and a recv only where time passes in there.
  while (in_tls && !marks_.empty() && marks_.front() <= received_) marks_.pop_front();
  ready.urgent = !marks_.empty() && marks_.front() > received_ && marks_.front() <= arrived_;
  const bool room = writable();
  if (!room) no_space_ = true;
  ready.writable = room || ready.hung_up || ready.failed;
  return ready;
}

// --- the peer's side
// ------------------------------------------------------------------------------

void Connection::write(std::string_view bytes) {
  if (peer_closed_ || peer_fin_) return;
  written_ += bytes.size();
  outbox_.append(bytes);
  flow_in();
}

void Connection::mark_urgent() {
  if (!peer_closed_ && !peer_fin_) marks_.push_back(written_);
}

void Connection::finish() {
  if (peer_fin_) return;
  world().note("peer #%lld: FIN", number_);
  peer_fin_ = true;
  flow_in();
}

void Connection::reset() {
  if (peer_closed_) return;
  world().note("peer #%lld: RST", number_);
  peer_closed_ = true;
  outbox_.clear();
  inbox_.clear();
  reset_proxy();
}

void Connection::close_both() {
  if (peer_closed_) return;
  if (!inbox_.empty()) return reset();
  finish();
  world().note("peer #%lld: closed", number_);
  peer_closed_ = true;
}

std::string Connection::read(size_t bytes) {
  std::string taken = inbox_.take(bytes);
  if (!taken.empty()) {
    flow_out();
    tell_room();
  }
  return taken;
}

void Connection::establish() {
  if (state_ != State::connecting) return;
  state_ = State::open;
  wake_(*this);
  flow_in();
}

void Connection::refuse(int error) {
  if (state_ != State::connecting) return;
  state_ = State::dead;
  error_ = error;
  wake_(*this);
}

// --- the network
// ----------------------------------------------------------------------------------

// Pieces of one direction never overtake each other.
uint64_t Connection::arrival(uint64_t& latest) {
  const uint64_t jitter = link_.jitter_ns == 0 ? 0 : world().random.below(link_.jitter_ns + 1);
  latest = std::max(latest, world().now_ns() + link_.latency_ns + jitter);
  return latest;
}

size_t Connection::piece(size_t most) {
  most = std::min(most, link_.segment_bytes);
  if (most > 1 && world().random.chance(30)) return world().random.between(1, most);
  return most;
}

void Connection::flow_in() {
  if (state_ != State::open) return;
  while (!outbox_.empty() && in_flight_in_ + rx_.size() < link_.proxy_receive_bytes) {
    const size_t window = link_.proxy_receive_bytes - in_flight_in_ - rx_.size();
    std::string bytes = outbox_.take(piece(std::min(window, outbox_.size())));
    in_flight_in_ += bytes.size();
    world().at(arrival(latest_in_ns_),
               [this, bytes = std::move(bytes)]() mutable { arrive_in(std::move(bytes)); });
  }
  if (outbox_.empty() && peer_fin_ && !fin_departed_) {
    fin_departed_ = true;
    world().at(arrival(latest_in_ns_), [this] { arrive_fin(); });
  }
}

void Connection::arrive_in(std::string bytes) {
  in_flight_in_ -= bytes.size();
  if (state_ == State::dead) return;
  if (closed_by_proxy()) {
    // Nobody reads here any more: the sender is told so, and what it did not get is lost.
    tx_.clear();
    state_ = State::dead;
    return reset_peer();
  }
  arrived_ += bytes.size();
  rx_.append(bytes);
  world().note("arrived #%lld: %lld bytes, %lld unread", number_,
               static_cast<int64_t>(bytes.size()), static_cast<int64_t>(rx_.size()));
  wake_(*this);
  flow_in();
}

void Connection::arrive_fin() {
  if (state_ == State::dead) return;
  fin_in_ = true;
  world().note("arrived #%lld: FIN", number_);
  wake_(*this);
}

void Connection::arrive_reset(int error) {
  if (state_ == State::dead) return;
  world().note("arrived #%lld: RST", number_);
  state_ = State::dead;
  error_ = fin_in_ ? EPIPE : error;
  tx_.clear();
  if (link_.purges_on_reset) rx_.clear();
  if (fd >= 0) wake_(*this);
}

void Connection::flow_out() {
  if (state_ != State::open) return;
  while (!tx_.empty() && in_flight_out_ + inbox_.size() < link_.peer_receive_bytes) {
    const size_t window = link_.peer_receive_bytes - in_flight_out_ - inbox_.size();
    std::string bytes = tx_.take(piece(std::min(window, tx_.size())));
    in_flight_out_ += bytes.size();
    world().at(arrival(latest_out_ns_),
               [this, bytes = std::move(bytes)]() mutable { arrive_out(std::move(bytes)); });
  }
  if (tx_.empty() && fin_out_ && !fin_out_departed_) {
    fin_out_departed_ = true;
    world().at(arrival(latest_out_ns_), [this] { arrive_fin_at_peer(); });
  }
}

void Connection::arrive_out(std::string bytes) {
  in_flight_out_ -= bytes.size();
  if (peer_reset_told_) return;
  if (peer_closed_) return reset_proxy();
  tx_used_ -= bytes.size();
  delivered_ns = world().now_ns();
  inbox_.append(bytes);
  tell_room();
  if (peer != nullptr) peer->on_bytes();
  flow_out();
  tell_room();
}

void Connection::tell_room() {
  if (!no_space_ || !writable() || fd < 0 || state_ != State::open) return;
  no_space_ = false;
  wake_(*this);
}

void Connection::arrive_fin_at_peer() {
  if (peer_closed_ || peer_reset_told_) return;
  world().note("peer #%lld: got FIN", number_);
  if (peer != nullptr) peer->on_fin();
}

// The peer's kernel hears a RST, behind what is on its way; a peer may lose even that.
void Connection::reset_peer() {
  if (world().random.chance(50)) latest_out_ns_ = 0;
  world().at(arrival(latest_out_ns_), [this] {
    if (peer_reset_told_) return;
    peer_reset_told_ = true;
    if (peer_closed_) return;
    world().note("peer #%lld: got RST", number_);
    peer_closed_ = true;
    if (peer != nullptr) peer->on_reset();
  });
}

void Connection::reset_proxy() {
  world().at(arrival(latest_in_ns_), [this] { arrive_reset(ECONNRESET); });
}

void Connection::count(bool receiving, size_t bytes) {
  if (counted_turn != world().turn) {
    counted_turn = world().turn;
    recvs_in_turn = sends_in_turn = 0;
    received_in_turn = sent_in_turn = 0;
  }
  ++(receiving ? recvs_in_turn : sends_in_turn);
  (receiving ? received_in_turn : sent_in_turn) += bytes;
  world().count_act();
  if (bytes > 0) touched_ns = world().now_ns();
}

}  // namespace sluice::sim
