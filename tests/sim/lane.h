// Lane: one way through a relayed session as the kernel saw it: what the proxy read from the
// source, what it wrote to the target, and whether the one follows from the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/sim/frame_judge.h"

namespace sluice::sim {

class Lane {
 public:
  FrameJudge judge;               // of `in`
  bool masked = false;            // toward upstreams: frames of the proxy's own are masked
  OwnPings* own_pings = nullptr;  // toward the target; null: there are none

  void received(std::string_view bytes) {
    in_ += bytes;
    raw_in_ += bytes;
  }
  // Judges what was received; not before the session relays.
  void look(uint64_t now_ms);
  // Fails the run where the bytes are not what was received, nor a Close at a boundary, nor a ping
  // of the proxy's between two messages, which is taken out of out().
  void sent(std::string_view bytes, uint64_t act);

  // With the pongs and pings of the proxy's own, which the rest leaves out.
  const std::string& raw_in() const { return raw_in_; }
  const std::string& raw_out() const { return raw_out_; }
  const std::string& in() const { return in_; }
  const std::string& out() const { return out_; }
  std::string_view in_accepted() const { return std::string_view(in_).substr(0, judge.accepted()); }
  bool own_close() const { return own_close_act_ != 0; }
  bool own_close_whole() const { return own_close() && out_.size() == own_begin_ + own_bytes(); }
  bool own_close_between_messages() const { return judge.between_messages(own_begin_); }
  // A ping of the proxy's has gone out in part.
  bool ping_begun() const { return !ping_part_.empty(); }
  // Messages of which some was sent.
  uint64_t messages_out();
  uint64_t own_close_act() const { return own_close_act_; }  // when its first byte went out
  uint16_t own_code() const;
  std::string own_reason() const;  // of a whole one
  // Accepted from the source and neither sent nor given up.
  uint64_t undelivered() const { return own_close() ? 0 : judge.accepted() - out_.size(); }
  // The source's frame is begun toward the target and not at its end.
  bool cut_inside_frame() const;
  uint64_t begun_in_frame() const {
    return judge.in_frame() ? judge.accepted() - judge.frame_begin() : 0;
  }

 private:
  size_t own_bytes() const;
  void check_own_close() const;
  bool take_out_ping();
  [[noreturn]] void fail(const std::string& what) const;

  std::string in_;
  std::string out_;
  std::string ping_part_;
  std::string raw_in_;
  std::string raw_out_;
  size_t frames_counted_ = 0;
  uint64_t messages_out_ = 0;
  uint64_t matched_ = 0;  // bytes of out_ that equal in_
  uint64_t own_begin_ = 0;
  uint64_t own_close_act_ = 0;
};

}  // namespace sluice::sim
