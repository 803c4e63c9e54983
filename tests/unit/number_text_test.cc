// Numbers as people read them.
#include "net/number_text.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("number text: a size in the largest unit of which it is a whole number") {
  CHECK(size_text(0) == "0");
  CHECK(size_text(1) == "1");
  CHECK(size_text(1023) == "1023");
  CHECK(size_text(1024) == "1k");
  CHECK(size_text(1536) == "1536");
  CHECK(size_text(256 << 10) == "256k");
  CHECK(size_text(16 << 20) == "16m");
  CHECK(size_text(uint64_t{1} << 40) == "1024g");
}

TEST_CASE("number text: digits in threes") {
  CHECK(grouped_text(0) == "0");
  CHECK(grouped_text(999) == "999");
  CHECK(grouped_text(1'000) == "1,000");
  CHECK(grouped_text(131'072) == "131,072");
  CHECK(grouped_text(UINT64_MAX) == "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace sluice
