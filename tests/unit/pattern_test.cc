// Pattern: what is found where, what is refused, and that bytes are bytes.
#include "core/pattern.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>

using namespace sluice;

namespace {

Pattern pattern(std::string_view text) {
  std::string wrong;
  std::optional<Pattern> compiled = Pattern::compile(text, wrong);
  REQUIRE_MESSAGE(compiled.has_value(), wrong);
  return *std::move(compiled);
}

std::string wrong_with(std::string_view text) {
  std::string wrong;
  CHECK_FALSE(Pattern::compile(text, wrong).has_value());
  return wrong;
}

}  // namespace

TEST_CASE("pattern: is found anywhere, with case, unless it says otherwise") {
  CHECK(pattern("b+").found_in("abbc"));
  CHECK_FALSE(pattern("B").found_in("abbc"));
  CHECK(pattern("(?i)B").found_in("abbc"));
  CHECK_FALSE(pattern("^b").found_in("abbc"));
  CHECK_FALSE(pattern("^a.c$").found_in("abbc"));
  CHECK(pattern("").found_in(""));
}

TEST_CASE("pattern: any byte is a byte, and only the text's end is its end") {
  CHECK(pattern("^.$").found_in("\xff"));
  CHECK(pattern("^a.b$").found_in("a\nb"));
  CHECK(pattern("^a.b$").found_in(std::string_view("a\0b", 3)));
  CHECK_FALSE(pattern("a$").found_in("a\n"));
}

TEST_CASE("pattern: what RE2 does not take is refused in its words") {
  CHECK(wrong_with("a(b") == "missing ): a(b");
  CHECK(wrong_with("a**") == "bad repetition operator: **");
  CHECK(wrong_with("(a)\\1") == "invalid escape sequence: \\1");
  CHECK(wrong_with("((a{100}){100}){100}") == "invalid repetition size: {100}");
  CHECK(wrong_with("(abcdefghijklmnopqrst){1000}") == "pattern too large - compile failed");
}

TEST_CASE("pattern: time in proportion to the text") {
  const std::string text(1 << 20, 'a');
  CHECK_FALSE(pattern("^(a+)+$").found_in(text + "b"));  // 2^1048576 steps elsewhere
}

TEST_CASE("pattern: what its groups matched goes where they are cited") {
  const Pattern two = pattern("^/([^/]+)/(.*)$");
  CHECK(two.groups() == 2);
  CHECK(two.rewritten("/a/b/c", "/\\2-\\1") == "/b/c-a");
  CHECK(two.rewritten("/a/", "[\\2]\\\\") == "[]\\");
  CHECK(two.rewritten("/a", "/\\1") == std::nullopt);
  CHECK(pattern("b").rewritten("abc", "x") == "x");  // all of the text is left behind
}

TEST_CASE("pattern: a copy is a pattern of its own, and none is none") {
  CHECK_FALSE(Pattern());
  CHECK(Pattern().text().empty());
  Pattern first = pattern("^a");
  const Pattern copy = first;
  first = Pattern();
  CHECK_FALSE(first);
  REQUIRE(copy);
  CHECK(copy.text() == "^a");
  CHECK(copy.found_in("ab"));
  const Pattern copy_of_none = first;
  CHECK_FALSE(copy_of_none);
}
