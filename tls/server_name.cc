// Names are compared byte by byte: what is international has become ASCII before it comes here.
#include "tls/server_name.h"

#include <algorithm>
#include <cctype>

namespace sluice {

bool server_name_matches(std::string_view pattern, std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (pattern.starts_with("*.")) {
    const size_t label = name.find('.');
    if (label == 0 || label == std::string_view::npos) return false;
    name.remove_prefix(label);
    pattern.remove_prefix(1);
  }
  return std::equal(
      pattern.begin(), pattern.end(), name.begin(), name.end(),
      [](char a, unsigned char b) { return a == static_cast<char>(std::tolower(b)); });
}

}  // namespace sluice
