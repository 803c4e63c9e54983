// The terminal decides for ASCII alone: C1 controls and separators of lines are well-formed UTF-8.
#include "core/observe/json.h"

#include <nlohmann/json.hpp>

namespace sluice {

std::string line_of(const Json& value) {
  constexpr int in_one_line = -1;
  constexpr bool ascii_alone = true;
  return value.dump(in_one_line, ' ', ascii_alone, Json::error_handler_t::replace);
}

}  // namespace sluice
