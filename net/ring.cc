// Buffers of a page and more are mapped, so that giving them back really returns the memory.
#include "net/ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

uint8_t* allocate(uint32_t bytes) {
  if (bytes < BufferPool::tiny_bytes) return static_cast<uint8_t*>(::operator new(bytes));
  void* memory = sys::map_memory(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<uint8_t*>(memory);
}

void deallocate(uint8_t* data, uint32_t bytes) {
  if (bytes < BufferPool::tiny_bytes) {
    ::operator delete(data);
  } else {
    sys::unmap_memory(data, bytes);
  }
}

}  // namespace

BufferPool::BufferPool(uint32_t full_bytes, size_t most_bytes) : most_bytes_(most_bytes) {
  SLUICE_CHECK(std::has_single_bit(full_bytes) && full_bytes >= small_bytes);
  shelves_[0].bytes = block_bytes;
  shelves_[1].bytes = tiny_bytes;
  shelves_[2].bytes = small_bytes;
  shelves_[3].bytes = full_bytes;
}

BufferPool::~BufferPool() {
  for (Shelf& shelf : shelves_) {
    for (uint8_t* data : shelf.free) deallocate(data, shelf.bytes);
  }
}

Buffer BufferPool::borrow(BufferClass wanted) {
  auto index = static_cast<size_t>(wanted);
  while (index > static_cast<size_t>(BufferClass::tiny) &&
         held_bytes() + shelves_[index].bytes > most_bytes_) {
    --index;
  }
  Shelf& shelf = shelves_[index];
  uint8_t* data;
  if (!shelf.free.empty()) {
    data = shelf.free.back();
    shelf.free.pop_back();
    shelf.least_free = std::min(shelf.least_free, shelf.free.size());
  } else {
    // Room on the shelf is made here, so that giving back never allocates.
    shelf.free.reserve(std::min<size_t>(shelf.lent + 1, warm_bytes / shelf.bytes + 1));
    data = allocate(shelf.bytes);
  }
  ++shelf.lent;
  return Buffer{data, shelf.bytes};
}

void BufferPool::give_back(Buffer buffer) {
  Shelf& shelf = shelf_of(buffer.bytes);
  SLUICE_CHECK(shelf.lent > 0);
  --shelf.lent;
  if (shelf.free.size() < shelf.free.capacity() &&
      (shelf.free.size() + 1) * shelf.bytes <= warm_bytes) {
    shelf.free.push_back(buffer.data);
  } else {
    deallocate(buffer.data, buffer.bytes);
  }
}

// Those at the front were given back first, and are the coldest.
void BufferPool::trim() {
  for (Shelf& shelf : shelves_) {
    const size_t kept = kept_bytes / shelf.bytes;
    if (shelf.free.size() > kept) {
      const size_t unused = std::min(shelf.least_free, shelf.free.size() - kept);
      const auto end = shelf.free.begin() + static_cast<ptrdiff_t>(unused);
      for (auto each = shelf.free.begin(); each != end; ++each) deallocate(*each, shelf.bytes);
      shelf.free.erase(shelf.free.begin(), end);
    }
    shelf.least_free = shelf.free.size();
  }
}

bool BufferPool::may_trim() const {
  return std::any_of(shelves_.begin(), shelves_.end(), [](const Shelf& shelf) {
    return shelf.free.size() * shelf.bytes > kept_bytes;
  });
}

BufferClass BufferPool::class_for(size_t bytes) const {
  for (size_t index = 0; index < shelves_.size(); ++index) {
    if (bytes <= shelves_[index].bytes) return static_cast<BufferClass>(index);
  }
  return BufferClass::full;
}

uint32_t BufferPool::bytes_of(BufferClass buffer_class) const {
  return shelves_[static_cast<size_t>(buffer_class)].bytes;
}

size_t BufferPool::lent() const {
  return shelves_[1].lent + shelves_[2].lent + shelves_[3].lent;
}

size_t BufferPool::lent_bytes() const {
  size_t sum = 0;
  for (const Shelf& shelf : shelves_) sum += shelf.lent * shelf.bytes;
  return sum;
}

