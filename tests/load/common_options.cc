// Option tables and values.
#include "tests/load/common_options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

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

void print_row(const std::string& left, const char* help) {
  std::printf("  %-28s %s\n", left.c_str(), help);
}

void print_help(const CommandLine& line) {
  std::printf("usage: %s %s\n", line.program, line.usage);
  for (const Option& option : line.options) {
    std::string left = option.letter != '\0' ? std::string("-") + option.letter + ", " : "";
    left += option.name;
    if (option.value != nullptr) left.append(" ").append(option.value);
    print_row(left, option.help);
  }
  print_row("--version", "prints the version");
  print_row("-h, --help", "prints this");
}

// The option that a word names, and the value that stands in the same word, if one does.
const Option* find_option(const CommandLine& line, std::string_view word,
                          std::optional<std::string>& value) {
  const bool is_long = word.starts_with("--");
  const size_t end = is_long ? word.find('=') : 2;
  for (const Option& option : line.options) {
    const bool named =
        is_long ? word.substr(0, end) == option.name : word.size() > 1 && word[1] == option.letter;
    if (!named) continue;
    if (end < word.size()) value = word.substr(is_long ? end + 1 : end);
    return &option;
  }
  return nullptr;
}

// Takes one option with its value, which may be `next`. Returns -1 to go on, else the exit status.
int apply_option(const CommandLine& line, const std::string& word, const char* next,
                 bool& next_taken) {
  std::optional<std::string> value;
  const Option* option = find_option(line, word, value);
  if (option == nullptr) {
    return refuse(line.program, "no such option: " + word + " (--help lists them)");
  }
  const std::string name = option->name;
  const bool takes_value = option->value != nullptr;
  if (!takes_value && value.has_value()) return refuse(line.program, name + " takes no value");
  next_taken = takes_value && !value.has_value();
  if (next_taken && next == nullptr) {
    return refuse(line.program, name + " needs a value: " + option->value);
  }
  if (next_taken) value = next;
  if (option->set(value.value_or(""))) return -1;
  std::string message = "bad value for " + name + ": \"" + value.value_or("") + "\" (" + name;
  if (takes_value) message.append(" ").append(option->value);
  return refuse(line.program, message + ": " + option->help + ")");
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
    if (word == "--version") {
      std::printf("%s %s\n", line.program, SLUICE_VERSION);
      return 0;
    }
    if (!word.starts_with("-")) {
      words.push_back(word);
      continue;
    }
    bool next_taken = false;
    const char* next = i + 1 < count ? arguments[i + 1] : nullptr;
    if (const int status = apply_option(line, word, next, next_taken); status >= 0) return status;
    if (next_taken) ++i;
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
