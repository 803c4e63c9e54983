// sip_hash: SipHash-2-4 (Aumasson and Bernstein, 2012), a hash with a secret: who does not know the
// secret cannot choose inputs that fall together.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace sluice {

// 16 random bytes, as two numbers.
using SipKey = std::array<uint64_t, 2>;

uint64_t sip_hash(const SipKey& key, std::span<const uint8_t> bytes);

}  // namespace sluice
