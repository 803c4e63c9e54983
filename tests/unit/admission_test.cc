// Admission: the sum of places, answers and those who linger.
#include "core/session/admission.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TEST_CASE("admission: the last place is given, the next client is answered, later ones are not") {
  const Admission admission(10);
  CHECK(admission.has_place(9));
  CHECK(admission.refusal(10, 0) == nullptr);
  const Refusal* const refusal = admission.refusal(11, 0);
  REQUIRE(refusal != nullptr);
  CHECK(refusal->status == 503);
  CHECK(std::string(refusal->reason) == "worker_connections reached");
  CHECK(admission.has_place(10 + overload_answers - 1));
  CHECK(!admission.has_place(10 + overload_answers));
}

TEST_CASE("admission: clients beyond handshake_rate are told to come again, within ten seconds") {
  for (uint32_t random = 0; random < 1'000; random += 7) {
    const Refusal& refusal = handshake_rate_refusal(random);
    CHECK(refusal.status == 503);
    CHECK(std::string(refusal.reason) == "handshake_rate reached");
    CHECK(refusal.retry_after_s == random % 10 + 1);
  }
  CHECK(&handshake_rate_refusal(3) == &handshake_rate_refusal(13));  // they last
}

TEST_CASE("admission: those who get an answer alone take no place for it") {
  const Admission admission(10);
  CHECK(admission.has_patience(0, 0));
  CHECK(admission.has_patience(10 + overload_answers - 1, overload_answers - 1));
  CHECK_FALSE(admission.has_patience(10 + overload_answers, 0));
  CHECK_FALSE(admission.has_patience(overload_answers, overload_answers));
}

TEST_CASE("admission: those that linger behind their answer take nobody's place") {
  const Admission admission(10);
  CHECK(admission.refusal(14, 4) == nullptr);
  CHECK(admission.refusal(15, 4) != nullptr);
}

}  // namespace
}  // namespace sluice
