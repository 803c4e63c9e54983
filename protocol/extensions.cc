// Parameters are compared without case and may be quoted (RFC 6455 9.1).
#include "protocol/extensions.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "protocol/http1.h"

namespace sluice {

namespace {

enum class Value : uint8_t { none, optional, required };

struct Parameter {
  std::string_view name;
  Value value;
};

// In an offer (RFC 7692 7.1.1, 7.1.2).
constexpr Parameter parameters[] = {{"server_no_context_takeover", Value::none},
                                    {"client_no_context_takeover", Value::none},
                                    {"server_max_window_bits", Value::required},
                                    {"client_max_window_bits", Value::optional}};

// 8 to 15 without leading zeros (RFC 7692 7.1.2), may be quoted.
bool is_window_bits(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  int bits = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bits);
  const bool whole = error == std::errc() && end == value.data() + value.size();
  return whole && value.front() != '0' && bits >= 8 && bits <= 15;
}

// The bit of a parameter that an offer may have, 0 for any other.
unsigned bit_of_parameter(std::string_view text) {
  const size_t equals = text.find('=');
  const bool has_value = equals != std::string_view::npos;
  const std::string_view name = without_blanks(text.substr(0, equals));
  const auto* known =
      std::find_if(std::begin(parameters), std::end(parameters),
                   [name](const Parameter& each) { return equals_ignoring_case(each.name, name); });
  if (known == std::end(parameters)) return 0;
  if (has_value ? known->value == Value::none : known->value == Value::required) return 0;
  if (has_value && !is_window_bits(without_blanks(text.substr(equals + 1)))) return 0;
  return 1u << (known - std::begin(parameters));
}

}  // namespace

bool names_deflate(std::string_view extension) {
  const std::string_view name = without_blanks(extension.substr(0, extension.find(';')));
  return equals_ignoring_case(name, "permessage-deflate");
}

bool deflate_offer_valid(std::string_view extension) {
  if (!names_deflate(extension)) return false;
  unsigned seen = 0;
  for (size_t begin = extension.find(';'); begin != std::string_view::npos;) {
    const size_t end = extension.find(';', begin + 1);
    const size_t length = end == std::string_view::npos ? end : end - begin - 1;
    const unsigned parameter =
        bit_of_parameter(without_blanks(extension.substr(begin + 1, length)));
    if (parameter == 0 || (seen & parameter) != 0) return false;
    seen |= parameter;
    begin = end;
  }
  return true;
}

}  // namespace sluice
