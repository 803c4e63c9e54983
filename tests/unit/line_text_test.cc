// Values in lines: escaped so that they stay in their place, cut between characters and marked.
#include "core/observe/line_text.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace sluice {
namespace {

std::string field(std::string_view value, size_t most = std::string_view::npos) {
  std::string line;
  append_field(line, "name", value, most);
  return line;
}

std::string json(std::string_view value, size_t most = std::string_view::npos) {
  std::string line;
  append_json_text(line, value, most);
  return line;
}

TEST_CASE("fields of strangers stay on their line") {
  CHECK(field("plain/value:1") == " name=plain/value:1");
  CHECK(field("") == " name=\"\"");
  CHECK(field("two words") == " name=\"two words\"");
  CHECK(field("a\nb\"c\\d\x7f\xff") == " name=\"a\\x0ab\\\"c\\\\d\\x7f\\xff\"");
  CHECK(field("x=y") == " name=\"x=y\"");
}

TEST_CASE("timestamps are UTC with milliseconds") {
  CHECK(timestamp_text(0) == "1970-01-01T00:00:00.000Z");
  CHECK(timestamp_text(1'700'000'000'042) == "2023-11-14T22:13:20.042Z");
}

TEST_CASE("line text: a field's value is cut between its escapes") {
  CHECK(field("abcdef", 3) == " name=abc...");
  CHECK(field("abc", 3) == " name=abc");
  CHECK(field("a\x01"
              "b",
              4) == " name=\"a...\"");
  CHECK(field("a\x01"
              "b",
              5) == " name=\"a\\x01...\"");
  CHECK(field("a\"b", 2) == " name=\"a...\"");
  CHECK(field("a b", 3) == " name=\"a b\"");
}

TEST_CASE("line text: JSON strings are ASCII, and say the same") {
  CHECK(json("plain /?=") == "\"plain /?=\"");
  CHECK(json("") == "\"\"");
  CHECK(json("a\"b\\c\n\x7f") == "\"a\\\"b\\\\c\\u000a\\u007f\"");
  CHECK(json(std::string_view("\0", 1)) == "\"\\u0000\"");
  for (const std::string text : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf",
                                 "\xed\x9f\xbf", "\xee\x80\x80", "x\xc2\x80y"}) {
    const std::string written = json(text);
    for (const char byte : written) CHECK(static_cast<unsigned char>(byte) < 0x7f);
    CHECK(nlohmann::json::parse(written).get<std::string>() == text);
  }
}

TEST_CASE("line text: what is no UTF-8 becomes U+FFFD, a byte each") {
  CHECK(json("\xff") == "\"\\ufffd\"");
  CHECK(json("\xc3") == "\"\\ufffd\"");                                   // cut off
  CHECK(json("\xc3(") == "\"\\ufffd(\"");                                 // goes on otherwise
  CHECK(json("\xc0\x80") == "\"\\ufffd\\ufffd\"");                        // overlong
  CHECK(json("\xe0\x80\x80") == "\"\\ufffd\\ufffd\\ufffd\"");             // overlong
  CHECK(json("\xed\xa0\x80") == "\"\\ufffd\\ufffd\\ufffd\"");             // a surrogate
  CHECK(json("\xf4\x90\x80\x80") == "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");  // too large
  CHECK(json("\x80 \xf5") == "\"\\ufffd \\ufffd\"");
}

TEST_CASE("line text: a JSON string is cut between characters") {
  CHECK(json("abcd", 3) == "\"abc...\"");
  CHECK(json("a\xc3\xa4", 6) == "\"a...\"");
  CHECK(json("a\xc3\xa4", 7) == "\"a\\u00e4\"");
  CHECK(json("\xf0\x9f\x98\x80", 11) == "\"...\"");  // half a pair of surrogates is none
}

}  // namespace
}  // namespace sluice
