// Which certificates are told of, and how many days are left to them.
#include <doctest/doctest.h>

#include "core/conf/certificate_ends.h"

using namespace sluice;

namespace {

constexpr int64_t day_s = 86'400;
constexpr int64_t now_s = 1'800'000'000;

std::string told(int64_t left_s, int days) {
  return warning_of_end({"x.conf:1: a certificate", now_s + left_s}, now_s, days);
}

}  // namespace

TEST_CASE("conf certificate ends: whole days count, and one that has ended is always told of") {
  CHECK(told(-1, 14) == "x.conf:1: a certificate has expired");
  CHECK(told(-400 * day_s, 14) == "x.conf:1: a certificate has expired");
  CHECK(told(0, 14) == "x.conf:1: a certificate expires in 0 days");
  CHECK(told(day_s - 1, 14) == "x.conf:1: a certificate expires in 0 days");
  CHECK(told(15 * day_s - 1, 14) == "x.conf:1: a certificate expires in 14 days");
  CHECK(told(15 * day_s, 14) == "");
  CHECK(told(30 * day_s, 30) == "x.conf:1: a certificate expires in 30 days");
}

TEST_CASE("conf certificate ends: all of a Config's, in their order") {
  Config config;
  CHECK(warnings_of_ends(config, now_s, days_of_notice).empty());
  config.certificate_ends = {
      {"one", now_s - 5}, {"two", now_s + 20 * day_s}, {"three", now_s + 5 * day_s}};
  CHECK(warnings_of_ends(config, now_s, days_of_notice) ==
        std::vector<std::string>{"one has expired", "three expires in 5 days"});
  // The same Config, a week later.
  CHECK(warnings_of_ends(config, now_s + 7 * day_s, days_of_notice) ==
        std::vector<std::string>{"one has expired", "two expires in 13 days", "three has expired"});
}
