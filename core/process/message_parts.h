// Parts of messages between processes of one machine and one program: plain structs, as they lie in
// memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace sluice {

template <class Head>
void put(std::vector<uint8_t>& payload, const Head& head) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&head);
  payload.insert(payload.end(), bytes, bytes + sizeof head);
}

// Takes it from the beginning of `bytes`; false where there are too few.
template <class Head>
bool take(std::span<const uint8_t>& bytes, Head& head) {
  if (bytes.size() < sizeof head) return false;
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes = bytes.subspan(sizeof head);
  return true;
}

}  // namespace sluice
