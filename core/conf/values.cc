// All numbers are whole and decimal; a number that does not fit is out of range like any other.
#include "core/conf/values.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

#include "core/observe/limit_text.h"

namespace sluice {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr Unit size_units[] = {{"", 1},        {"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20},
                               {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30}};

constexpr uint64_t too_large = std::numeric_limits<uint64_t>::max();

// Splits "10s" into 10 and "s"; a number beyond 64 bits becomes the largest. False without digits.
bool split_number(std::string_view text, uint64_t& value, std::string_view& unit) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::invalid_argument) return false;
  if (error == std::errc::result_out_of_range) value = too_large;
  unit = std::string_view(rest, static_cast<size_t>(end - rest));
  return true;
}

template <size_t count>
bool read_quantity(std::string_view text, const Unit (&units)[count], uint64_t& value) {
  std::string_view name;
  if (!split_number(text, value, name)) return false;
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    value = value > too_large / unit.factor ? too_large : value * unit.factor;
    return true;
  }
  return false;
}

}  // namespace

uint32_t time_ms(const Word& word) {
  uint64_t value = 0;
  if (!read_quantity(word.value, time_units, value)) {
    throw ConfProblem{quoted(word.text) +
                      " is not a time: write a number with its unit, as in 500ms, 10s, 5m or 1h"};
  }
  if (value == 0 || value > most_timeout_ms) {
    throw ConfProblem{quoted(word.text) + " is out of range: 1ms to 576h"};
  }
  return static_cast<uint32_t>(value);
}

uint32_t time_ms_or_off(const Word& word) {
  return word.value == "off" ? 0 : or_else(", or off", [&] { return time_ms(word); });
}

uint64_t size_bytes(const Word& word, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  if (!read_quantity(word.value, size_units, value)) {
    throw ConfProblem{quoted(word.text) +
                      " is not a size: write bytes, or a number with k, m or g, as in 16k"};
  }
  if (value < least || value > most) {
    throw ConfProblem{quoted(word.text) + " is out of range: " + size_text(least) + " to " +
                      size_text(most)};
  }
  return value;
}

bool switch_on(const Word& word) {
  if (word.value == "on") return true;
  if (word.value == "off") return false;
  throw ConfProblem{quoted(word.text) + " is neither on nor off"};
}

uint32_t number(const Word& word, uint32_t least, uint32_t most) {
  uint64_t value = 0;
  std::string_view rest;
  if (!split_number(word.value, value, rest) || !rest.empty() || value < least || value > most) {
    throw ConfProblem{quoted(word.text) + " is not a number from " + std::to_string(least) +
                      " to " + std::to_string(most)};
  }
  return static_cast<uint32_t>(value);
}

uint32_t number_or_off(const Word& word, uint32_t least, uint32_t most) {
  return word.value == "off" ? 0 : or_else(", or off", [&] { return number(word, least, most); });
}

uint32_t named_number(const Word& word, const std::string& name, uint32_t least, uint32_t most) {
  const std::string prefix = name + "=";
  const std::string wanted =
      prefix + "N, with N from " + std::to_string(least) + " to " + std::to_string(most);
  const bool named = word.value.starts_with(prefix);
  uint64_t value = 0;
  std::string_view rest;
  if (!named || !split_number(std::string_view(word.value).substr(prefix.size()), value, rest) ||
      !rest.empty() || value < least || value > most) {
    throw ConfProblem{quoted(word.text) + " is not " + wanted};
  }
  return static_cast<uint32_t>(value);
}

mode_t mode_of(const std::string& value, const Word& word) {
  const bool octal = value.size() >= 3 && value.size() <= 4 &&
                     value.size() == std::strspn(value.c_str(), "01234567");
  const unsigned long mode = octal ? std::strtoul(value.c_str(), nullptr, 8) : 01000;
  if (mode > 0777) {
    throw ConfProblem{quoted(word.text) + ": the mode is octal, 000 to 0777, as in mode=0660"};
  }
  return static_cast<mode_t>(mode);
}

}  // namespace sluice
