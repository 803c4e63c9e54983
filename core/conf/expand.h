// ${env:NAME} and ${file:PATH}: how secrets come into a conf. Also where relative paths begin.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/inputs.h"

namespace sluice {

// A reference to a file begins with this.
inline constexpr std::string_view file_reference_prefix = "file:";

// A part of an expanded text: bytes `begin` to `end`.
struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// A part of a text as it stands in a conf: plain text, an "$${" that is a literal "${", or a
// reference, whose `text` is the part between its braces.
struct TextPiece {
  enum class Kind { plain, escaped, reference };

  Kind kind;
  std::string_view text;
};

// The text from left to right, as views into it: of several dollars before a brace each pair stays
// as it is but the last. A ConfProblem is thrown where a "${" has no "}".
std::vector<TextPiece> split_references(const std::string& text);

// Expands every reference in `text` by `inputs`; relative paths begin at `folder` ("" or with its
// final '/'). A ConfProblem is thrown that names the reference, never its value. Where `verbatim`
// is given, it gets the parts of the result in which a "$" means itself: values, and "${" of "$${".
std::string expand(ConfInputs& inputs, const std::string& text, const std::string& folder,
                   std::vector<Span>* verbatim = nullptr);

// `path` itself where it is absolute, else under `folder`.
std::string resolve_path(const std::string& folder, const std::string& path);
// "/etc/sluice/" of "/etc/sluice/x.conf", "" of "x.conf".
std::string folder_of(const std::string& path);
// "/run/sluice/" of "/run/sluice/x.sock", "" of what is not right in a folder of /run. /run is
// empty when a machine has started, so a program makes its own folder there.
std::string run_folder_of(const std::string& path);

}  // namespace sluice
