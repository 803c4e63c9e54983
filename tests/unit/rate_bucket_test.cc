// RateBucket: exact over time, whatever is taken when.
#include "core/session/rate_bucket.h"

#include <doctest/doctest.h>

#include <random>

namespace sluice {
namespace {

TEST_CASE("rate_bucket: the burst at once, then what the rate brings") {
  const BucketLimit limit{100, 5};
  RateBucket bucket;
  CHECK(bucket.left(limit, 1'000) == 5);
  bucket.take(5, limit, 1'000);
  CHECK(bucket.left(limit, 1'000) == 0);
  CHECK(bucket.left(limit, 1'009) == 0);
  CHECK(bucket.left(limit, 1'010) == 1);
  CHECK(bucket.wait_ms(limit, 1'000) == 10);
  CHECK(bucket.wait_ms(limit, 1'010) == 0);
  CHECK(bucket.left(limit, 9'000) == 5);
}

TEST_CASE("rate_bucket: what was taken too much is awaited") {
  const BucketLimit limit{1'000, 50};
  RateBucket bucket;
  bucket.take(50, limit, 0);
  CHECK_FALSE(bucket.exceeded(limit, 0));
  bucket.take(100, limit, 0);
  CHECK(bucket.exceeded(limit, 0));
  CHECK(bucket.left(limit, 100) == 0);
  CHECK(bucket.left(limit, 101) == 1);
  CHECK(bucket.wait_ms(limit, 0) == 110);
}

TEST_CASE("rate_bucket: a burst that no timer can portion is what 20 ms bring") {
  CHECK(BucketLimit{1'000, 1}.most() == 20);
  CHECK(BucketLimit{10, 1}.most() == 1);
}

// Whoever takes all there is whenever a look is worth it gets what the rate brings, within a look.
TEST_CASE("rate_bucket: over ten seconds it is exact") {
  std::mt19937 random(7);
  for (const uint64_t rate : {1u, 3u, 10u, 999u, 100'000u, 1u << 30}) {
    for (const uint64_t burst : {uint64_t{1}, rate, 7 * rate}) {
      CAPTURE(rate);
      CAPTURE(burst);
      const BucketLimit limit{rate, burst};
      RateBucket bucket;
      uint32_t now_ms = 0xffffff00u;  // wraps soon
      const uint32_t begin_ms = now_ms;
      uint64_t sum = 0;
      while (now_ms - begin_ms < 10'000) {
        const uint64_t left = bucket.left(limit, now_ms);
        bucket.take(left, limit, now_ms);
        sum += left;
        now_ms += bucket.wait_ms(limit, now_ms) + static_cast<uint32_t>(random() % 3);
      }
      CHECK(sum <= limit.most() + rate * 10);
      CHECK(sum * 100 >= rate * 10 * 95);
    }
  }
}

TEST_CASE("rate_bucket: the largest values do not overflow") {
  const BucketLimit limit{uint64_t{1} << 40, uint64_t{1} << 40};
  RateBucket bucket;
  bucket.take(uint64_t{1} << 40, limit, 0);
  CHECK(bucket.left(limit, 0) == 0);
  CHECK(bucket.left(limit, UINT32_MAX) == uint64_t{1} << 40);
}

}  // namespace
}  // namespace sluice
