// A stack of free transits, each a block of the heap of its own.
#include "core/transit.h"

#include <algorithm>
#include <new>

#include "net/check.h"

namespace sluice {

TransitPool::~TransitPool() {
  for (void* place : free_) ::operator delete(place);
}

Transit* TransitPool::borrow(const FrameScanner& resumed) {
  void* place;
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else {
    // Room on the stack is made here, so that giving back never allocates.
    if (free_.capacity() <= lent_) {
      free_.reserve(std::min(std::max<size_t>(2 * lent_, 64), most_kept));
    }
    place = ::operator new(sizeof(Transit));
  }
  ++lent_;
  return new (place) Transit(resumed);
}

void TransitPool::give_back(Transit* transit) {
  SLUICE_CHECK(lent_ > 0);
  --lent_;
  transit->ring.release(buffers_);
  release_pipe(*transit);
  transit->~Transit();
  if (free_.size() < free_.capacity()) {
    free_.push_back(transit);
  } else {
    ::operator delete(transit);
  }
}

void TransitPool::release_pipe(Transit& transit) {
  if (transit.pipe != nullptr) buffers_.pipes().give_back(transit.pipe);
  transit.pipe = nullptr;
}

}  // namespace sluice
