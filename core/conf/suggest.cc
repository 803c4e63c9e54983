// The usual dynamic programme over three rows.
#include "core/conf/suggest.h"

#include <algorithm>
#include <vector>

#include "protocol/ascii.h"

namespace sluice {

namespace {

// Longer words are not mistyped directives; this bounds the work that a binary file can cause.
constexpr size_t most_bytes = 64;

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > most_bytes) return "";
  size_t least = word.size() <= 3 ? 2 : 3;
  std::string_view found;
  const std::string lower = lower_case(word);
  for (const std::string_view candidate : candidates) {
    const size_t a = lower.size();
    const size_t b = candidate.size();
    if ((a > b ? a - b : b - a) >= least) continue;  // the distance is that at least
    const size_t distance = edit_distance(lower, lower_case(candidate));
    if (distance < least) {
      least = distance;
      found = candidate;
    }
  }
  return found;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view meant = nearest(word, candidates);
  return meant.empty() ? "" : ", did you mean \"" + std::string(meant) + "\"?";
}

}  // namespace sluice
