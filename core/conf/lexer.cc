// The lexer is strict where a typing error would otherwise pass for a value: a quote in the middle
// of a word, text glued to a closing quote, control bytes.
#include "core/conf/lexer.h"

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

// Quotes of other languages and of word processors, which would otherwise be bytes of the value.
std::string foreign_quote_problem(std::string_view rest) {
  static constexpr std::string_view typographic[] = {"\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a",
                                                     "\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e",
                                                     "\xc2\xab",     "\xc2\xbb"};
  for (const std::string_view quote : typographic) {
    if (rest.starts_with(quote)) {
      return "typographic quotes hold no word together; write plain double quotes (\")";
    }
  }
  const size_t closing = rest.starts_with('\'') ? rest.find('\'', 1) : std::string_view::npos;
  const bool ends_word = closing != std::string_view::npos &&
                         (closing + 1 == rest.size() || is_blank(rest[closing + 1]));
  return ends_word ? "single quotes hold no word together; write double quotes (\"), around the "
                     "single ones where those are meant"
                   : "";
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
    split.last_quoted = line[at] == '"';
    split.problem = foreign_quote_problem(line.substr(at));
    if (!split.problem.empty()) return split;
    split.problem = split.last_quoted ? read_quoted(line, at, word) : read_plain(line, at, word);
    if (!split.problem.empty()) return split;
    split.words.push_back(std::move(word));
  }
}

}  // namespace sluice
