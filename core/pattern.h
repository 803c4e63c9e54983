// Pattern: a regular expression of a conf, in RE2's syntax: it takes time in proportion to what it
// looks at, whatever a client sends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace sluice {

// A value; a copy is compiled anew. One that was not compiled is none.
class Pattern {
 public:
  Pattern();
  Pattern(const Pattern& other);
  Pattern(Pattern&& other) noexcept;
  Pattern& operator=(Pattern other) noexcept;
  ~Pattern();

  // Bytes are looked at, not letters: "." is any byte, a line end as well. Where the text is no
  // regular expression, or one that takes too much memory, nothing, and RE2's words in `wrong`.
  static std::optional<Pattern> compile(std::string_view text, std::string& wrong);

  explicit operator bool() const { return compiled_ != nullptr; }
  // Whether it matches anywhere in the text; "^" and "$" are its beginning and its end.
  bool found_in(std::string_view text) const;
  // How many groups it has, those in groups counted.
  int groups() const;
  // `to` with what its groups matched, cited as \1 to \9, \\ being a plain \; nothing where the
  // pattern is not found. It has the groups.
  std::optional<std::string> rewritten(std::string_view text, std::string_view to) const;
  // As the conf has it; "" of none.
  std::string_view text() const;

 private:
  std::unique_ptr<const re2::RE2> compiled_;  // null: none
};

}  // namespace sluice