size_t BufferPool::held_bytes() const {
  return lent_bytes() + pipes_.lent() * PipePool::pipe_bytes + elsewhere_bytes_;
}

// With ring_size 16k the full class is the small one, too: the larger index is looked at first, so
// borrow() and give_back() agree as long as the small one is not lent by itself.
BufferPool::Shelf& BufferPool::shelf_of(uint32_t bytes) {
  for (size_t index = shelves_.size(); index-- > 0;) {
    if (shelves_[index].bytes == bytes && shelves_[index].lent > 0) return shelves_[index];
  }
  check_failed("a buffer of this pool", __FILE__, __LINE__);
}

void Ring::borrow(BufferPool& pool, BufferClass wanted) {
  SLUICE_CHECK(!held());
  const Buffer buffer = pool.borrow(wanted);
  data_ = buffer.data;
  capacity_ = buffer.bytes;
  head_ = judged_ = tail_ = 0;
}

void Ring::release(BufferPool& pool) {
  if (!held()) return;
  pool.give_back(Buffer{data_, capacity_});
  data_ = nullptr;
  capacity_ = head_ = judged_ = tail_ = 0;
}

void Ring::release_if_empty(BufferPool& pool) {
  if (empty()) release(pool);
}

void Ring::move_to(BufferPool& pool, BufferClass wanted) {
  const Buffer fresh = pool.borrow(wanted);
  if (fresh.bytes < pool.bytes_of(wanted) && fresh.bytes <= capacity_) {
    pool.give_back(fresh);
    return;
  }
  const size_t whole = tail_ - head_;
  SLUICE_CHECK(whole <= fresh.bytes);
  iovec pieces[2];
  uint8_t* out = fresh.data;
  const size_t count = cut(head_, whole, pieces);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(out, pieces[i].iov_base, pieces[i].iov_len);
    out += pieces[i].iov_len;
  }
  pool.give_back(Buffer{data_, capacity_});
  data_ = fresh.data;
  capacity_ = fresh.bytes;
  judged_ -= head_;
  tail_ -= head_;
  head_ = 0;
}

void Ring::sent(size_t bytes) {
  SLUICE_DCHECK(bytes <= queued());
  head_ += static_cast<uint32_t>(bytes);
  if (head_ == tail_) head_ = judged_ = tail_ = 0;  // begins at the front again, so it seldom wraps
}

void Ring::trim(size_t bytes) {
  SLUICE_CHECK(unjudged() == 0 && bytes <= queued());
  judged_ -= static_cast<uint32_t>(bytes);
  tail_ = judged_;
}

void Ring::drop_last_judged(size_t bytes) {
  SLUICE_CHECK(bytes <= queued());
  const uint32_t mask = capacity_ - 1;
  const auto gap = static_cast<uint32_t>(bytes);
  for (uint32_t at = judged_ - gap; at != head_;) {  // nearly always nothing
    --at;
    data_[(at + gap) & mask] = data_[at & mask];
  }
  head_ += gap;
  if (head_ == tail_) head_ = judged_ = tail_ = 0;
}

void Ring::append(std::span<const uint8_t> bytes) {
  SLUICE_CHECK(unjudged() == 0);
  append_unjudged(bytes);
  accept(bytes.size());
}

void Ring::append_unjudged(std::span<const uint8_t> bytes) {
  SLUICE_CHECK(bytes.size() <= room());
  iovec pieces[2];
  const size_t count = room_pieces(pieces);
  size_t done = 0;
  for (size_t i = 0; i < count && done < bytes.size(); ++i) {
    const size_t part = std::min(bytes.size() - done, pieces[i].iov_len);
    std::memcpy(pieces[i].iov_base, bytes.data() + done, part);
    done += part;
  }
  received(bytes.size());
}

size_t Ring::cut(uint32_t from, size_t bytes, iovec pieces[2]) const {
  if (bytes == 0) return 0;
  const uint32_t at = from & (capacity_ - 1);
  const size_t first = std::min<size_t>(bytes, capacity_ - at);
  pieces[0] = iovec{data_ + at, first};
  if (first == bytes) return 1;
  pieces[1] = iovec{data_, bytes - first};
  return 2;
}

}  // namespace sluice
