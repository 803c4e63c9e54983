// Output: a buffer of fixed size that what is to be sent is built in; one per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "net/check.h"

namespace sluice::load {

class Output {
 public:
  explicit Output(size_t capacity)
      : bytes_(std::make_unique_for_overwrite<uint8_t[]>(capacity)), capacity_(capacity) {}

  const uint8_t* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  size_t room() const { return capacity_ - size_; }
  std::span<const uint8_t> behind(size_t sent) const { return {data() + sent, size_ - sent}; }
  void clear() { size_ = 0; }

  // Room for that many bytes more, for the caller to fill. There must be as much.
  uint8_t* extend(size_t bytes) {
    SLUICE_CHECK(bytes <= room());
    uint8_t* begin = bytes_.get() + size_;
    size_ += bytes;
    return begin;
  }
  void put(std::span<const uint8_t> bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_;
  size_t size_ = 0;
};

}  // namespace sluice::load
