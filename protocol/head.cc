// What every reader of a head asks of its fields.
#include "protocol/head.h"

#include <algorithm>

#include "protocol/ascii.h"

namespace sluice {

const std::string_view* Head::find(std::string_view name) const {
  for (const HeaderField& field : fields) {
    if (equals_ignoring_case(field.name, name)) return &field.value;
  }
  return nullptr;
}

size_t Head::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(
      fields.begin(), fields.end(),
      [name](const HeaderField& field) { return equals_ignoring_case(field.name, name); }));
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return lower_case(x) == lower_case(y);
         });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char byte) {
    return (byte >= '0' && byte <= '9') || (lower_case(byte) >= 'a' && lower_case(byte) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos;
  });
}

std::string_view without_blanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool has_list_token(const Head& head, std::string_view name, std::string_view token) {
  const std::vector<std::string_view> elements = list_elements(head, name);
  return std::any_of(elements.begin(), elements.end(), [token](std::string_view element) {
    return equals_ignoring_case(element, token);
  });
}

std::vector<std::string_view> list_elements(const Head& head, std::string_view name) {
  std::vector<std::string_view> elements;
  for (const HeaderField& field : head.fields) {
    if (!equals_ignoring_case(field.name, name)) continue;
    for_each_element(field.value,
                     [&elements](std::string_view element) { elements.push_back(element); });
  }
  return elements;
}

// Blanks, visible bytes and obs-text (RFC 9110 5.5).
bool header_value_valid(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char byte) {
    const auto number = static_cast<unsigned char>(byte);
    return number == '\t' || (number >= 0x20 && number != 0x7f);
  });
}

}  // namespace sluice
