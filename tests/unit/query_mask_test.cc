// Secrets in queries: which values are masked, however their names are written.
#include "core/observe/query_mask.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/config.h"

namespace sluice {
namespace {

std::string masked(std::string_view target) {
  const std::vector<std::string> names = {"access_token", "token"};
  return with_masked_query(target, names);
}

TEST_CASE("query mask: values of the names, and no others") {
  CHECK(masked("/a?token=x") == "/a?token=***");
  CHECK(masked("/a?b=1&token=x&c=2") == "/a?b=1&token=***&c=2");
  CHECK(masked("?token=x&token=y") == "?token=***&token=***");
  CHECK(masked("?token=") == "?token=***");
  CHECK(masked("?token=a=b") == "?token=***");
  CHECK(masked("?token") == "?token");
  CHECK(masked("?tokens=x&mytoken=y") == "?tokens=x&mytoken=y");
  CHECK(masked("/token=x") == "/token=x");
  CHECK(masked("") == "");
  CHECK(masked("?") == "?");
  CHECK(masked("?&&=&") == "?&&=&");
}

TEST_CASE("query mask: a name in either case or percent-encoded counts as well") {
  CHECK(masked("?TOKEN=x&Access_Token=y") == "?TOKEN=***&Access_Token=***");
  CHECK(masked("?%74oken=x") == "?%74oken=***");
  CHECK(masked("?%54%4f%4B%45%6e=x") == "?%54%4f%4B%45%6e=***");
  CHECK(masked("?access%5Ftoken=x") == "?access%5Ftoken=***");
  CHECK(masked("?%7token=x&%zztoken=y&token%=z") == "?%7token=x&%zztoken=y&token%=z");
}

TEST_CASE("query mask: other separators hide nothing") {
  CHECK(masked("?a=1;token=x;y&b=2") == "?a=1;token=***&b=2");
  CHECK(masked("?token=x;a=1") == "?token=***");
  CHECK(masked("?a;b;token=x") == "?a;b;token=***");
  CHECK(masked("/a#token=x") == "/a#token=***");
  CHECK(masked("/a?b=1?token=x#token=y") == "/a?b=1?token=***#token=***");
}

TEST_CASE("query mask: without names nothing is masked, and the default has the usual ones") {
  CHECK(with_masked_query("?token=x", {}) == "?token=x");
  const std::vector<std::string> names = default_masked_parameters();
  CHECK(std::is_sorted(names.begin(), names.end()));
  for (const char* name : {"token", "id_token", "apikey", "password", "jwt", "sig", "code"}) {
    CHECK(with_masked_query(std::string("?") + name + "=x", names) ==
          std::string("?") + name + "=***");
  }
}

}  // namespace
}  // namespace sluice
