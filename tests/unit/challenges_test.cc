// Challenges: which requests ask for one, what a token is made of, and the bytes between processes.
#include "core/session/challenges.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

std::string asked(const char* method, const char* target) {
  RequestHead head;
  head.method = method;
  head.target = target;
  return std::string(asked_challenge(head).value_or("(none)"));
}

TEST_CASE("challenges: who asks for one") {
  CHECK(asked("GET", "/.well-known/acme-challenge/a-B_9") == "a-B_9");
  CHECK(asked("HEAD", "/.well-known/acme-challenge/a?b") == "a");
  CHECK(asked("GET", "/.well-known/acme-challenge/../x") == "../x");  // nothing has that name
  CHECK(asked("GET", "/.well-known/acme-challenge/") == "");
  CHECK(asked("GET", "/.well-known/acme-challenge") == "(none)");
  CHECK(asked("GET", "/x/.well-known/acme-challenge/a") == "(none)");
  CHECK(asked("POST", "/.well-known/acme-challenge/a") == "(none)");
}

TEST_CASE("challenges: what a token is made of") {
  CHECK(is_challenge_name("LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"));
  CHECK(is_challenge_name("-_"));
  CHECK(is_challenge_name(std::string(128, 'a')));
  for (const std::string& wrong :
       {std::string(), std::string(129, 'a'), std::string("."), std::string(".."),
        std::string("a/b"), std::string("a.b"), std::string("a b"), std::string("a\0b", 3),
        std::string("\xc3\xa9"), std::string("%41")}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_challenge_name(wrong));
  }
}

TEST_CASE("challenges: there and back, and what is cut or damaged is no such thing") {
  const Challenges all = {{"a", ""}, {"b", "b 3\nxyz"}, {"c-_", std::string(4096, '\0')}};
  const std::string bytes = bytes_of(all);
  CHECK(challenges_from(bytes) == all);
  CHECK(challenges_from("") == Challenges());
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const auto part = challenges_from(bytes.substr(0, cut));
    CHECK((!part || part->size() < all.size()));
  }
  for (const std::string wrong : {"a", "a \n", "a 1", "a 1\n", "a -1\nx", "a 1x\nx", "\n", " 0\n",
                                  ". 0\n", "a 1\nxa 1\ny", "a\n 0\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(challenges_from(wrong));
  }
  CHECK_FALSE(challenges_from("a 4097\n" + std::string(4097, 'x')));
  Challenges many;
  for (size_t i = 0; i < most_challenges; ++i) many.emplace(std::to_string(i), "x");
  CHECK(challenges_from(bytes_of(many)) == many);
  many.emplace("one-more", "x");
  CHECK_FALSE(challenges_from(bytes_of(many)));
}

}  // namespace
}  // namespace sluice
