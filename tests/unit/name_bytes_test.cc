// NameBytes: what goes in comes out, and what is cut or damaged is no such thing.
#include "core/process/name_bytes.h"

#include <doctest/doctest.h>

using namespace sluice;

namespace {

NameTarget target(const char* address, uint16_t priority = 0, uint16_t weight = 0) {
  return {Address::parse(address).value(), priority, weight};
}

}  // namespace

TEST_CASE("name bytes: answers there and back") {
  const NameAnswers answers = {
      {{"a.example", 80, false}, {target("10.0.0.1:80"), target("[::1]:80")}},
      {{"_ws._tcp.example.org", 0, true}, {target("10.0.0.1:8080", 5, 7)}}};
  const std::string bytes = bytes_of(answers);
  const std::optional<NameAnswers> again = answers_from(bytes, 10);
  REQUIRE(again);
  CHECK(*again == answers);
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const std::optional<NameAnswers> part = answers_from(bytes.substr(0, cut), 10);
    CHECK((!part || part->size() < answers.size()));
  }
  CHECK(answers_from("", 10)->empty());
}

TEST_CASE("name bytes: no unix socket, no name and no empty answer is taken for an address") {
  for (const char* wrong : {"unix:/run/x.sock", "a.example:80", ""}) {
    NameAnswers answers = {{{"a.example", 80, false}, {target("10.0.0.1:80")}}};
    std::string bytes = bytes_of(answers);
    const std::string address = "10.0.0.1:80";
    const size_t at = bytes.find(address);
    bytes.replace(at - 4, 4 + address.size(),
                  std::string(1, static_cast<char>(std::string(wrong).size())) +
                      std::string(3, '\0') + wrong);
    CHECK_FALSE(answers_from(bytes, 10));
  }
  CHECK_FALSE(answers_from(bytes_of(NameAnswers{{{"a.example", 80, false}, {}}}), 10));
}

TEST_CASE("name bytes: no more targets than may be, and no other port than was asked for") {
  const NameAnswers answers = {
      {{"a.example", 80, false}, {target("10.0.0.1:80"), target("10.0.0.2:80")}}};
  CHECK(answers_from(bytes_of(answers), 2));
  CHECK_FALSE(answers_from(bytes_of(answers), 1));
  CHECK_FALSE(answers_from(bytes_of({{{"a.example", 80, false}, {target("10.0.0.1:81")}}}), 2));
  CHECK(answers_from(bytes_of({{{"a.example", 0, true}, {target("10.0.0.1:81")}}}), 2));
}

TEST_CASE("name bytes: members there and back") {
  const Members members = {7,
                           {{UpstreamId{3},
                             1,
                             {target("10.0.0.1:80", 1, 2), target("[::1]:80")},
                             {PeerId{5}, PeerId{9}}},
                            {UpstreamId{4}, 0, {}, {}}}};
  const std::string bytes = bytes_of(members);
  REQUIRE(members_from(bytes));
  CHECK(*members_from(bytes) == members);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const std::optional<Members> part = members_from(bytes.substr(0, cut));
    CHECK((!part || part->named.size() < members.named.size()));
  }
  Members turned = members;
  std::swap(turned.named[0], turned.named[1]);
  CHECK_FALSE(members_from(bytes_of(turned)));
}
