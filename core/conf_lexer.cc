// The lexer is strict where a typing error would otherwise pass for a value: a quote in the middle
// of a word, text glued to a closing quote, control bytes.
#include "core/conf_lexer.h"

#include <algorithm>

namespace sluice {

namespace {

bool is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

bool is_control(char byte) {
  const auto number = static_cast<unsigned char>(byte);
  return (number < 0x20 && byte != '\t') || number == 0x7f;
}

std::string control_byte_problem(char byte) {
  if (byte == '\r') return "a carriage return (0x0d) that does not end the line";
  static constexpr char digits[] = "0123456789abcdef";
  const auto number = static_cast<unsigned char>(byte);
  return std::string("control byte 0x") + digits[number >> 4] + digits[number & 15] +
         " in the line";
}

// Reads a quoted word; `at` stands on its opening quote and is moved behind the closing one.
// Returns the problem, or "".
std::string read_quoted(std::string_view line, size_t& at, std::string& word) {
  for (++at; at < line.size(); ++at) {
    if (line[at] == '"') {
      ++at;
      if (at < line.size() && !is_blank(line[at])) return "text right behind a closing quote";
      return "";
    }
    const bool escape =
        line[at] == '\\' && at + 1 < line.size() && (line[at + 1] == '"' || line[at + 1] == '\\');
    if (escape) ++at;
    word += line[at];
  }
  return "the quote is not closed on this line";
}

std::string read_plain(std::string_view line, size_t& at, std::string& word) {
  for (; at < line.size() && !is_blank(line[at]); ++at) {
    if (line[at] == '"') {
      return "a quote in the middle of a word: quote the whole word and write \\\" inside";
    }
    word += line[at];
  }
  return "";
}

}  // namespace

SplitLine split_line(std::string_view line) {
  SplitLine split;
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto control = std::find_if(line.begin(), line.end(), is_control);
  if (control != line.end()) {
    split.problem = control_byte_problem(*control);
    return split;
  }
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size() || line[at] == '#') return split;
    std::string word;
    split.problem = line[at] == '"' ? read_quoted(line, at, word) : read_plain(line, at, word);
    if (!split.problem.empty()) return split;
    split.words.push_back(std::move(word));
  }
}

}  // namespace sluice
