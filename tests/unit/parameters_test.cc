// Parameters and cookies: names and values as they stand, and without their escapes.
#include "protocol/parameters.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

namespace {

std::string parameters(std::string_view query) {
  std::string all;
  for_each_parameter(query, [&all](std::string_view name, std::string_view value) {
    all.append("[").append(name).append("|").append(value).append("]");
  });
  return all;
}

std::string cookies(std::string_view field) {
  std::string all;
  for_each_cookie(field, [&all](std::string_view name, std::string_view value) {
    all.append("[").append(name).append("|").append(value).append("]");
  });
  return all;
}

}  // namespace

TEST_CASE("parameters: between '&', the first '=' parts name and value") {
  CHECK(parameters("a=1&b=2") == "[a|1][b|2]");
  CHECK(parameters("a&b=&=c&d=e=f") == "[a|][b|][|c][d|e=f]");
  CHECK(parameters("&&a=1&") == "[a|1]");
  CHECK(parameters("a%3D=%26") == "[a%3D|%26]");
  CHECK(parameters("") == "");
}

TEST_CASE("parameters: cookies stand between semicolons, with a '='") {
  CHECK(cookies("a=1; b=2") == "[a|1][b|2]");
  CHECK(cookies("a=1;b=2 ;; ;c") == "[a|1][b|2]");
  CHECK(cookies(" a=\"x y\" ; =z; d=e=f") == "[a|\"x y\"][|z][d|e=f]");
  CHECK(cookies("") == "");
}

TEST_CASE("parameters: escapes are undone once") {
  CHECK(decoded_parameter("a%20b+c") == "a b c");
  CHECK(decoded_parameter("%2525%2b%2B") == "%25++");
  CHECK(decoded_parameter("%") == "%");
  CHECK(decoded_parameter("%4") == "%4");
  CHECK(decoded_parameter("%4g%g4%41") == "%4g%g4A");
  CHECK(decoded_parameter("%00") == std::string(1, '\0'));
}
