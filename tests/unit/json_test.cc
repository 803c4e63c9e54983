// JSON: whatever a text holds, its line stays one line of printable ASCII, and reads back.
#include "core/observe/json.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "protocol/utf8.h"

namespace sluice {
namespace {

bool is_printable(const std::string& line) {
  return std::all_of(line.begin(), line.end(),
                     [](char each) { return each >= ' ' && each <= '~'; });
}

TEST_CASE("json: texts are escaped where JSON, a line or a terminal needs it") {
  CHECK(line_of("") == "\"\"");
  CHECK(line_of("plain /path") == "\"plain /path\"");
  CHECK(line_of("a\"b\\c\nd\te") == "\"a\\\"b\\\\c\\nd\\te\"");
  CHECK(line_of(std::string("\0\x01\x1b\x7f", 4)) == "\"\\u0000\\u0001\\u001b\\u007f\"");
  CHECK(line_of("\xc3\xa4 \xf0\x9f\x98\x80") == "\"\\u00e4 \\ud83d\\ude00\"");
  CHECK(line_of("\xc2\x9b") == "\"\\u009b\"");                         // C1
  CHECK(line_of("\xe2\x80\xa8\xe2\x80\xa9") == "\"\\u2028\\u2029\"");  // ends of lines to some
}

TEST_CASE("json: what is not UTF-8 is replaced, and nothing around it is lost") {
  CHECK(line_of("a\xff"
                "b") == "\"a\\ufffdb\"");
  CHECK(line_of("\xc3") == "\"\\ufffd\"");             // cut off
  CHECK(line_of("\xc3(") == "\"\\ufffd(\"");           // interrupted
  CHECK(line_of("\xc0\xaf") == "\"\\ufffd\\ufffd\"");  // overlong
  CHECK(line_of("\xe2\x82\"") == "\"\\ufffd\\\"\"");
  const Json key = {{"\xff", true}};
  CHECK(line_of(key) == "{\"\\ufffd\":true}");
}

TEST_CASE("json: every pair of bytes makes a line that reads back") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      const std::string line = line_of(text);
      REQUIRE(is_printable(line));
      const Json read = Json::parse(line, nullptr, false);
      REQUIRE(read.is_string());
      if (utf8_whole_bytes({reinterpret_cast<const uint8_t*>(text.data()), 2}) == 2) {
        REQUIRE(read.get_ref<const std::string&>() == text);
      }
    }
  }
}

TEST_CASE("json: members stay in their order, and nothing is put between values") {
  Json value;
  value["ok"] = true;
  value["n"] = 18446744073709551615u;
  value["none"] = Json::array();
  value["some"] = {"a", Json::object(), 0};
  value["last"] = false;
  CHECK(
      line_of(value) ==
      "{\"ok\":true,\"n\":18446744073709551615,\"none\":[],\"some\":[\"a\",{},0],\"last\":false}");
}

}  // namespace
}  // namespace sluice
