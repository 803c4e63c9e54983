// LargeBlocks: what it serves, which block comes next, and which pages stay.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "tls/large_blocks.h"

namespace sluice {

TEST_CASE("large blocks: only sizes of the kind, each its own, the latest one first") {
  const auto blocks = std::make_unique<LargeBlocks>();
  CHECK(blocks->take(LargeBlocks::block_bytes) == nullptr);  // not opened
  REQUIRE(blocks->open());
  CHECK(blocks->take(LargeBlocks::least_bytes - 1) == nullptr);
  CHECK(blocks->take(LargeBlocks::block_bytes + 1) == nullptr);

  CHECK(blocks->take(LargeBlocks::flight_bytes + 1) == nullptr);
  void* const one = blocks->take(LargeBlocks::flight_bytes);
  void* const other = blocks->take(LargeBlocks::block_bytes);
  REQUIRE(one != nullptr);
  REQUIRE(other != nullptr);
  std::memset(one, 1, LargeBlocks::block_bytes);
  std::memset(other, 2, LargeBlocks::block_bytes);
  CHECK(static_cast<uint8_t*>(one)[LargeBlocks::block_bytes - 1] == 1);
  CHECK(blocks->owns(one));
  CHECK(blocks->taken() == 2);

  CHECK(blocks->give_back(one));
  CHECK(blocks->taken() == 1);
  CHECK(blocks->take(16'712) == one);
  int elsewhere = 0;
  CHECK_FALSE(blocks->owns(&elsewhere));
  CHECK_FALSE(blocks->give_back(&elsewhere));
  CHECK_FALSE(blocks->give_back(nullptr));
}

TEST_CASE("large blocks: of a crowd a few stay warm, the others' pages go back") {
  const auto blocks = std::make_unique<LargeBlocks>();
  REQUIRE(blocks->open());
  constexpr size_t crowd = LargeBlocks::most_warm + 5;
  std::vector<uint8_t*> taken;
  for (size_t i = 0; i < crowd; ++i) {
    taken.push_back(static_cast<uint8_t*>(blocks->take(LargeBlocks::block_bytes)));
    REQUIRE(taken.back() != nullptr);
    std::memset(taken.back(), 7, LargeBlocks::block_bytes);
  }
  for (uint8_t* block : taken) CHECK(blocks->give_back(block));
  CHECK(blocks->taken() == 0);

  std::set<uint8_t*> again;
  for (size_t i = 0; i < crowd; ++i) {
    auto* const block = static_cast<uint8_t*>(blocks->take(LargeBlocks::block_bytes));
    CHECK(block[0] == (i < LargeBlocks::most_warm ? 7 : 0));  // the warm ones come first
    again.insert(block);
  }
  CHECK(again == std::set<uint8_t*>(taken.begin(), taken.end()));
}

TEST_CASE("large blocks: an end, after which the heap has to serve") {
  const auto blocks = std::make_unique<LargeBlocks>();
  REQUIRE(blocks->open());
  std::vector<void*> taken;
  while (void* block = blocks->take(LargeBlocks::least_bytes)) taken.push_back(block);
  CHECK(taken.size() == LargeBlocks::most_blocks);
  for (void* block : taken) REQUIRE(blocks->give_back(block));
  CHECK(blocks->take(LargeBlocks::least_bytes) != nullptr);
}

}  // namespace sluice
