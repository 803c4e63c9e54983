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
  transit->conveyor.drop(buffers_);
  transit->next_free = first_free_;
  first_free_ = transit;
}

}  // namespace sluice
