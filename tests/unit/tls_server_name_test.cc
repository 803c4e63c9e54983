// Names of certificates against names that clients ask for.
#include <doctest/doctest.h>

#include "tls/server_name.h"

namespace sluice {
namespace {

TEST_CASE("server name: an exact name fits in any case, with or without a final dot") {
  CHECK(server_name_matches("a.example", "a.example"));
  CHECK(server_name_matches("a.example", "A.eXample"));
  CHECK(server_name_matches("a.example", "a.example."));
  CHECK_FALSE(server_name_matches("a.example", "b.example"));
  CHECK_FALSE(server_name_matches("a.example", "a.example.org"));
  CHECK_FALSE(server_name_matches("a.example", "x.a.example"));
  CHECK_FALSE(server_name_matches("a.example", "a.exampl"));
  CHECK_FALSE(server_name_matches("a.example", ""));
  CHECK_FALSE(server_name_matches("a.example", "."));
}

TEST_CASE("server name: a wildcard stands for one label, which is not empty") {
  CHECK(server_name_matches("*.example.org", "a.example.org"));
  CHECK(server_name_matches("*.example.org", "A.EXAMPLE.ORG."));
  CHECK_FALSE(server_name_matches("*.example.org", "example.org"));
  CHECK_FALSE(server_name_matches("*.example.org", ".example.org"));
  CHECK_FALSE(server_name_matches("*.example.org", "a.b.example.org"));
  CHECK_FALSE(server_name_matches("*.example.org", "a.example.com"));
  CHECK_FALSE(server_name_matches("*.example.org", "aexample.org"));
  CHECK_FALSE(server_name_matches("*.example.org", ""));
}

TEST_CASE("server name: an asterisk elsewhere is no wildcard, and none is asked for") {
  CHECK_FALSE(server_name_matches("a*.example.org", "ab.example.org"));
  CHECK_FALSE(server_name_matches("a.*.org", "a.example.org"));
  CHECK_FALSE(server_name_matches("*", "example"));
  CHECK_FALSE(server_name_matches("a.example.org", "*.example.org"));
}

}  // namespace
}  // namespace sluice
