// A slice counts, then tells its share of those who live. Both walk over the places in a circle.
#include "core/process/drain.h"

#include <algorithm>
#include <cmath>

namespace sluice {

Drain::Drain(uint64_t window_ms, uint64_t now_ms, double phase)
    : ends_ms_(window_ms == endless ? endless : now_ms + window_ms),
      due_ms_(now_ms),
      credit_(phase) {}

Drain::Next Drain::run(DrainGround& ground, uint64_t now_ms, Budget& budget) {
  if (now_ms >= ends_ms_) return run_late(ground, now_ms, budget);
  if (owed_ == 0) {
    if (now_ms < due_ms_) return Next::later;
    // A slice that could not count as far as it should would take few for many.
    if (budget.looks < std::min(looks_a_run, ground.places())) return Next::soon;
    begin_slice(ground, now_ms, budget);
  }
  if (owed_ > 0 && !tell_some(ground, budget)) return Next::soon;
  return Next::later;
}

uint64_t Drain::left() const {
  if (lap_done_) return living_;
  return look_at_ == 0 ? 0 : met_ * places_ / look_at_;
}

void Drain::begin_slice(DrainGround& ground, uint64_t now_ms, Budget& budget) {
  look(ground, budget);
  due_ms_ = now_ms + late_look_ms;
  if (ends_ms_ == endless) return;
  const uint64_t slices = (ends_ms_ - now_ms + slice_ms - 1) / slice_ms;
  const uint64_t living = left();
  credit_ += static_cast<double>(living) / static_cast<double>(slices);
  owed_ = static_cast<uint64_t>(std::floor(credit_));
  credit_ -= static_cast<double>(owed_);
  if (slices == 1) owed_ = living;
  passed_ = 0;
  // By the window's clock: a slice that came late does not put the next one off.
  due_ms_ = ends_ms_ - (slices - 1) * slice_ms;
}

// A part of a lap. A slice begins no second one.
void Drain::look(DrainGround& ground, Budget& budget) {
  places_ = ground.places();
  const uint32_t end = look_at_ + std::min(looks_a_run, places_ - look_at_);
  budget.looks -= end - look_at_;
  for (; look_at_ < end; ++look_at_) {
    met_ += ground.matches(look_at_) ? 1 : 0;
    leaving_met_ += ground.leaving(look_at_) ? 1 : 0;
  }
  if (look_at_ < places_) return;
  living_ = met_;
  leaving_ = leaving_met_;
  lap_done_ = true;
  look_at_ = 0;
  met_ = leaving_met_ = 0;
}

// Whether this slice, or late look, is done with: all that are owed were told, or it has been
// everywhere.
bool Drain::tell_some(DrainGround& ground, Budget& budget) {
  for (; budget.looks > 0 && budget.tells > 0; --budget.looks) {
    if (passed_ >= ground.places()) owed_ = 0;
    if (owed_ == 0) return true;
    if (tell_at_ >= ground.places()) tell_at_ = 0;
    const uint32_t place = tell_at_++;
    ++passed_;
    if (late_ && ground.leaving(place)) ++leaving_met_;
    if (!ground.matches(place)) continue;
    ground.tell(place);
    ++leaving_;  // until a lap counts
    if (late_) ++leaving_met_;
    note_told(place);
    --owed_;
    --budget.tells;
  }
  return owed_ == 0;
}

void Drain::note_told(uint32_t place) {
  if (living_ > 0) --living_;
  if (place < look_at_ && met_ > 0) --met_;
}

// A lap over the places for everybody who is left, later others for whoever begins to match.
Drain::Next Drain::run_late(DrainGround& ground, uint64_t now_ms, Budget& budget) {
  if (!late_) {
    late_ = true;
    passed_ = 0;
    leaving_met_ = 0;
    due_ms_ = now_ms;
  }
  if (passed_ == 0 && now_ms < due_ms_) return Next::later;
  owed_ = ground.places();
  if (!tell_some(ground, budget)) return Next::soon;
  owed_ = 0;
  passed_ = 0;
  living_ = 0;
  leaving_ = leaving_met_;
  leaving_met_ = 0;
  lap_done_ = late_lap_done_ = true;
  due_ms_ = now_ms + late_look_ms;
  return Next::later;
}

}  // namespace sluice
