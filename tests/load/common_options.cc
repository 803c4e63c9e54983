// Option tables and values.
#include "tests/load/common_options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace sluice::load {

namespace {

constexpr uint64_t most_milliseconds = 30ull * 24 * 3600 * 1000;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// The number and what stands behind it; false where there is no number.
bool split_number(std::string_view text, uint64_t& number, std::string_view& rest) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop == text.data()) return false;
  rest = text.substr(static_cast<size_t>(stop - text.data()));
  return true;
}

bool read_with_unit(std::string_view text, std::span<const Unit> units, uint64_t most,
                    uint64_t& out) {
  uint64_t number = 0;
  std::string_view rest;
  if (!split_number(text, number, rest)) return false;
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == rest; });
  if (unit == units.end() || number > most / unit->factor) return false;
  out = number * unit->factor;
  return true;
}

void print_help(const CommandLine& line) {
  std::printf("usage: %s %s\n", line.program, line.usage);
  for (const Option& option : line.options) {
    const std::string left = std::string(option.name) + (option.value != nullptr ? " " : "") +
                             (option.value != nullptr ? option.value : "");
    std::printf("  %-26s %s\n", left.c_str(), option.help);
  }
  std::printf("  %-26s %s\n", "--help", "prints this");
}

}  // namespace

int read_command_line(const CommandLine& line, int count, char** arguments,
                      std::vector<std::string>& words) {
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--help" || word == "-h") {
      print_help(line);
      return 0;
    }
    if (!word.starts_with("-")) {
      words.push_back(word);
      continue;
    }
    const auto option = std::find_if(line.options.begin(), line.options.end(),
                                     [&](const Option& each) { return word == each.name; });
    if (option == line.options.end()) {
      return refuse(line.program, "no such option: " + word + " (--help lists them)");
    }
    const bool takes_value = option->value != nullptr;
    if (takes_value && i + 1 >= count) {
      return refuse(line.program, word + " needs a value: " + option->value);
    }
    const std::string value = takes_value ? arguments[++i] : "";
    if (!option->set(value)) {
      return refuse(line.program, "bad value for " + word + ": \"" + value + "\" (" + word + " " +
                                      option->value + ": " + option->help + ")");
    }
  }
  return -1;
}

int refuse(const char* program, const std::string& message) {
  std::string line = message;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = '?';  // it quotes what was given
  }
  std::fprintf(stderr, "%s: %s\n", program, line.c_str());
  return 2;
}

bool read_number(std::string_view text, uint64_t least, uint64_t most, uint64_t& number) {
  uint64_t value = 0;
  std::string_view rest;
  if (!split_number(text, value, rest) || !rest.empty()) return false;
  if (value < least || value > most) return false;
  number = value;
  return true;
}

bool read_number(std::string_view text, uint32_t least, uint32_t most, uint32_t& number) {
  uint64_t value = 0;
  if (!read_number(text, uint64_t{least}, uint64_t{most}, value)) return false;
  number = static_cast<uint32_t>(value);
  return true;
}

bool read_size(std::string_view text, uint64_t most, uint64_t& bytes) {
  static constexpr Unit units[] = {{"", 1}, {"k", 1u << 10}, {"m", 1u << 20}, {"g", 1u << 30}};
  return read_with_unit(text, units, most, bytes);
}

bool read_duration(std::string_view text, uint64_t& ms) {
  static constexpr Unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  uint64_t value = 0;
  if (!read_with_unit(text, units, most_milliseconds, value) || value == 0) return false;
  ms = value;
  return true;
}

}  // namespace sluice::load
