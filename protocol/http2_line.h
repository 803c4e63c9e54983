// Http2Line: streams of one connection that wait for room to send, in the order in which they
// came. It holds no memory of its own: each stream brings its place.
#pragma once

#include <cstdint>

#include "net/check.h"

namespace sluice {

class Http2Line {
 public:
  // In one line at most; it must leave before it ends.
  class Place {
   public:
    bool in_line() const { return in_line_; }

   private:
    friend class Http2Line;
    Place* ahead_ = nullptr;
    Place* behind_ = nullptr;
    uint32_t wanted_bytes_ = 0;
    bool in_line_ = false;
  };

  bool empty() const { return first_ == nullptr; }
  Place& front() const { return *first_; }
  // What the first one waits for.
  uint32_t front_wants_bytes() const { return first_->wanted_bytes_; }

  void append(Place& place, uint32_t wanted_bytes) {
    SLUICE_DCHECK(!place.in_line_);
    place.in_line_ = true;
    place.wanted_bytes_ = wanted_bytes;
    place.ahead_ = last_;
    place.behind_ = nullptr;
    (last_ != nullptr ? last_->behind_ : first_) = &place;
    last_ = &place;
  }
  // Does nothing where it is in no line.
  void leave(Place& place) {
    if (!place.in_line_) return;
    place.in_line_ = false;
    (place.ahead_ != nullptr ? place.ahead_->behind_ : first_) = place.behind_;
    (place.behind_ != nullptr ? place.behind_->ahead_ : last_) = place.ahead_;
  }

 private:
  Place* first_ = nullptr;
  Place* last_ = nullptr;
};

}  // namespace sluice
