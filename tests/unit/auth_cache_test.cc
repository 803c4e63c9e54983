// AuthCache: how long a verdict is believed, and which goes for a new one.
#include "core/session/auth_cache.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

Digest key(unsigned char number) {
  Digest made{};
  made[31] = number;
  return made;
}

AuthVerdict verdict(int status, const std::string& body = "") {
  AuthVerdict made;
  made.head.status = status;
  made.add("X-User", "alice");
  made.body = body;
  return made;
}

TEST_CASE("auth cache: a verdict is believed until its time, as it was") {
  AuthCache cache;
  CHECK(cache.find(key(1), 0) == nullptr);
  cache.keep(key(1), verdict(401, "no"), 100, 10);
  const AuthVerdict* found = cache.find(key(1), 99);
  REQUIRE(found != nullptr);
  CHECK(found->head.status == 401);
  CHECK(found->body == "no");
  CHECK(*found->head.find("x-user") == "alice");
  CHECK(cache.find(key(2), 99) == nullptr);
  CHECK(cache.find(key(1), 100) == nullptr);
  CHECK(cache.size() == 0);
}

TEST_CASE("auth cache: the oldest goes for a new one, and a newer one stands for its key") {
  AuthCache cache;
  for (unsigned char i = 1; i <= 3; ++i) cache.keep(key(i), verdict(200 + i), 100, 3);
  cache.keep(key(1), verdict(204), 100, 3);  // now the youngest
  CHECK(cache.size() == 3);
  cache.keep(key(4), verdict(200), 100, 3);
  CHECK(cache.find(key(2), 0) == nullptr);
  CHECK(cache.find(key(1), 0)->head.status == 204);
  cache.keep(key(5), verdict(200), 100, 1);  // another conf keeps fewer
  CHECK(cache.size() == 1);
  cache.keep(key(6), verdict(200), 100, 0);
  CHECK(cache.size() == 1);
}

TEST_CASE("auth cache: what is large is not kept") {
  AuthCache cache;
  const size_t room = AuthCache::most_verdict_bytes - verdict(200).bytes();
  cache.keep(key(1), verdict(401, std::string(room + 1, 'x')), 100, 9);
  CHECK(cache.size() == 0);
  cache.keep(key(1), verdict(401, std::string(room, 'x')), 100, 9);
  CHECK(cache.size() == 1);
}

TEST_CASE("auth verdict: a copy has texts of its own") {
  AuthVerdict copy;
  {
    AuthVerdict first = verdict(299, "body");
    first.head.reason = "Odd";
    copy = first.copy();
  }
  CHECK(copy.admits());
  CHECK(copy.head.reason == "Odd");
  CHECK(copy.head.fields.size() == 1);
  CHECK(copy.head.fields[0].name == "X-User");
  CHECK(copy.head.fields[0].value == "alice");
  CHECK(copy.body == "body");
  CHECK_FALSE(verdict(401).admits());
  CHECK_FALSE(verdict(302).admits());
}

}  // namespace
}  // namespace sluice
