// KnownPasswords: bounded, by use, and each hash for itself.
#include "core/session/known_passwords.h"

#include <doctest/doctest.h>

using namespace sluice;

TEST_CASE("known passwords: of each hash its own, the longest unused go") {
  KnownPasswords known;
  CHECK(!known.has("h", "p"));
  known.keep("h", "p", 2);
  CHECK(known.has("h", "p"));
  CHECK(!known.has("h", "q"));
  CHECK(!known.has("hp", ""));
  CHECK(!known.has("g", "p"));
  known.keep("g", "q", 2);
  CHECK(known.has("h", "p"));
  known.keep("f", "r", 2);
  CHECK(known.size() == 2);
  CHECK(known.has("h", "p"));
  CHECK(!known.has("g", "q"));
  known.keep("h", "p", 2);
  CHECK(known.size() == 2);
  known.keep("e", "s", 0);
  CHECK(!known.has("e", "s"));
}
