// What the log says of a limit that was passed.
#include "core/limit_text.h"

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

TEST_CASE("sizes are written as a conf has them, in whole units only") {
  CHECK(size_text(0) == "0");
  CHECK(size_text(1) == "1");
  CHECK(size_text(1023) == "1023");
  CHECK(size_text(1024) == "1k");
  CHECK(size_text(1536) == "1536");
  CHECK(size_text(256 << 10) == "256k");
  CHECK(size_text(16 << 20) == "16m");
  CHECK(size_text(uint64_t{1} << 40) == "1024g");
}

TEST_CASE("times are written as a conf has them") {
  CHECK(time_setting_text("send_timeout", 60'000) == "send_timeout 1m");
  CHECK(time_setting_text("send_timeout", 1'500) == "send_timeout 1500ms");
}

}  // namespace
}  // namespace sluice
