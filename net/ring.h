// BufferPool and Ring: the memory that bytes pass through (pipes, net/pipe.h, apart). A worker
// lends buffers last-in first-out, so that the same hot pages serve one session after the other; an
// idle session holds none.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/pipe.h"

namespace sluice {

// Sizes that are lent. `block` keeps an incomplete header or control frame (at most 130 bytes);
// `full` is the working ring (ring_size); the two between serve slow readers and times of pressure.
enum class BufferClass : uint8_t { block, tiny, small, full };

struct Buffer {
  uint8_t* data = nullptr;
  uint32_t bytes = 0;
};

// One per worker and thread; outlives every Ring that borrows from it.
class BufferPool {
 public:
  static constexpr uint32_t block_bytes = 256;
  static constexpr uint32_t tiny_bytes = 4 * 1024;
  static constexpr uint32_t small_bytes = 16 * 1024;
  static constexpr size_t default_most_bytes = size_t{512} << 20;
  // Free buffers of a class that are kept for good, and those that are until trim() finds that
  // nobody wanted them; what is given back beyond that returns to the system. To map a buffer anew
  // costs more than to pass 16 KiB on, for the sake of its pages.
  static constexpr size_t kept_bytes = size_t{4} << 20;
  static constexpr size_t warm_bytes = size_t{32} << 20;

  // `full_bytes` is a power of two, at least small_bytes. `most_bytes` (buffer_memory) bounds what
  // is held together: rings, blocks, pipes and set_elsewhere().
  explicit BufferPool(uint32_t full_bytes, size_t most_bytes = default_most_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // A ring of that class, or of the largest one that still fits into most_bytes. A tiny ring or a
  // block is lent even beyond, so that nobody waits for memory; the owner of the sessions is to
  // see crowded() and to end those that hold the most for nothing. Throws std::bad_alloc.
  Buffer borrow(BufferClass wanted);
  void give_back(Buffer buffer);
  // Returns free buffers beyond kept_bytes to the system that lay unused since the last call.
  void trim();
  bool may_trim() const;
  // The smallest class that holds `bytes`; bytes is at most the full size.
  BufferClass class_for(size_t bytes) const;
  uint32_t bytes_of(BufferClass buffer_class) const;

  size_t lent() const;  // rings of any size, blocks not counted
  size_t lent_blocks() const { return shelves_[0].lent; }
  size_t lent_bytes() const;
  uint32_t full_bytes() const { return shelves_[3].bytes; }
  // Memory that others hold for bytes on their way (TLS ciphertext), as its owner last counted it.
  void set_elsewhere(size_t bytes) { elsewhere_bytes_ = bytes; }
  size_t held_bytes() const;
  size_t most_bytes() const { return most_bytes_; }
  // What is lent beyond a smaller bound stays lent.
  void set_most_bytes(size_t bytes) { most_bytes_ = bytes; }
  // More than three quarters of most_bytes are held: the last one is for those that keep up.
  bool crowded() const { return held_bytes() > most_bytes_ - most_bytes_ / 4; }

  // The pipes, for bytes that nobody looks at.
  PipePool& pipes() { return pipes_; }

 private:
  struct Shelf {
    uint32_t bytes = 0;
    size_t lent = 0;
    std::vector<uint8_t*> free;
    size_t least_free = 0;  // since the last trim()
  };

  Shelf& shelf_of(uint32_t bytes);

  std::array<Shelf, 4> shelves_;
  size_t most_bytes_;
  size_t elsewhere_bytes_ = 0;
  PipePool pipes_;
};

// Bytes on their way in one direction: [head, judged) may be sent, [judged, tail) was received but
// not yet accepted. Holds a buffer of the pool only while it holds bytes; the owner says when to
// borrow and when to release.
class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  bool held() const { return data_ != nullptr; }
  void borrow(BufferPool& pool, BufferClass wanted);
  void release(BufferPool& pool);  // drops whatever it holds
  void release_if_empty(BufferPool& pool);
  // Moves everything into a buffer of that class, which must be large enough. Where memory for
  // it is spent and a smaller one would not let the ring grow, it stays where it is.
  void move_to(BufferPool& pool, BufferClass wanted);

  size_t capacity() const { return capacity_; }
  size_t queued() const { return judged_ - head_; }    // to be sent
  size_t unjudged() const { return tail_ - judged_; }  // to be looked at
  size_t room() const { return capacity_ - (tail_ - head_); }
  bool empty() const { return head_ == tail_; }

  // Pieces of memory, one or, where the ring wraps, two; returns how many of `pieces` are filled.
  // `reserve` bytes of the room are left out.
  size_t room_pieces(iovec pieces[2], size_t reserve = 0) const {
    return cut(tail_, room() > reserve ? room() - reserve : 0, pieces);
  }
  size_t queued_pieces(iovec pieces[2]) const { return cut(head_, queued(), pieces); }
  size_t unjudged_pieces(iovec pieces[2]) const { return cut(judged_, unjudged(), pieces); }

  void received(size_t bytes) { tail_ += static_cast<uint32_t>(bytes); }
  void accept(size_t bytes) { judged_ += static_cast<uint32_t>(bytes); }
  void sent(size_t bytes);
  // Takes back the last `bytes` of what may be sent; nothing unjudged may be behind it.
  void trim(size_t bytes);
  void drop_unjudged() { tail_ = judged_; }
  // Takes the last `bytes` of what may be sent out from before what is unjudged: what is queued
  // before them moves up to it.
  void drop_last_judged(size_t bytes);
  // Puts bytes of ours behind what may be sent; nothing unjudged may be there, and room must be.
  void append(std::span<const uint8_t> bytes);
  // Puts received bytes behind the tail, unjudged.
  void append_unjudged(std::span<const uint8_t> bytes);

 private:
  size_t cut(uint32_t from, size_t bytes, iovec pieces[2]) const;

  uint8_t* data_ = nullptr;
  uint32_t capacity_ = 0;  // a power of two; the cursors run freely and are masked on use
  uint32_t head_ = 0;
  uint32_t judged_ = 0;
  uint32_t tail_ = 0;
};

}  // namespace sluice
