// Near misses: what somebody may have meant by an unknown word.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice {

// Damerau-Levenshtein distance with adjacent swaps (each swapped pair edited once).
size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate, or "" where none is within two edits (one, for words of up to three
// bytes), letters of either case being the same. The earlier one where two are equally near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// `, did you mean "upstream"?`, or "".
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace sluice
