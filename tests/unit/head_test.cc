// What readers ask of a head's fields.
#include "protocol/head.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

TEST_CASE("fields are found without case, lists are cut at commas outside quotes") {
  Head head;
  head.add("Host", "a.example");
  head.add("X-List", "a, \"b,c\" ,, ");
  head.add("Other", "z");
  head.add("x-list", "d,E");
  REQUIRE(head.find("HOST") != nullptr);
  CHECK(*head.find("hOsT") == "a.example");
  CHECK(head.find("Hos") == nullptr);
  CHECK(head.count("X-LIST") == 2);
  const std::vector<std::string_view> expected{"a", "\"b,c\"", "d", "E"};
  CHECK(list_elements(head, "X-List") == expected);
  CHECK(has_list_token(head, "X-List", "e"));
  CHECK(!has_list_token(head, "X-List", "b"));
}

TEST_CASE("an escaped quote ends no quoted string") {
  Head head;
  head.add("A", "\"x\\\", y\", z");
  const std::vector<std::string_view> expected{"\"x\\\", y\"", "z"};
  CHECK(list_elements(head, "a") == expected);
}

TEST_CASE("a value that the head made stays in place when the head moves") {
  Head head;
  head.add_made("X-Made", std::string("short"));
  for (int i = 0; i < 100; ++i) head.add_made("X-More", std::to_string(i));
  const Head moved = std::move(head);
  CHECK(*moved.find("X-Made") == "short");
  CHECK(moved.fields.back().value == "99");
}

TEST_CASE("what a name and a value may hold") {
  CHECK(is_token("X-Token!"));
  for (const char* bad : {"", "a b", "a:", "\xc3\xa9"}) CHECK(!is_token(bad));
  CHECK(header_value_valid("a\tb \xc3\xa9"));
  for (const char* bad : {"a\r", "a\nb", "\x7f"}) CHECK(!header_value_valid(bad));
  CHECK(without_blanks("\t a b ") == "a b");
  CHECK(without_blanks(" \t").empty());
}

}  // namespace
}  // namespace sluice
