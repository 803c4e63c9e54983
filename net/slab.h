// Slab: an array that grows in mapped chunks. Sessions and timers, which last, lie in one, away
// from the heap, where many handshakes at once would leave holes among them; and no growth ever
// copies them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

#include "net/sys.h"

namespace sluice {

// Elements never move, and memory is touched only up to the last one. One thread.
template <class T>
class Slab {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (T* chunk : chunks_) sys::unmap_memory(chunk, chunk_bytes);
  }

  uint32_t size() const { return size_; }
  T& operator[](uint32_t index) { return chunks_[index / chunk_elements][index % chunk_elements]; }
  const T& operator[](uint32_t index) const {
    return chunks_[index / chunk_elements][index % chunk_elements];
  }

  // A new last element, default-initialized. Throws std::bad_alloc and changes nothing, then.
  T& add() {
    if (size_ == chunks_.size() * chunk_elements) grow();
    T& place = (*this)[size_++];
    return *new (&place) T;
  }

 private:
  static constexpr uint32_t chunk_elements = 1024;
  static constexpr size_t chunk_bytes = chunk_elements * sizeof(T);

  // The table of chunks lasts as well, so it is made once, for a quarter of a million elements.
  static constexpr size_t expected_chunks = 256;

  void grow() {
    chunks_.reserve(expected_chunks);
    chunks_.push_back(nullptr);
    void* const memory = sys::map_memory(chunk_bytes);
    chunks_.back() = static_cast<T*>(memory);
    if (memory != nullptr) return;
    chunks_.pop_back();
    throw std::bad_alloc();
  }

  std::vector<T*> chunks_;
  uint32_t size_ = 0;
};

}  // namespace sluice
