// A list of free transits, the latest first.
#include "core/session/transit.h"

#include <new>

#include "net/check.h"

namespace sluice {

Transit* TransitPool::borrow(const FrameScanner& resumed) {
  Transit* place = first_free_;
  if (place != nullptr) {
    first_free_ = place->next_free;
  } else {
    place = &transits_.add();
  }
  ++lent_;
  return new (place) Transit(resumed);
}

void TransitPool::give_back(Transit* transit) {
  SLUICE_CHECK(lent_ > 0);
  --lent_;
  transit->ring.release(buffers_);
  release_pipe(*transit);
  transit->next_free = first_free_;
  first_free_ = transit;
}

void TransitPool::release_pipe(Transit& transit) {
  if (transit.pipe != nullptr) buffers_.pipes().give_back(transit.pipe);
  transit.pipe = nullptr;
}

}  // namespace sluice
