// sip_hash: the vectors of its authors, and that the secret decides.
#include "net/sip_hash.h"

#include <doctest/doctest.h>

#include <vector>

namespace sluice {
namespace {

// The key 00 01 ... 0f.
constexpr SipKey vector_key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::vector<uint8_t> counting(size_t bytes) {
  std::vector<uint8_t> all(bytes);
  for (size_t i = 0; i < bytes; ++i) all[i] = static_cast<uint8_t>(i);
  return all;
}

TEST_CASE("sip hash: the vectors of its authors") {
  CHECK(sip_hash(vector_key, {}) == 0x726fdb47dd0e0e31);
  CHECK(sip_hash(vector_key, counting(1)) == 0x74f839c593dc67fd);
  CHECK(sip_hash(vector_key, counting(8)) == 0x93f5f5799a932462);
  CHECK(sip_hash(vector_key, counting(15)) == 0xa129ca6149be45e5);  // the paper's own
}

TEST_CASE("sip hash: another secret, another hash") {
  const std::vector<uint8_t> bytes = counting(16);
  CHECK(sip_hash({1, 2}, bytes) != sip_hash({1, 3}, bytes));
  CHECK(sip_hash({1, 2}, bytes) != sip_hash({2, 2}, bytes));
}

}  // namespace
}  // namespace sluice
