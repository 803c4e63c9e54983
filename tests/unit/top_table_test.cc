// TopTable: order, filter, widths; and numbers as they are shown.
#include "core/process/top_table.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TopTable table_of(std::initializer_list<std::pair<const char*, double>> rows) {
  TopTable table({{"NAME", false, true}, {"COUNT", true, false}, {"LAST", false, false}});
  for (const auto& [name, count] : rows) {
    table.add({{{name, 0}, {short_count(count), count}, {"x", 0}}, false});
  }
  return table;
}

std::string order(const TopTable& table) {
  std::string names;
  for (size_t i = 0; i < table.size(); ++i) names += table.row(i).cells[0].text + " ";
  return names;
}

TEST_CASE("top table: numbers begin with the largest, texts with the first; equal ones stay") {
  TopTable table = table_of({{"b", 1'000}, {"c", 999}, {"a", 999}});
  table.sort(1, false);
  CHECK(order(table) == "b c a ");
  table.sort(1, true);
  CHECK(order(table) == "c a b ");
  table.sort(0, false);
  CHECK(order(table) == "a b c ");
  table.sort(0, true);
  CHECK(order(table) == "c b a ");
  table.sort(7, false);  // there is none
  CHECK(order(table) == "c b a ");
}

TEST_CASE("top table: rows of which a cell holds the text stay, in any case") {
  TopTable table = table_of({{"Chat", 1}, {"game", 7}, {"chatter", 2}});
  table.filter("");
  CHECK(table.size() == 3);
  table.filter("CHAT");
  CHECK(order(table) == "Chat chatter ");
  table.filter("2");
  CHECK(order(table) == "chatter ");
}

TEST_CASE("top table: lines are no wider than the screen, and columns stand below their names") {
  const TopTable table = table_of({{"a-name-that-is-long-enough", 12'345}, {"b", 7}});
  for (size_t columns = 1; columns < 60; ++columns) {
    CAPTURE(columns);
    const std::vector<size_t> widths = table.widths(0, 10, columns);
    CHECK(table.head_line(widths, 1, false).size() <= columns);
    CHECK(table.line(0, widths).size() <= columns);
    CHECK(table.line(0, widths).size() == table.line(1, widths).size());
  }
  const std::vector<size_t> widths = table.widths(0, 10, 60);
  CHECK(table.head_line(widths, 1, false) == "NAME                        COUNT*  LAST ");
  CHECK(table.line(0, widths) == "a-name-that-is-long-enough     12k  x    ");
  CHECK(table.line(1, widths) == "b                                7  x    ");
  CHECK(table.head_line(widths, 0, true).starts_with("NAME^ "));
  CHECK(table.line(0, table.widths(0, 10, 30)) == "a-name-that-i..     12k  x    ");
  CHECK(table.widths(1, 1, 60)[0] == 5);  // of the rows that are shown
}

TEST_CASE("top table: numbers in four places") {
  CHECK(short_count(0) == "0");
  CHECK(short_count(9) == "9");
  CHECK(short_count(999) == "999");
  CHECK(short_count(999.6) == "1.0k");
  CHECK(short_count(12'345) == "12k");
  CHECK(short_count(1e9) == "1.0G");
  CHECK(short_count(1.8e19) == "18000P");
  CHECK(short_rate(0) == "0");
  CHECK(short_rate(0.25) == "0.2");
  CHECK(short_rate(9.96) == "10");
  CHECK(short_rate(-1) == "-");
  CHECK(plain("a\x1b[2J\xff") == "a\\x1b[2J\\xff");
}

}  // namespace
}  // namespace sluice
