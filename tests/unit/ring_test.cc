// BufferPool and Ring: what is lent in which size, and that bytes keep their order through wraps,
// moves and cursors that overflow.
#include "net/ring.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {
namespace {

constexpr uint32_t full_bytes = 64 * 1024;

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string text_of(const iovec* pieces, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return text;
}

std::string queued_text(const Ring& ring) {
  iovec pieces[2];
  return text_of(pieces, ring.queued_pieces(pieces));
}

std::string unjudged_text(const Ring& ring) {
  iovec pieces[2];
  return text_of(pieces, ring.unjudged_pieces(pieces));
}

// A ring whose buffer goes back at the end of the test.
struct Held {
  Held(BufferPool& from, BufferClass wanted) : pool(from) { ring.borrow(pool, wanted); }
  ~Held() { ring.release(pool); }

  BufferPool& pool;
  Ring ring;
};

// Leaves `bytes` before the end of the memory and something in the ring, so that it wraps next.
void move_near_end(Ring& ring, size_t bytes) {
  const size_t lead = ring.capacity() - bytes;
  ring.append(as_bytes(std::string(lead, '-')));
  ring.sent(lead - 1);
}

TEST_CASE("buffer pool: every class has its size and blocks are not rings") {
  BufferPool pool(full_bytes);
  const Buffer block = pool.borrow(BufferClass::block);
  const Buffer tiny = pool.borrow(BufferClass::tiny);
  const Buffer small = pool.borrow(BufferClass::small);
  const Buffer full = pool.borrow(BufferClass::full);
  CHECK(block.bytes == 256);
  CHECK(tiny.bytes == 4096);
  CHECK(small.bytes == 16384);
  CHECK(full.bytes == full_bytes);
  CHECK(pool.lent() == 3);
  CHECK(pool.lent_blocks() == 1);
  CHECK(pool.lent_bytes() == 256 + 4096 + 16384 + full_bytes);
  for (const Buffer& buffer : {block, tiny, small, full}) {
    std::memset(buffer.data, 0xa5, buffer.bytes);
    pool.give_back(buffer);
  }
  CHECK(pool.lent() == 0);
  CHECK(pool.lent_blocks() == 0);
  CHECK(pool.lent_bytes() == 0);
}

TEST_CASE("buffer pool: the smallest class that holds so much") {
  const BufferPool pool(full_bytes);
  CHECK(pool.class_for(0) == BufferClass::block);
  CHECK(pool.class_for(256) == BufferClass::block);
  CHECK(pool.class_for(257) == BufferClass::tiny);
  CHECK(pool.class_for(4096) == BufferClass::tiny);
  CHECK(pool.class_for(4097) == BufferClass::small);
  CHECK(pool.class_for(16385) == BufferClass::full);
  CHECK(pool.class_for(full_bytes) == BufferClass::full);
}

TEST_CASE("buffer pool: what was given back last is lent first") {
  BufferPool pool(full_bytes);
  const Buffer one = pool.borrow(BufferClass::full);
  const Buffer two = pool.borrow(BufferClass::full);
  pool.give_back(one);
  pool.give_back(two);
  CHECK(pool.borrow(BufferClass::full).data == two.data);
  CHECK(pool.borrow(BufferClass::full).data == one.data);
  pool.give_back(one);
  pool.give_back(two);
}

TEST_CASE("buffer pool: a ring size of 16k makes two classes of one size") {
  BufferPool pool(BufferPool::small_bytes);
  const Buffer small = pool.borrow(BufferClass::small);
  const Buffer full = pool.borrow(BufferClass::full);
  const Buffer tiny = pool.borrow(BufferClass::tiny);
  CHECK(full.bytes == small.bytes);
  pool.give_back(small);
  CHECK(pool.lent() == 2);
  pool.give_back(full);
  pool.give_back(tiny);
  CHECK(pool.lent() == 0);
}

TEST_CASE("buffer pool: beyond its budget a smaller class serves, at last a tiny ring whatever") {
  constexpr uint32_t huge_bytes = 64 << 10;
  constexpr size_t small_count = 3;
  BufferPool pool(huge_bytes, 4 * huge_bytes + small_count * BufferPool::small_bytes);
  std::vector<Buffer> lent;
  for (int i = 0; i < 4; ++i) {
    lent.push_back(pool.borrow(BufferClass::full));
    CHECK(lent.back().bytes == huge_bytes);
  }
  bool all_small = true;
  for (size_t i = 0; i < small_count; ++i) {
    lent.push_back(pool.borrow(i % 2 == 0 ? BufferClass::full : BufferClass::small));
    all_small = all_small && lent.back().bytes == BufferPool::small_bytes;
  }
  CHECK(all_small);
  CHECK(pool.lent_bytes() == 4 * huge_bytes + small_count * BufferPool::small_bytes);
  for (const BufferClass wanted : {BufferClass::full, BufferClass::small, BufferClass::tiny}) {
    lent.push_back(pool.borrow(wanted));
    CHECK(lent.back().bytes == BufferPool::tiny_bytes);
  }
  CHECK(pool.lent() == lent.size());
  for (const Buffer& buffer : lent) pool.give_back(buffer);
  CHECK(pool.lent() == 0);
  lent.assign(1, pool.borrow(BufferClass::full));
  CHECK(lent[0].bytes == huge_bytes);
  pool.give_back(lent[0]);
}

TEST_CASE("buffer pool: a bounded number of free buffers is kept, those alone that are used") {
  constexpr size_t kept = BufferPool::kept_bytes / BufferPool::small_bytes;
  constexpr size_t warm = BufferPool::warm_bytes / BufferPool::small_bytes;
  BufferPool pool(full_bytes);
  std::vector<Buffer> lent(warm + 20);
  for (Buffer& buffer : lent) buffer = pool.borrow(BufferClass::small);
  for (const Buffer& buffer : lent) pool.give_back(buffer);
  const auto mapped = [&] {
    size_t count = 0;
    for (const Buffer& buffer : lent) {
      if (::msync(buffer.data, buffer.bytes, MS_ASYNC) == 0) ++count;
    }
    return count;
  };
  CHECK(mapped() == warm);
  pool.trim();  // all were lent since the last one
  CHECK(mapped() == warm);
  CHECK(pool.may_trim());
  std::vector<Buffer> again(kept + 100);
  for (Buffer& buffer : again) buffer = pool.borrow(BufferClass::small);
  for (const Buffer& buffer : again) pool.give_back(buffer);
  pool.trim();
  CHECK(mapped() == kept + 100);
  pool.trim();
  CHECK(mapped() == kept);
  CHECK_FALSE(pool.may_trim());
}

TEST_CASE("ring: borrowed when needed, given back when empty") {
  BufferPool pool(full_bytes);
  Ring ring;
  CHECK_FALSE(ring.held());
  CHECK(ring.empty());
  CHECK(ring.room() == 0);
  iovec pieces[2];
  CHECK(ring.room_pieces(pieces) == 0);
  ring.release(pool);

  ring.borrow(pool, BufferClass::tiny);
  CHECK(ring.held());
  CHECK(ring.room() == BufferPool::tiny_bytes);
  ring.append(as_bytes("abc"));
  ring.release_if_empty(pool);
  CHECK(ring.held());
  ring.sent(3);
  ring.release_if_empty(pool);
  CHECK_FALSE(ring.held());
  CHECK(pool.lent() == 0);
}

TEST_CASE("ring: received bytes are sent only after they were accepted") {
  BufferPool pool(full_bytes);
  Held held(pool, BufferClass::tiny);
  Ring& ring = held.ring;
  ring.append_unjudged(as_bytes("goodbad"));
  CHECK(ring.queued() == 0);
  CHECK(ring.unjudged() == 7);
  ring.accept(4);
  CHECK(queued_text(ring) == "good");
  CHECK(unjudged_text(ring) == "bad");
  ring.sent(2);
  CHECK(queued_text(ring) == "od");
  ring.drop_unjudged();
  CHECK(ring.unjudged() == 0);
  CHECK(queued_text(ring) == "od");
  CHECK(ring.room() == ring.capacity() - 2);
}

TEST_CASE("ring: trim takes back the end of what may be sent") {
  BufferPool pool(full_bytes);
  Held held(pool, BufferClass::tiny);
  Ring& ring = held.ring;
  ring.append(as_bytes("whole frame, half"));
  ring.trim(4);
  CHECK(queued_text(ring) == "whole frame, ");
  ring.append(as_bytes("close"));
  CHECK(queued_text(ring) == "whole frame, close");
  ring.trim(ring.queued());
  CHECK(ring.empty());
}

TEST_CASE("ring: a wrap makes two pieces, of room and of content") {
  BufferPool pool(full_bytes);
  Held held(pool, BufferClass::tiny);
  Ring& ring = held.ring;
  iovec pieces[2];
  move_near_end(ring, 3);
  REQUIRE(ring.room_pieces(pieces) == 2);
  CHECK(pieces[0].iov_len == 3);
  CHECK(pieces[1].iov_len == ring.capacity() - 4);
  ring.append_unjudged(as_bytes("wraparound"));
  REQUIRE(ring.unjudged_pieces(pieces) == 2);
  CHECK(pieces[0].iov_len == 3);
  CHECK(text_of(pieces, 2) == "wraparound");
  ring.accept(4);
  CHECK(queued_text(ring) == "-wrap");
  CHECK(unjudged_text(ring) == "around");
  CHECK(ring.room_pieces(pieces) == 1);
  ring.accept(6);
  ring.sent(11);
  // Empty, so it begins at the front and does not wrap.
  REQUIRE(ring.room_pieces(pieces) == 1);
  CHECK(pieces[0].iov_len == ring.capacity());
}

TEST_CASE("ring: a reserve is left out of the room") {
  BufferPool pool(full_bytes);
  Held held(pool, BufferClass::block);
  Ring& ring = held.ring;
  iovec pieces[2];
  REQUIRE(ring.room_pieces(pieces, 16) == 1);
  CHECK(pieces[0].iov_len == 240);
  ring.append(as_bytes(std::string(240, 'x')));
  CHECK(ring.room_pieces(pieces, 16) == 0);
  CHECK(ring.room_pieces(pieces, 15) == 1);
  CHECK(pieces[0].iov_len == 1);
}

TEST_CASE("ring: a move keeps both parts of a ring that wraps") {
  BufferPool pool(full_bytes);
  for (const BufferClass wanted : {BufferClass::tiny, BufferClass::full}) {
    Held held(pool, BufferClass::small);
    Ring& ring = held.ring;
    move_near_end(ring, 5);
    ring.append(as_bytes("judged|"));
    ring.append_unjudged(as_bytes("not judged"));
    ring.move_to(pool, wanted);
    CHECK(ring.capacity() == pool.bytes_of(wanted));
    CHECK(pool.lent() == 1);
    CHECK(queued_text(ring) == "-judged|");
    CHECK(unjudged_text(ring) == "not judged");
    CHECK(ring.room() == ring.capacity() - 18);
  }
}

TEST_CASE("ring: where the wanted class is used up, a move that cannot help leaves it as it is") {
  BufferPool pool(full_bytes, full_bytes + 2 * BufferPool::small_bytes);
  Held held(pool, BufferClass::full);
  Ring& ring = held.ring;
  const std::string content(10'000, 'c');
  ring.append(as_bytes(content));
  std::vector<Buffer> others(2);
  for (Buffer& buffer : others) buffer = pool.borrow(BufferClass::small);

  ring.move_to(pool, BufferClass::small);
  CHECK(ring.capacity() == full_bytes);
  CHECK(queued_text(ring) == content);
  CHECK(pool.lent() == others.size() + 1);

  pool.give_back(others.back());
  ring.move_to(pool, BufferClass::small);
  CHECK(ring.capacity() == BufferPool::small_bytes);
  CHECK(queued_text(ring) == content);
  others.pop_back();
  for (const Buffer& buffer : others) pool.give_back(buffer);
}

TEST_CASE("ring: a block grows into whatever ring is left") {
  BufferPool pool(full_bytes, full_bytes + BufferPool::small_bytes + BufferPool::block_bytes);
  Held other(pool, BufferClass::full);
  Held held(pool, BufferClass::block);
  held.ring.append_unjudged(as_bytes("head"));
  held.ring.move_to(pool, BufferClass::full);
  CHECK(held.ring.capacity() == BufferPool::small_bytes);
  CHECK(unjudged_text(held.ring) == "head");
  CHECK(pool.lent_blocks() == 0);
}

TEST_CASE("buffer pool: it is crowded once three quarters are held, wherever") {
  BufferPool pool(full_bytes, 4 * full_bytes);
  std::vector<Buffer> lent;
  for (int i = 0; i < 3; ++i) lent.push_back(pool.borrow(BufferClass::full));
  CHECK_FALSE(pool.crowded());
  pool.set_elsewhere(1);
  CHECK(pool.crowded());
  CHECK(pool.held_bytes() == 3 * full_bytes + 1);
  lent.push_back(pool.borrow(BufferClass::full));
  CHECK(lent.back().bytes == BufferPool::small_bytes);  // a full one is a byte too much
  for (const Buffer& buffer : lent) pool.give_back(buffer);
  CHECK_FALSE(pool.crowded());
}

TEST_CASE("ring: cursors that overflow 32 bits lose nothing") {
  BufferPool pool(full_bytes);
  Held held(pool, BufferClass::full);
  Ring& ring = held.ring;
  const size_t step = full_bytes - 1;
  ring.append(as_bytes("x"));  // never empty, so the cursors never begin again
  uint64_t passed = 1;
  while (passed < (uint64_t{1} << 32) - full_bytes) {
    ring.received(step);
    ring.accept(step);
    ring.sent(step);
    passed += step;
  }
  std::string expected;
  while (passed < (uint64_t{1} << 32) + full_bytes) {
    const std::string part = std::to_string(passed) + ",";
    ring.append(as_bytes(part));
    expected += part;
    passed += part.size();
    if (ring.queued() < 1000) continue;
    const size_t all = ring.queued();
    const std::string got = queued_text(ring);
    REQUIRE(got.size() == all);
    REQUIRE(std::equal(expected.rbegin(), expected.rend(), got.rbegin()));
    ring.sent(all - 1);
    expected = expected.substr(expected.size() - 1);
    CHECK(ring.room() == full_bytes - 1);
  }
}

}  // namespace
}  // namespace sluice
