// Command lines of the load tools: one table row per option, and the values that options take.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::load {

// One option. `set` gets the word behind it ("" for switches) and returns false where it is bad.
struct Option {
  const char* name;   // "--threads"
  const char* value;  // what stands behind it in the help, nullptr for a switch
  const char* help;   // what it does; for a bad value, also what was expected
  std::function<bool(std::string_view)> set;
  char letter = '\0';  // its short form, "-t"; '\0' where it has none
};

struct CommandLine {
  const char* program;
  const char* usage;  // "URL [options]"
  std::span<const Option> options;
};

// Applies every option; other words are `words`. A value is the next word, or stands behind "=" or
// right behind the letter. Returns -1 to go on, else the exit status: 0 after --help or --version,
// 2 after one line on stderr that says what is wrong.
int read_command_line(const CommandLine& line, int count, char** arguments,
                      std::vector<std::string>& words);

// "sluice-bench: message" on stderr; returns 2, the exit status of a bad command line.
int refuse(const char* program, const std::string& message);

// Plain decimal within the bounds.
bool read_number(std::string_view text, uint64_t least, uint64_t most, uint64_t& number);
bool read_number(std::string_view text, uint32_t least, uint32_t most, uint32_t& number);
// Decimal with an optional k, m or g (powers of 1024).
bool read_size(std::string_view text, uint64_t most, uint64_t& bytes);
// "500ms", "5s", "1m" or "1h", not zero.
bool read_duration(std::string_view text, uint64_t& ms);

}  // namespace sluice::load
