// Queries and Cookie fields: what is found in them lies in them, in order, and whoever writes the
// pairs down again finds the same. Undoing escapes makes nothing longer, and what has none stays.
#include <string>
#include <utility>
#include <vector>

#include "net/check.h"
#include "protocol/parameters.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// `for_each` is one of the two walks; pairs must come in order and lie in the text.
template <class ForEach>
Pairs pairs_in(std::string_view text, ForEach for_each) {
  Pairs pairs;
  const char* behind = text.data();
  for_each(text, [&](std::string_view name, std::string_view value) {
    SLUICE_CHECK(name.data() >= behind && name.find('=') == std::string_view::npos);
    SLUICE_CHECK(value.empty() || value.data() == name.data() + name.size() + 1);
    SLUICE_CHECK(value.empty() || value.data() + value.size() <= text.data() + text.size());
    behind = name.data() + name.size();
    pairs.emplace_back(name, value);
  });
  return pairs;
}

template <class ForEach>
void check_again(const Pairs& pairs, const char* joint, ForEach for_each) {
  std::string again;
  for (const auto& [name, value] : pairs) {
    again += (again.empty() ? "" : joint) + name + "=" + value;
  }
  SLUICE_CHECK(pairs_in(again, for_each) == pairs);
}

void check_decoded(const std::string& spelled) {
  const std::string decoded = decoded_parameter(spelled);
  SLUICE_CHECK(decoded.size() <= spelled.size());
  if (spelled.find_first_of("%+") == std::string::npos) SLUICE_CHECK(decoded == spelled);
  std::string escaped;
  for (const char byte : spelled) {
    static constexpr char digits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    escaped.append(1, '%').append(1, digits[value >> 4]).append(1, digits[value & 15]);
  }
  SLUICE_CHECK(decoded_parameter(escaped) == spelled);
}

void run(std::string_view text) {
  const auto parameters = [](std::string_view query, auto visit) {
    for_each_parameter(query, visit);
  };
  const auto cookies = [](std::string_view field, auto visit) { for_each_cookie(field, visit); };
  const Pairs found = pairs_in(text, parameters);
  check_again(found, "&", parameters);
  for (const auto& [name, value] : found) {
    check_decoded(name);
    check_decoded(value);
  }
  check_again(pairs_in(text, cookies), "; ", cookies);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
