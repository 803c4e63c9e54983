// FairShare: who is served first in a turn, and for how long, so that one who moves much delays
// nobody who moves little (core/DESIGN.md section 2). One a worker; sessions ask it.
#pragma once

#include <cstdint>

namespace sluice {

class FairShare {
 public:
  static constexpr uint64_t busy_bytes = 64 * 1024;  // moved in one turn: a session is busy
  // Busy ones take shorter turns until so long after a light one was served.
  static constexpr uint64_t light_for_ms = 10;

  // Whether a session is busy after a turn in which it moved so much. Events of a busy one only
  // queue it behind the others. A turn that moved nothing tells nothing.
  static bool busy(bool before, uint64_t moved_bytes) {
    return moved_bytes > 0 ? moved_bytes >= busy_bytes : before;
  }

  void served_light(uint64_t now_ms) { light_until_ms_ = now_ms + light_for_ms; }
  bool light_beside(uint64_t now_ms) const { return now_ms < light_until_ms_; }

 private:
  uint64_t light_until_ms_ = 0;
};

}  // namespace sluice
