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
  FrameJudge judge;     // of `in`
  bool masked = false;  // toward upstreams: a Close of the proxy's own is masked

  void received(std::string_view bytes) { in_ += bytes; }
  // Judges what was received; not before the session relays.
  void look(uint64_t now_ms) { judge.look(in_, now_ms); }
  // Fails the run where the bytes are not what was received nor a Close at a boundary.
  void sent(std::string_view bytes, uint64_t act);

  const std::string& in() const { return in_; }
  const std::string& out() const { return out_; }
  std::string_view in_accepted() const { return std::string_view(in_).substr(0, judge.accepted()); }
  bool own_close() const { return own_close_act_ != 0; }
  bool own_close_whole() const { return own_close() && out_.size() == own_begin_ + own_bytes(); }
  uint64_t own_close_act() const { return own_close_act_; }  // when its first byte went out
  uint16_t own_code() const;
  // Accepted from the source and neither sent nor given up.
  uint64_t undelivered() const { return own_close() ? 0 : judge.accepted() - out_.size(); }
  // The source's frame is begun toward the target and not at its end.
  bool cut_inside_frame() const;
  uint64_t begun_in_frame() const {
    return judge.in_frame() ? judge.accepted() - judge.frame_begin() : 0;
  }

 private:
  size_t own_bytes() const { return masked ? 8 : 4; }
  void check_own_close() const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string in_;
  std::string out_;
  uint64_t matched_ = 0;  // bytes of out_ that equal in_
  uint64_t own_begin_ = 0;
  uint64_t own_close_act_ = 0;
};

}  // namespace sluice::sim
