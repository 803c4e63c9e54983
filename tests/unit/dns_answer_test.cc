// A name server's answer as records: aliases, TTLs, and bytes that are no message.
#include "core/keeper/dns_answer.h"

#include <doctest/doctest.h>

#include "tests/unit/dns_testing.h"

namespace sluice {
namespace {

using Outcome = DnsAnswer::Outcome;
using testing::wire_address;
using testing::wire_name;
using testing::wire_record;
using testing::wire_service;

std::string question_of(const std::string& name, RecordKind kind) {
  std::string question = wire_name(name);
  testing::put16(question, static_cast<unsigned>(kind));
  testing::put16(question, 1);
  return question;
}

DnsAnswer parse(const std::string& message, RecordKind kind) {
  return parse_dns_answer({reinterpret_cast<const uint8_t*>(message.data()), message.size()}, kind);
}

DnsAnswer answer(const std::string& name, RecordKind kind, const std::vector<std::string>& records,
                 unsigned flags = 0x8180) {
  return parse(testing::wire_message("id", flags, question_of(name, kind), records), kind);
}

std::string texts_of(const DnsAnswer& answer) {
  std::string texts;
  for (const Address& each : answer.addresses) texts += each.host_text() + " ";
  for (const ServiceTarget& each : answer.services) {
    texts += each.host + ":" + std::to_string(each.port) + "/" + std::to_string(each.priority) +
             "/" + std::to_string(each.weight) + " ";
  }
  return texts;
}

TEST_CASE("dns answer: records of the kind that was asked for, and of the question's name") {
  const std::vector<std::string> records = {
      wire_record(RecordKind::a, 60, wire_address("10.0.0.1")),
      wire_record(RecordKind::a, 50, wire_address("10.0.0.2"), wire_name("CHAT.test")),
      wire_record(RecordKind::a, 40, wire_address("10.0.0.3"), wire_name("other.test")),
      wire_record(RecordKind::aaaa, 30, wire_address("::1"))};
  const DnsAnswer four = answer("Chat.Test", RecordKind::a, records);
  CHECK(four.outcome == Outcome::records);
  CHECK(texts_of(four) == "10.0.0.1 10.0.0.2 ");
  CHECK(four.ttl_s == 50);
  const DnsAnswer six = answer("chat.test", RecordKind::aaaa, records);
  CHECK(texts_of(six) == "::1 ");
  CHECK(six.ttl_s == 30);
  CHECK(answer("chat.test", RecordKind::srv, records).outcome == Outcome::none);
}

TEST_CASE("dns answer: aliases in any order, round about, and one that leads nowhere") {
  const auto alias = [](const std::string& from, const std::string& to, uint32_t ttl_s) {
    return wire_record(RecordKind::cname, ttl_s, wire_name(to), wire_name(from));
  };
  const std::string address =
      wire_record(RecordKind::a, 60, wire_address("10.0.0.1"), wire_name("c.test"));
  const DnsAnswer three =
      answer("a.test", RecordKind::a,
             {address, alias("b.test", "C.test", 5), alias("a.test", "b.test", 70)});
  CHECK(texts_of(three) == "10.0.0.1 ");
  CHECK(three.ttl_s == 5);
  CHECK(
      answer("a.test", RecordKind::a, {alias("a.test", "b.test", 5), alias("b.test", "a.test", 5)})
          .outcome == Outcome::none);
  CHECK(answer("a.test", RecordKind::a, {alias("a.test", "b.test", 5), address}).outcome ==
        Outcome::none);
}

TEST_CASE("dns answer: a TTL with its highest bit set is 0") {
  CHECK(
      answer("a", RecordKind::a, {wire_record(RecordKind::a, 0x80000000, wire_address("1.2.3.4"))})
          .ttl_s == 0);
}

TEST_CASE("dns answer: services, their hosts in lower case") {
  const DnsAnswer services =
      answer("_s.test", RecordKind::srv,
             {wire_record(RecordKind::srv, 9, wire_service(1, 2, 80, "A_b-1.test")),
              wire_record(RecordKind::srv, 9, wire_service(3, 4, 81, "")),
              wire_record(RecordKind::srv, 9, wire_service(3, 4, 81, "a b"))});
  CHECK(texts_of(services) == "a_b-1.test:80/1/2 :81/3/4 ");
  CHECK(services.ttl_s == 9);
}

TEST_CASE("dns answer: names by pointers, which lead only back") {
  // "test" stands behind "chat" in the question, at 12 + 5.
  const std::string owner = wire_name("x").substr(0, 2) + std::string("\xc0\x11", 2);
  const DnsAnswer pointed =
      answer("chat.test", RecordKind::srv,
             {wire_record(RecordKind::srv, 9, wire_service(1, 1, 1, "").substr(0, 6) + owner)});
  CHECK(texts_of(pointed) == "x.test:1/1/1 ");
  const size_t first = 12 + question_of("chat.test", RecordKind::a).size();
  for (const size_t target : {first, first + 1, first + 20, size_t{0x3fff}}) {
    CAPTURE(target);
    std::string pointer;
    testing::put16(pointer, static_cast<unsigned>(0xc000 + target));
    CHECK(answer("chat.test", RecordKind::a,
                 {wire_record(RecordKind::a, 9, wire_address("10.0.0.1"), pointer)})
              .outcome == Outcome::failed);
  }
}

TEST_CASE("dns answer: a name of more pointers than labels fit in it is none") {
  // Each points to the one before it, the first one to the question's name.
  const size_t first = 12 + question_of("a.test", RecordKind::cname).size() + 2 + 10;
  for (const size_t count : {size_t{126}, size_t{127}}) {
    CAPTURE(count);
    std::string pointers;
    for (size_t i = 0; i < count; ++i) {
      testing::put16(pointers, static_cast<unsigned>(0xc000 + (i == 0 ? 12 : first + 2 * (i - 1))));
    }
    std::string last;
    testing::put16(last, static_cast<unsigned>(0xc000 + first + 2 * (count - 1)));
    const DnsAnswer found =
        answer("a.test", RecordKind::a,
               {wire_record(static_cast<RecordKind>(16), 9, pointers),  // a text
                wire_record(RecordKind::a, 9, wire_address("10.0.0.1"), last)});
    CHECK((found.outcome == Outcome::records) == (count == 126));
  }
}

TEST_CASE("dns answer: a message of any other length, or a record, is a failure") {
  const std::string whole =
      testing::wire_message("id", 0x8180, question_of("a.test", RecordKind::a),
                            {wire_record(RecordKind::a, 60, wire_address("10.0.0.1")),
                             wire_record(RecordKind::a, 60, wire_address("10.0.0.2"))});
  CHECK(parse(whole, RecordKind::a).outcome == Outcome::records);
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const DnsAnswer cut = parse(whole.substr(0, size), RecordKind::a);
    CHECK(cut.outcome == Outcome::failed);
    CHECK(std::string(cut.why).starts_with("answered with "));
    CHECK(cut.addresses.empty());
  }
  CHECK(answer("a", RecordKind::a, {wire_record(RecordKind::a, 1, "abc")}).outcome ==
        Outcome::failed);
  CHECK(answer("a", RecordKind::srv, {wire_record(RecordKind::srv, 1, "abcdef")}).outcome ==
        Outcome::failed);
}

TEST_CASE("dns answer: codes") {
  CHECK(answer("a", RecordKind::a, {}, 0x8180).outcome == Outcome::none);
  CHECK(answer("a", RecordKind::a, {}, 0x8183).outcome == Outcome::no_such_name);
  for (const unsigned code : {1u, 2u, 4u, 5u, 9u}) {
    const DnsAnswer failed = answer("a", RecordKind::a, {}, 0x8180 | code);
    CHECK(failed.outcome == Outcome::failed);
    CHECK(std::string(failed.why).starts_with("answered "));
  }
}

}  // namespace
}  // namespace sluice
