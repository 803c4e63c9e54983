// Digests: of the same parts the same, of others, or of parts cut otherwise, another.
#include <doctest/doctest.h>

#include <set>

#include "tests/unit/tls_identity.h"
#include "tls/digest.h"
#include "tls/pem.h"

namespace sluice {
namespace {

TEST_CASE("digest: it tells purposes, parts and where they are cut apart") {
  const testing::Identity one = testing::make_identity({.common_name = "one"});
  const testing::Identity two = testing::make_identity({.common_name = "two"});
  const auto all = [&] {
    return std::vector<Digest>{
        Digester("a").finish(),
        Digester("b").finish(),
        Digester("a").add("").finish(),
        Digester("a").add("x").add("yz").finish(),
        Digester("a").add("xy").add("z").finish(),
        Digester("a").add("xyz").finish(),
        Digester("a").add(uint64_t{1}).finish(),
        Digester("a").add(uint64_t{2}).finish(),
        Digester("a").add(Digester("a").finish()).finish(),
        Digester("a").add(one.certificate.get()).finish(),
        Digester("a").add(two.certificate.get()).finish(),
    };
  };
  const std::vector<Digest> first = all();
  CHECK(first == all());
  CHECK(std::set<Digest>(first.begin(), first.end()).size() == first.size());
}

TEST_CASE("digest: copies of a file's PEM share it") {
  const Pem none;
  CHECK(none.empty());
  CHECK(Pem(std::string()).empty());
  CHECK(none.view() == "");
  CHECK(none.digest() == Pem(std::string()).digest());
  const Pem file(std::string("text"));
  const Pem copy = file;
  CHECK_FALSE(copy.empty());
  CHECK(copy.view() == "text");
  CHECK(copy.view().data() == file.view().data());
  CHECK(copy.digest() == Pem(std::string("text")).digest());
  CHECK(copy.digest() != Pem(std::string("texts")).digest());
}

// RFC 4231, test case 2, its key filled up with zeros to the length of ours, which changes nothing.
TEST_CASE("digest: keyed") {
  const Digest key{'J', 'e', 'f', 'e'};
  const Digest made = keyed_digest(key, "what do ya want for nothing?");
  CHECK(made[0] == 0x5b);
  CHECK(made[1] == 0xdc);
  CHECK(made[31] == 0x43);
  CHECK(keyed_digest(Digest{'J'}, "what do ya want for nothing?") != made);
}

}  // namespace
}  // namespace sluice
