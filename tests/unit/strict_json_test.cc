// Strict JSON: what two readers could take in two ways is not read at all.
#include "protocol/strict_json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace sluice {
namespace {

std::string nested(size_t depth) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += R"({"a":)";
  return text + "1" + std::string(depth, '}');
}

TEST_CASE("strict json: an object with its values") {
  const auto found = parse_json_object(R"({"a": [1, 2.5, "x", null, true, {}], "A": {"a": 1}})");
  REQUIRE(found);
  CHECK((*found)["a"][1] == 2.5);
  CHECK((*found)["A"]["a"] == 1);
}

TEST_CASE("strict json: members are named once, at every depth") {
  CHECK(!parse_json_object(R"({"a": 1, "a": 1})"));
  CHECK(!parse_json_object(R"({"a": 1, "\u0061": 2})"));
  CHECK(!parse_json_object(R"({"b": [{"a": 1, "c": {}, "a": 1}]})"));
  CHECK(parse_json_object(R"({"b": {"a": 1}, "a": [{"a": 1}, {"a": 2}]})"));
}

TEST_CASE("strict json: an object alone, whole, in UTF-8") {
  for (const char* const wrong :
       {"", "{", "[]", "1", "\"x\"", "null", "{} {}", "{}x", "{'a': 1}", "{\"a\": 1,}",
        "{\"a\": NaN}", "{\"a\": 1e999}", "{\"a\": 01}", "{\"a\": \"\xff\"}", "{\"a\": \"\n\"}",
        "{\"a\": \"\\ud800\"}", "{/* */}", "{a: 1}", "{\"a\"}"}) {
    CAPTURE(wrong);
    CHECK(!parse_json_object(wrong));
  }
}

TEST_CASE("strict json: depth has a bound, length has none but its own") {
  CHECK(parse_json_object(nested(most_json_depth)));
  CHECK(!parse_json_object(nested(most_json_depth + 1)));
  CHECK(!parse_json_object(nested(1'000'000)));
  CHECK(!parse_json_object(R"({"a": )" + std::string(1'000'000, '[')));
  CHECK(parse_json_object(R"({"a": ")" + std::string(1'000'000, 'x') + "\"}"));
}

}  // namespace
}  // namespace sluice
