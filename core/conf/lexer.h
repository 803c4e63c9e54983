// The conf's lexer: a line becomes words. Blanks separate, double quotes hold together, '#' at a
// word's start begins a comment (core/DESIGN.md section 7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct SplitLine {
  std::vector<std::string> words;  // those before the problem, if there is one
  std::string problem;             // "" where the line is well-formed
  bool last_quoted = false;        // the last word stood in quotes
};

// `line` without its line feed; a final carriage return is dropped.
SplitLine split_line(std::string_view line);

}  // namespace sluice
