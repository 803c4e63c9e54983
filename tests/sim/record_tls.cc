// Record, what TLS adds: both ends must have the same plaintext, an end must be what it was said to
// be, and nothing may lie forgotten inside of TLS.
#include <algorithm>

#include "tests/sim/record.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

// Where a peer has asked for thousands of key updates and takes nothing, TlsTransport ends it.
constexpr size_t most_untaken_bytes = 160 * 1024;

}  // namespace

const Peer* Record::peer(int side) const {
  if (side == 0) return client_;
  return upstream_;
}

const TlsWire* Record::tls(int side) const {
  return peer(side) != nullptr ? peer(side)->wire().tls() : nullptr;
}

// What was encrypted has to leave as soon as it can, and there must be an end to it.
void Record::check_untaken(int side) const {
  if (tls(side) == nullptr) return;
  const Connection& connection = *legs_[side].connection;
  if (connection.untaken > most_untaken_bytes) fail("too much lies encrypted");
  // One that was reset counts as writable and takes nothing; the session hears of it when it reads.
  const bool takes = connection.state() != Connection::State::dead && connection.writable();
  if (connection.fd >= 0 && connection.untaken > 0 && takes) {
    fail("encrypted bytes wait though side " + std::to_string(side) + " takes them");
  }
}

// Records that are whole in the proxy's hands are as good as unread input.
void Record::check_hidden(int side) const {
  const Connection& source = *legs_[side].connection;
  if (tls(side) == nullptr || source.fd < 0 || legs_[side].input_ended) return;
  if (limited(side)) return;
  if (tls(side)->troubled()) return;  // a record's length may be another now
  const Connection& target = *legs_[1 - side].connection;
  if (target.fd >= 0 && !target.writable()) return;
  const uint64_t before = side == 0 ? plain_bytes_ : 0;
  if (tls(side)->plaintext_within(source.read_by_proxy()) > before + legs_[side].raw_in) {
    fail("input of side " + std::to_string(side) + " is forgotten inside TLS");
  }
}

// Adds what a client may be told for its own TLS; whether it has any trouble.
bool Record::expect_tls_trouble(std::vector<int>& expected) const {
  const PeerPlan& client = plan_.client;
  if (!client.tls) return false;
  if (plan_.speaks_plain_http) {
    expected = {400};
    return false;
  }
  if (tls(0)->flooded()) {
    expected.push_back(0);
    return true;
  }
  if (tls(0)->broken() && !tls(0)->troubled()) {  // for want of a certificate
    expected = {0};
    return true;
  }
  if (!tls(0)->troubled()) return false;
  using Kind = TlsTrouble::Kind;
  constexpr uint64_t inside_first_message = 100;
  const TlsTrouble trouble = client.trouble();
  const bool exact = trouble.in_handshake && trouble.kind != Kind::damage;
  if (exact && trouble.at < inside_first_message) {
    expected = {0};
    if (trouble.kind == Kind::stall && !climate_.scarce && !climate_.overload) {
      const uint64_t due =
          legs_[0].connection->handed_ns + config_.listeners[0].client_header_timeout_ms * ms;
      if (legs_[0].connection->left_ns > due + 3 * ms)
        fail("outlives its TLS handshake's deadline");
    }
  } else {
    expected.insert(expected.end(), {0, 408});
  }
  return true;
}

void Record::judge_tls(int side) const {
  const TlsWire* wire = tls(side);
  if (wire == nullptr) return;
  const Leg& leg = legs_[side];
  const std::string name = side == 0 ? "the client" : "the upstream";
  const std::string in = leg.head_in + lanes_[side].raw_in();
  const size_t before = side == 0 ? plain_bytes_ : 0;
  if (wire->written().compare(before, in.size(), in) != 0)
    fail(name + "'s plaintext changed on its way in");
  const std::string out = leg.head_out + lanes_[1 - side].raw_out();
  const std::string& got = peer(side)->received();
  if (std::string_view(out).substr(0, got.size()) != std::string_view(got).substr(0, out.size())) {
    fail(name + " got other plaintext than was sent");
  }
  if (got.size() > out.size() + leg.connection->committed) {
    fail(name + " got plaintext that was never sent");
  }
  if (wire->notified() && relaying_ && lanes_[1 - side].cut_inside_frame()) {
    fail(name + " was told an orderly end inside a frame");
  }
  if (wire->notified() && got.size() < out.size()) {
    fail(name + " was told an orderly end before everything that was sent");
  }
  // Whoever behaves and was not aborted is told the end in order.
  const bool orderly = leg.farewell == Farewell::fin && relaying_ && strict_side(side) &&
                       peer_plan(side).cut == Cut::none;
  if (orderly && peer(side)->got_fin() && !wire->notified()) fail(name + " got no close_notify");
}

}  // namespace sluice::sim
