// The load tools' histogram and message pattern.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tests/load/bench_histogram.h"
#include "tests/load/bench_pattern.h"
#include "tests/load/common_masking.h"

using namespace sluice::load;

namespace {

std::vector<uint8_t> whole_payload(const Message& message, uint64_t payload_bytes) {
  std::vector<uint8_t> bytes;
  while (bytes.size() < payload_bytes) {
    const std::span<const uint8_t> piece = message.piece(bytes.size());
    REQUIRE_FALSE(piece.empty());
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
  return bytes;
}

}  // namespace

TEST_CASE("histogram: nothing was added") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.quantile(0.5) == 0);
  CHECK(histogram.max() == 0);
}

TEST_CASE("histogram: small values are exact") {
  Histogram histogram;
  for (uint64_t value = 1; value <= 50; ++value) histogram.add(value);
  CHECK(histogram.quantile(0) == 1);
  CHECK(histogram.quantile(0.5) == 25);
  CHECK(histogram.quantile(1) == 50);
}

TEST_CASE("histogram: one value of any size is within three percent, and max is exact") {
  for (uint64_t value = 1; value < Histogram::most_value / 3; value = value * 3 + 1) {
    Histogram histogram;
    histogram.add(value);
    histogram.add(Histogram::most_value);
    const double got = static_cast<double>(histogram.quantile(0.5));
    CHECK(std::abs(got - static_cast<double>(value)) <= 0.03 * static_cast<double>(value));
    CHECK(histogram.max() == Histogram::most_value);
  }
}

TEST_CASE("histogram: values beyond its range count as the greatest") {
  Histogram histogram;
  histogram.add(UINT64_MAX);
  CHECK(histogram.max() == Histogram::most_value);
  CHECK(histogram.quantile(0.5) <= Histogram::most_value);
}

TEST_CASE("histogram: quantiles agree with sorted values, also added up from two") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(11, 2);
  std::vector<uint64_t> values;
  Histogram even, odd;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<uint64_t>(latency(random)));
    (i % 2 == 0 ? even : odd).add(values.back());
  }
  even.add(odd);
  std::sort(values.begin(), values.end());
  for (const double q : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<size_t>(std::ceil(q * 20'000)) - 1;
    const double wanted = static_cast<double>(values[rank]);
    CHECK(std::abs(static_cast<double>(even.quantile(q)) - wanted) <= 0.03 * wanted);
  }
  CHECK(even.count() == values.size());
  CHECK(even.max() == values.back());
}

TEST_CASE("pattern: a message is the same from any offset and differs from its neighbours") {
  const Pattern pattern(false);
  for (const uint64_t size : {1u, 7u, 8u, 9u, 125u, 70'000u, 200'000u}) {
    const Message message(pattern, 3, 41, size);
    const std::vector<uint8_t> whole = whole_payload(message, size);
    CHECK(whole.size() == size);
    for (uint64_t offset = 0; offset < size; offset += 1 + size / 97) {
      const std::span<const uint8_t> piece = message.piece(offset);
      REQUIRE(piece.size() <= size - offset);
      CHECK(std::memcmp(piece.data(), whole.data() + offset, piece.size()) == 0);
    }
    if (size < 8) continue;
    CHECK(whole != whole_payload(Message(pattern, 3, 42, size), size));
    CHECK(whole != whole_payload(Message(pattern, 4, 41, size), size));
  }
}

TEST_CASE("masking agrees with RFC 6455 5.3 for all lengths and offsets") {
  const uint8_t key[4] = {0x12, 0x34, 0xab, 0xcd};
  std::vector<uint8_t> in(100);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i * 7);
  for (size_t size = 0; size <= in.size(); ++size) {
    for (uint64_t offset = 0; offset < 9; ++offset) {
      std::vector<uint8_t> out(size);
      mask_copy(out.data(), in.data(), size, key, offset);
      bool same = true;
      for (size_t i = 0; i < size; ++i) same = same && out[i] == (in[i] ^ key[(offset + i) % 4]);
      CHECK(same);
    }
  }
}
