// Http2Input: DATA of one stream that its session has not read. The first of it lies in a small
// ring of the worker's, so that a session that keeps up costs no allocation; what is beyond has
// memory of its own, no more than twice of it, for a full ring would be many times a stream's
// window.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "net/ring.h"

namespace sluice {

class Http2Input {
 public:
  Http2Input() = default;
  Http2Input(const Http2Input&) = delete;
  Http2Input& operator=(const Http2Input&) = delete;

  // Memory beyond rings that all inputs of this thread hold, for the owner's budget.
  static size_t held_elsewhere() { return all_beyond_; }

  size_t size() const { return ring_.queued() + beyond_size(); }
  // The bytes that come first, in one piece; empty where there are none.
  std::span<const uint8_t> front() const {
    if (ring_.queued() > 0) {
      iovec pieces[2];
      ring_.queued_pieces(pieces);
      return {static_cast<const uint8_t*>(pieces[0].iov_base), pieces[0].iov_len};
    }
    return {beyond_.get() + begin_, beyond_size()};
  }

  // Throws std::bad_alloc.
  void append(std::span<const uint8_t> bytes, BufferPool& pool) {
    if (beyond_size() == 0) {
      const size_t wanted =
          std::min<size_t>(ring_.queued() + bytes.size(), BufferPool::small_bytes);
      if (!ring_.held()) {
        ring_.borrow(pool, pool.class_for(wanted));
      } else if (ring_.capacity() < wanted) {
        ring_.move_to(pool, pool.class_for(wanted));
      }
      const size_t fits = std::min(ring_.room(), bytes.size());
      ring_.append(bytes.first(fits));
      bytes = bytes.subspan(fits);
    }
    if (!bytes.empty()) append_beyond(bytes);
  }

  // Of front().
  void drop(size_t bytes, BufferPool& pool) {
    if (ring_.queued() > 0) {
      ring_.sent(bytes);
      ring_.release_if_empty(pool);
      return;
    }
    begin_ += bytes;
    if (begin_ == end_) release_beyond();
  }

  void release(BufferPool& pool) {
    ring_.release(pool);
    release_beyond();
  }

 private:
  size_t beyond_size() const { return end_ - begin_; }

  void append_beyond(std::span<const uint8_t> bytes) {
    if (capacity_ - end_ < bytes.size()) {
      const size_t wanted = std::bit_ceil(beyond_size() + bytes.size());
      std::unique_ptr<uint8_t[]> larger(new uint8_t[wanted]);
      const size_t kept = beyond_size();
      if (kept > 0) std::memcpy(larger.get(), beyond_.get() + begin_, kept);
      release_beyond();
      beyond_ = std::move(larger);
      capacity_ = wanted;
      end_ = kept;
      all_beyond_ += capacity_;
    }
    std::memcpy(beyond_.get() + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  void release_beyond() {
    all_beyond_ -= capacity_;
    beyond_.reset();
    begin_ = end_ = capacity_ = 0;
  }

  static inline thread_local size_t all_beyond_ = 0;

  Ring ring_;
  std::unique_ptr<uint8_t[]> beyond_;  // from begin_ to end_, behind all of the ring
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sluice
