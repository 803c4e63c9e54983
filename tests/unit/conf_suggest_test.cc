// Near misses: distance, the threshold by length, and who wins a draw.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/suggest.h"

using namespace sluice;

TEST_CASE("conf suggest: edit distance") {
  struct Row {
    std::string_view a;
    std::string_view b;
    size_t distance;
  };
  const Row rows[] = {
      {"", "", 0},
      {"", "abc", 3},
      {"route", "route", 0},
      {"route", "rout", 1},
      {"route", "routes", 1},
      {"route", "roote", 1},
      {"route", "ruote", 1},  // neighbours swapped
      {"upstream", "upstrem", 1},
      {"upstream", "pustraem", 2},
      {"ca", "abc", 3},  // a swapped pair is not edited again
      {"listen", "server", 5},
      {"Route", "route", 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.a);
    CAPTURE(row.b);
    CHECK(edit_distance(row.a, row.b) == row.distance);
    CHECK(edit_distance(row.b, row.a) == row.distance);
  }
}

TEST_CASE("conf suggest: two edits at most, one in short words") {
  const std::vector<std::string_view> words = {"user", "on", "upstream", "off"};
  CHECK(nearest("upstrem", words) == "upstream");
  CHECK(nearest("upstra", words) == "upstream");
  CHECK(nearest("stream", words) == "upstream");
  CHECK(nearest("tream", words) == "");
  CHECK(nearest("off", words) == "off");
  CHECK(nearest("o", words) == "on");
  CHECK(nearest("offf", words) == "off");
  CHECK(nearest("us", words) == "");  // two edits from "user" and from "on" are too many here
  CHECK(nearest("usrr", words) == "user");
  CHECK(nearest("USER", words) == "user");  // case is no edit
  CHECK(nearest("", words) == "");
  CHECK(nearest("upstream", {}) == "");
}

TEST_CASE("conf suggest: the nearest wins, the earlier of two that are equally near") {
  const std::vector<std::string_view> words = {"chat1", "chat2", "chart"};
  CHECK(nearest("chat", words) == "chat1");
  CHECK(nearest("char2", words) == "chat2");
  CHECK(nearest("chartt", words) == "chart");
}

TEST_CASE("conf suggest: a binary file's line costs nothing") {
  const std::string longest(64, 'x');
  const std::vector<std::string_view> words = {longest};
  CHECK(nearest(longest, words) == longest);
  CHECK(nearest(longest + "x", words) == "");
}

TEST_CASE("conf suggest: as messages have it") {
  const std::vector<std::string_view> words = {"upstream"};
  CHECK(suggestion("upstrem", words) == ", did you mean \"upstream\"?");
  CHECK(suggestion("nothing", words) == "");
}

TEST_CASE("conf suggest: every directive is found with one letter missing or two swapped") {
  std::vector<std::string_view> names;
  for (const DirectiveHelp& row : directive_help()) names.push_back(row.name);
  for (const std::string_view name : names) {
    CAPTURE(name);
    std::string shorter(name);
    shorter.erase(1, 1);
    CHECK(nearest(shorter, names) == name);
    std::string swapped(name);
    std::swap(swapped[0], swapped[1]);
    CHECK(nearest(swapped, names) == name);
  }
}
