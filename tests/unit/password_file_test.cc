// Files of users and bcrypt hashes, and what each wrong line is told to be.
#include "core/password_file.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

namespace {

const std::string hash = "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

std::string wrong_in(const std::string& text) {
  std::string wrong;
  CHECK(!parse_password_file(text, wrong));
  CHECK(wrong.find(hash.substr(7)) == std::string::npos);
  return wrong;
}

}  // namespace

TEST_CASE("password file: lines as htpasswd -B writes them") {
  REQUIRE(hash.size() == 60);
  std::string wrong;
  const auto users =
      parse_password_file("# ours\nann:" + hash + "\r\n\nbob:" + hash + "\nc d:" + hash, wrong);
  REQUIRE(users);
  CHECK(users->size() == 3);
  CHECK(users->at("ann") == hash);
  CHECK(users->count("c d") == 1);
}

TEST_CASE("password file: the wrong line is told, and not what stands in it") {
  CHECK(wrong_in("") == "there is no user in it; make one with htpasswd -B");
  CHECK(wrong_in("# none\n") == "there is no user in it; make one with htpasswd -B");
  CHECK(wrong_in("ann\n") == "line 1: it is not USER:HASH");
  CHECK(wrong_in(":" + hash) == "line 1: it is not USER:HASH");
  const std::string other = ": the hash is not of bcrypt; make the line with htpasswd -B";
  CHECK(wrong_in("\nann:$apr1$xyz$secret\n") == "line 2" + other);
  CHECK(wrong_in("ann:secret\n") == "line 1" + other);
  CHECK(wrong_in("ann:" + hash + "x\n") == "line 1" + other);
  CHECK(wrong_in("ann:" + hash + ":x\n") == "line 1" + other);
  CHECK(wrong_in("a:" + hash + "\nb:" + hash + "\na:" + hash) ==
        "line 3: its user stands in an earlier line, too");
  std::string dear = hash;
  dear.replace(4, 2, "31");
  CHECK(wrong_in("ann:" + dear).starts_with("line 1: bcrypt's cost is 31, allowed are 4 to 14"));
}
