// What RE2 may hold of a pattern is bounded: the program, and the states that it makes of it while
// it matches. Where those run short it goes on without them, more slowly.
#include "core/pattern.h"

#include <re2/re2.h>

#include <utility>

namespace sluice {

namespace {

// About 10,000 instructions and some hundred states: more than a path or a field asks for.
constexpr int64_t most_bytes = 256 << 10;

std::unique_ptr<const re2::RE2> compiled(re2::StringPiece text) {
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(most_bytes);
  return std::make_unique<const re2::RE2>(text, options);
}

}  // namespace

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&& other) noexcept = default;
Pattern::~Pattern() = default;

Pattern::Pattern(const Pattern& other)
    : compiled_(other.compiled_ ? compiled(other.compiled_->pattern()) : nullptr) {}

Pattern& Pattern::operator=(Pattern other) noexcept {
  std::swap(compiled_, other.compiled_);
  return *this;
}

std::optional<Pattern> Pattern::compile(std::string_view text, std::string& wrong) {
  std::optional<Pattern> pattern(std::in_place);
  pattern->compiled_ = compiled({text.data(), text.size()});
  if (pattern->compiled_->ok()) return pattern;
  wrong = pattern->compiled_->error();
  return std::nullopt;
}

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

int Pattern::groups() const {
  return compiled_->NumberOfCapturingGroups();
}

std::optional<std::string> Pattern::rewritten(std::string_view text, std::string_view to) const {
  std::optional<std::string> made(std::in_place);
  const re2::StringPiece looked_at(text.data(), text.size());
  if (re2::RE2::Extract(looked_at, *compiled_, {to.data(), to.size()}, &*made)) return made;
  return std::nullopt;
}

std::string_view Pattern::text() const {
  return compiled_ ? std::string_view(compiled_->pattern()) : std::string_view();
}

}  // namespace sluice
