// SessionWorld: a worker's parts around one real Session, a client and an upstream at its ends, and
// a clock of its own. It does what core/process/worker.cc does, one turn at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/session/session.h"
#include "core/session/worker_context.h"
#include "tests/fuzz/session_peer.h"
#include "tests/fuzz/session_seam.h"

namespace sluice::fuzz {

// Two bytes of the input.
struct WorldChoices {
  bool shake_hands = false;  // before the script begins
  bool deflate = false;      // the client offers it
  bool validate_utf8 = false;
  bool limit_messages = false;  // to 1,000 bytes
  bool dead_peer_first = false;
  bool small_socket_buffers = false;
  bool overloaded = false;
  bool header_limits = false;  // max_header_size 512
  bool tell_losses = false;    // lost_close_code 1012
};

class SessionWorld final : public EventHandler {
 public:
  static constexpr uint64_t most_message_bytes = 1'000;

  explicit SessionWorld(const WorldChoices& choices);
  ~SessionWorld() override;

  void turn();
  void advance_ms(uint64_t ms);
  void check_stalls();
  // At a message's boundary with that reason.
  static constexpr std::string_view leave_reason = "told to go";
  void leave(Boundary boundary);
  // Turns, both peers reading, until nothing moves; then checks that nobody holds or owes anything.
  void settle();
  // Both peers go away; checks that everything is given back.
  void end();

  Peer client;
  Peer upstream;
  bool aborted(Side side) const {
    return leg_fds_[index_of(side)] >= 0 && seam_.aborted(leg_fds_[index_of(side)]);
  }
  bool clock_moved() const { return clock_moved_; }
  bool left() const { return left_; }
  // At the end of settle().
  bool relaying_when_settled() const { return relaying_when_settled_; }
  const RouteConfig& route() const { return config_->routes[0]; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  void meet_upstream();
  void check_log();

  SessionSeam seam_;
  WorldChoices choices_;
  ConfigRef config_;
  Reactor reactor_;
  UpstreamTable upstreams_;
  Pool<Session> sessions_;
  BufferPool buffers_;
  TransitPool transits_;
  Log log_;
  WorkerRow row_;
  FewLabelRows labels_;
  WorkerContext context_;
  Handle session_;
  int leg_fds_[2] = {-1, -1};
  int lowest_free_fd_;
  bool clock_moved_ = false;
  bool left_ = false;
  bool relaying_when_settled_ = false;
};

}  // namespace sluice::fuzz
