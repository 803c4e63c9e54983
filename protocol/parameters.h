// Parameters of a query and cookies of a Cookie field: named values as they stand there. Nothing is
// copied but where an escape is undone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "protocol/head.h"

namespace sluice {

// The first place of that byte; the text's size where it has none.
inline size_t place_of(char byte, std::string_view text) {
  return static_cast<size_t>(std::find(text.begin(), text.end(), byte) - text.begin());
}

// Calls visit(name, value) for each NAME[=VALUE] between the '&' of a query without its '?', as
// they are spelled; the value is "" where there is none.
template <class Visit>
void for_each_parameter(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const size_t end = place_of('&', query);
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = place_of('=', pair);
    if (!pair.empty())
      visit(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
  }
}

// The same for the NAME=VALUE pairs between the semicolons of one Cookie field (RFC 6265 4.2.1).
template <class Visit>
void for_each_cookie(std::string_view field, Visit visit) {
  while (!field.empty()) {
    const size_t end = place_of(';', field);
    const std::string_view pair = without_blanks(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    const size_t equals = place_of('=', pair);
    if (equals < pair.size()) visit(pair.substr(0, equals), pair.substr(equals + 1));
  }
}

// A parameter's name or value without its escapes; '+' is a blank (WHATWG URL 5.1). A '%' without
// two hex digits behind it stays.
std::string decoded_parameter(std::string_view spelled);

}  // namespace sluice
