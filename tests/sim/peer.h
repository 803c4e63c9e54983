// Peer: the program at the other end of a connection. It writes what its plan says, reads at its
// plan's pace, and answers pings and Closes at frame boundaries of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "tests/sim/frame_judge.h"
#include "tests/sim/plan.h"
#include "tests/sim/wire.h"
#include "tests/sim/world.h"

namespace sluice::sim {

class Peer : public PeerEnd {
 public:
  // `masks` for clients. The plan outlives the peer.
  Peer(Wire& wire, const PeerPlan& plan, bool masks, uint64_t random_seed);

  void on_bytes() override;
  void on_fin() override;
  void on_reset() override;

  // Nothing more will happen from its side.
  bool done() const { return wire_.gone(); }
  void give_up();  // the run is over

  Connection& connection() { return wire_.connection(); }
  const Wire& wire() const { return wire_; }
  const std::string& received() const { return received_; }
  size_t frames_begin() const { return frames_begin_; }  // in received(), once speaking
  bool speaking() const { return speaking_; }
  bool got_fin() const { return got_fin_; }
  bool got_reset() const { return got_reset_; }

 protected:
  // The opening's bytes so far are in received(); calls begin_speaking() when it is whole.
  virtual void take_opening() = 0;
  void begin_opening();
  void begin_speaking(size_t frames_begin);
  void adopt(std::string received, size_t frames_begin);

 private:
  enum class Stage : uint8_t { waiting, opening, early, frames, ended };

  void read_some();
  void pace_reading();
  void doze();
  void step();
  void advance();
  bool write_next();
  void write(std::string_view bytes);
  void take_frames();
  void take_close();
  void answer_ping(std::string payload);
  void maybe_leave();
  bool has_more_to_say() const;
  void do_cut();
  void schedule_step(uint64_t delay_ns);

  Wire& wire_;
  const PeerPlan& plan_;
  bool masks_;
  Random random_;

  Stage stage_ = Stage::waiting;
  size_t next_ = 0;  // piece of the opening or of the frames
  std::deque<std::string> reactions_;
  bool at_boundary_ = true;
  bool step_scheduled_ = false;
  uint64_t written_ = 0;
  bool cut_done_ = false;
  bool sent_close_ = false;
  bool answer_close_ = false;  // the script ends at the next boundary
  bool got_close_ = false;
  uint16_t close_code_ = 1000;

  std::string received_;
  size_t frames_begin_ = 0;
  bool speaking_ = false;
  bool read_scheduled_ = false;
  int wrong_pongs_ = 0;
  bool frozen_ = false;
  bool dozing_ = false;
  bool rested_ = false;
  bool got_fin_ = false;
  bool got_reset_ = false;
  FrameJudge judge_;
  size_t frames_seen_ = 0;
};

class ClientPeer final : public Peer {
 public:
  using Peer::Peer;
  void start() { begin_opening(); }

 private:
  void take_opening() override;
  int status_ = 0;
};

class UpstreamPeer final : public Peer {
 public:
  using Peer::Peer;
  // `received` is the request and what came behind it.
  void start(std::string received, size_t frames_begin) {
    begin_opening();
    adopt(std::move(received), frames_begin);
  }

 private:
  void take_opening() override {}
};

// Waits for a request's head and hands the connection over to whoever is found by it.
class Doorman final : public PeerEnd, private Observer {
 public:
  // `introduced`: a PROXY header comes before it.
  // The first `skipped` bytes are none of it.
  Doorman(Wire& wire, bool introduced, std::function<void(Doorman&)> on_head, size_t skipped = 0)
      : wire_(wire), awaits_header_(introduced), on_head_(std::move(on_head)), skipped_(skipped) {
    wire_.attach(*this);
    wire_.connection().observer = this;
  }
  void on_bytes() override;
  void on_fin() override { wire_.close_both(); }
  void on_reset() override {}
  Wire& wire() { return wire_; }
  const std::string& received() const { return received_; }  // without that header
  // The client that it named, "" where it named nobody.
  const std::string& named() const { return named_; }
  bool found() const { return found_; }
  // What the proxy has sent so far, without that header; some of it may be on its way.
  uint64_t sent_bytes() const { return sent_bytes_ - header_bytes_; }

 private:
  void on_recv(Connection&, std::string_view) override {}
  void on_input_end(Connection&, int) override {}
  void on_send(Connection&, std::string_view bytes) override { sent_bytes_ += bytes.size(); }
  void on_send_error(Connection&, int) override {}
  void on_farewell(Connection&, Farewell) override {}
  void on_event(Connection&, Readiness) override {}
  bool take_header();

  Wire& wire_;
  bool awaits_header_;
  std::function<void(Doorman&)> on_head_;
  size_t skipped_;
  std::string named_;
  std::string received_;
  uint64_t sent_bytes_ = 0;
  uint64_t header_bytes_ = 0;
  bool found_ = false;
};

}  // namespace sluice::sim
