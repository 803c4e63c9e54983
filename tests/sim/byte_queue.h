// ByteQueue: bytes in at the back, out at the front, as socket buffers hold them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace sluice::sim {

class ByteQueue {
 public:
  size_t size() const { return data_.size() - head_; }
  bool empty() const { return size() == 0; }
  void append(std::string_view bytes) { data_ += bytes; }
  std::string_view view() const { return std::string_view(data_).substr(head_); }

  std::string take(size_t bytes) {
    std::string taken(view().substr(0, bytes));
    drop(taken.size());
    return taken;
  }
  void drop(size_t bytes) {
    head_ += std::min(bytes, size());
    if (head_ == data_.size()) {
      clear();
    } else if (head_ > 65536 && head_ > data_.size() / 2) {
      data_.erase(0, head_);
      head_ = 0;
    }
  }
  void clear() {
    data_.clear();
    head_ = 0;
  }

 private:
  std::string data_;
  size_t head_ = 0;
};

}  // namespace sluice::sim
