// Spelling numbers; reading them is the conf's.
#include "net/number_text.h"

#include <string_view>

namespace sluice {

std::string size_text(uint64_t bytes) {
  struct Unit {
    std::string_view name;
    uint64_t factor;
  };
  static constexpr Unit units[] = {{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}};
  for (const Unit& unit : units) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

std::string grouped_text(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t end = text.size(); end > 3;) text.insert(end -= 3, 1, ',');
  return text;
}

}  // namespace sluice
