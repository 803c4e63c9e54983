// Drain: tells those who are to go so, evenly over a window. It paces by how many of them live and
// not by places: after a peak these outnumber them, and the living may lie close together. It keeps
// nothing of a session, and has no timer of its own.
#pragma once

#include <cstdint>

namespace sluice {

// Where a drain walks: places of which some have somebody who is to go.
class DrainGround {
 public:
  virtual ~DrainGround() = default;
  virtual uint32_t places() const = 0;  // may grow between calls
  // Whether somebody is there who is to go and has not been told so.
  virtual bool matches(uint32_t place) = 0;
  // Whether somebody is there who was told and has not gone.
  virtual bool leaving(uint32_t) { return false; }
  // Tells whoever is there, who matches no more.
  virtual void tell(uint32_t place) = 0;
};

class Drain {
 public:
  static constexpr uint64_t slice_ms = 100;
  // Who begins to match when the window is over is told at a look, of which one comes so often.
  static constexpr uint64_t late_look_ms = 1'000;
  // A window without an end: nobody is told, and who is left is counted once in late_look_ms.
  static constexpr uint64_t endless = UINT64_MAX;
  // One run counts at so many places at most.
  static constexpr uint32_t looks_a_run = 65'536;
  // What all drains of a worker may look at and tell in one turn, together; then others go first.
  struct Budget {
    uint32_t looks = 2 * looks_a_run;
    uint32_t tells = 256;
  };

  // `phase`, from 0 to below 1: where in its share of the window the first one is told, so that the
  // few of one worker do not go together with the few of another.
  Drain(uint64_t window_ms, uint64_t now_ms, double phase);

  // later: again at due_ms(). soon: as soon as others had their turn. What it takes of the budget
  // is subtracted.
  enum class Next : uint8_t { later, soon };
  Next run(DrainGround& ground, uint64_t now_ms, Budget& budget);
  uint64_t due_ms() const { return due_ms_; }
  // How many are still to be told, as far as the looks have come. With no more places than a run
  // looks at it is exact.
  uint64_t left() const;
  // Told and not gone yet, by the last whole lap and what was told since.
  uint64_t leaving() const { return leaving_; }
  // Its window is over, and a look at all places since found nobody to tell and nobody leaving.
  bool is_over() const { return late_lap_done_ && living_ == 0 && leaving_ == 0; }
  // Whether it has counted anybody yet.
  bool has_looked() const { return lap_done_ || look_at_ > 0; }

 private:
  void look(DrainGround& ground, Budget& budget);
  void begin_slice(DrainGround& ground, uint64_t now_ms, Budget& budget);
  bool tell_some(DrainGround& ground, Budget& budget);
  void note_told(uint32_t place);
  Next run_late(DrainGround& ground, uint64_t now_ms, Budget& budget);

  uint64_t ends_ms_;
  uint64_t due_ms_;
  double credit_;      // of what the slices so far were to tell: what has not been told
  uint64_t owed_ = 0;  // to be told in this slice
  // Counting goes over the places in laps.
  uint32_t look_at_ = 0;      // the next place
  uint64_t met_ = 0;          // in this lap
  uint64_t leaving_met_ = 0;  // the same of those who were told
  uint64_t leaving_ = 0;
  uint64_t living_ = 0;    // in the last whole one, but for those who were told
  bool lap_done_ = false;  // there was one
  uint32_t places_ = 0;    // of the ground at the last look
  // Telling goes on from where it stopped.
  uint32_t tell_at_ = 0;
  uint32_t passed_ = 0;  // places in this slice or late look
  bool late_ = false;    // the window is over
  bool late_lap_done_ = false;
};

}  // namespace sluice
