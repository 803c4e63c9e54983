// Level n of the wheel has 64 slots of 64^n ms. A timer sits at the lowest level that reaches its
// deadline and moves down as the clock enters its slot.
#include "net/timers.h"

#include <algorithm>
#include <bit>
#include <climits>

#include "net/check.h"

namespace sluice {

Timers::Timers(uint64_t now_ms) : now_ms_(now_ms) {
  for (uint32_t head = 0; head < heads; ++head) {
    Node& node = nodes_.add();
    node.next = node.previous = head;
  }
}

TimerId Timers::arm(uint64_t deadline_ms, uint64_t cookie) {
  uint32_t index = first_free_;
  if (index != 0) {
    first_free_ = nodes_[index].next;
  } else {
    index = nodes_.size();
    nodes_.add();
  }
  nodes_[index].deadline_ms = std::max(deadline_ms, now_ms_ + 1);
  nodes_[index].cookie = cookie;
  link(index);
  ++armed_;
  return index;
}

void Timers::cancel(TimerId id) {
  if (id == 0) return;
  SLUICE_CHECK(id >= heads && id < nodes_.size());
  unlink(id);
  nodes_[id].next = first_free_;
  first_free_ = id;
  --armed_;
}

bool Timers::expire_next(uint64_t now_ms, uint64_t& cookie) {
  for (;;) {
    // The current tick's slot holds only what cascade() put there: arm() reaches one tick ahead.
    const uint32_t head = now_ms_ & (slots - 1);
    if (const uint32_t index = nodes_[head].next; index != head) {
      cookie = nodes_[index].cookie;
      cancel(index);
      return true;
    }
    if (now_ms_ >= now_ms) return false;
    if (armed_ == 0) {
      now_ms_ = now_ms;
      return false;
    }
    now_ms_ = std::min(next_look_ms(), now_ms);
    cascade();
  }
}

int Timers::wait_ms(uint64_t now_ms) const {
  if (armed_ == 0) return -1;
  const uint64_t look = next_look_ms();
  if (look <= now_ms) return 0;
  return static_cast<int>(std::min<uint64_t>(look - now_ms, INT_MAX));
}

void Timers::link(uint32_t index) {
  const uint64_t deadline = nodes_[index].deadline_ms;
  // A deadline of this very tick comes from cascade(); the caller of cascade() empties the tick's
  // slot next.
  const uint64_t distance = deadline - now_ms_;
  uint32_t level = 0;
  while (level + 1 < levels && distance >> (slot_bits * (level + 1)) != 0) ++level;
  uint64_t slot = deadline >> (slot_bits * level);
  // Farther than the wheel turns: as far as it reaches, and moved on from there.
  if (distance >> (slot_bits * levels) != 0) slot = (now_ms_ >> (slot_bits * level)) + slots - 1;
  const uint32_t head = level * slots + static_cast<uint32_t>(slot & (slots - 1));
  Node& node = nodes_[index];
  node.previous = nodes_[head].previous;
  node.next = head;
  nodes_[node.previous].next = index;
  nodes_[head].previous = index;
  occupied_[level] |= uint64_t{1} << (head & (slots - 1));
}

void Timers::unlink(uint32_t index) {
  const Node& node = nodes_[index];
  nodes_[node.previous].next = node.next;
  nodes_[node.next].previous = node.previous;
  if (node.next == node.previous && node.next < heads) {
    occupied_[node.next / slots] &= ~(uint64_t{1} << (node.next & (slots - 1)));
  }
}

// When the clock enters a new slot of a higher level, the timers of that slot move to the levels
// below.
void Timers::cascade() {
  for (uint32_t level = 1; level < levels; ++level) {
    const uint32_t shift = slot_bits * level;
    if ((now_ms_ & ((uint64_t{1} << shift) - 1)) != 0) return;
    const uint32_t head = level * slots + static_cast<uint32_t>((now_ms_ >> shift) & (slots - 1));
    // A timer farther than the wheel links itself here again, so the list is taken off first.
    uint32_t index = nodes_[head].next;
    if (index == head) continue;
    nodes_[nodes_[head].previous].next = 0;  // ends the list that is walked below
    nodes_[head].next = nodes_[head].previous = head;
    occupied_[level] &= ~(uint64_t{1} << (head & (slots - 1)));
    while (index != 0) {
      const uint32_t next = nodes_[index].next;
      link(index);
      index = next;
    }
  }
}

// The earliest tick at which a slot holding timers is entered, over all levels.
uint64_t Timers::next_look_ms() const {
  uint64_t earliest = UINT64_MAX;
  for (uint32_t level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const uint32_t shift = slot_bits * level;
    const uint64_t position = now_ms_ >> shift;
    // Slots after the current one, in the order in which the clock enters them; a full turn last.
    const auto turn = static_cast<int>((position + 1) & (slots - 1));
    const int steps = std::countr_zero(std::rotr(occupied_[level], turn));
    earliest = std::min(earliest, (position + 1 + static_cast<uint64_t>(steps)) << shift);
  }
  return earliest;
}

}  // namespace sluice
