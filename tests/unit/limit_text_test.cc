// What the log says of a limit that was passed.
#include "core/observe/limit_text.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("a limit, and how much of what it limits was seen") {
  CHECK(limit_text("max_header_size", "16k", "the head", 17'204, "bytes") ==
        "max_header_size 16k, the head has 17,204 bytes so far");
  CHECK(limit_text("max_header_fields", "100", "the head", 101, "fields") ==
        "max_header_fields 100, the head has 101 fields so far");
  CHECK(limit_text("x", "1", "it", 999, "y") == "x 1, it has 999 y so far");
  CHECK(limit_text("x", "1", "it", 1'000, "y") == "x 1, it has 1,000 y so far");
  CHECK(limit_text("x", "1", "it", 1'234'567, "y") == "x 1, it has 1,234,567 y so far");
}

TEST_CASE("times are written as a conf has them") {
  CHECK(time_setting_text("send_timeout", 60'000) == "send_timeout 1m");
  CHECK(time_setting_text("send_timeout", 1'500) == "send_timeout 1500ms");
}

TEST_CASE("limit text: of measured times the whole seconds") {
  CHECK(rough_time_text(999) == "999ms");
  CHECK(rough_time_text(1'999) == "1s");
  CHECK(rough_time_text(61'001) == "61s");
  CHECK(rough_time_text(120'400) == "2m");
}

}  // namespace
}  // namespace sluice
