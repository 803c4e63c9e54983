// What the relay asks of headers and scanner for large frames, whose payload it does not look at.
#include <doctest/doctest.h>

#include <vector>

#include "protocol/frames.h"

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

const Bytes large_header{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0};  // of 65,536 bytes

TEST_CASE("large frames: only whole headers of data frames with a 64-bit length") {
  CHECK(large_frame_header_bytes(large_header) == 10);
  Bytes masked = large_header;
  masked[1] |= 0x80;
  CHECK(large_frame_header_bytes(masked) == 0);  // the key is missing
  masked.resize(14);
  CHECK(large_frame_header_bytes(masked) == 14);
  for (size_t bytes = 0; bytes < large_header.size(); ++bytes) {
    CHECK(large_frame_header_bytes({large_header.data(), bytes}) == 0);
  }
  Bytes longer = large_header;
  longer.resize(20);
  CHECK(large_frame_header_bytes(longer) == 10);
  for (const Bytes& other : {Bytes{0x82, 126, 0xff, 0xff, 1, 2, 3, 4, 5, 6}, Bytes{0x82, 5, 1, 2},
                             Bytes{0x88, 127, 0, 0, 0, 0, 0, 1, 0, 0}}) {
    CHECK(large_frame_header_bytes(other) == 0);
  }
}

TEST_CASE("large frames: stepping over payload is accepting it") {
  FrameScanner seen, stepped;
  const FrameRules rules;
  for (FrameScanner* scanner : {&seen, &stepped}) {
    CHECK(scanner->scan(large_header, rules, 0).accepted == 10);
    CHECK(scanner->large_frame());
    CHECK(scanner->payload_left() == 65'536);
  }
  const Bytes payload(30'000, 'x');
  seen.scan(payload, rules, 0);
  stepped.step_over(payload.size());
  CHECK(stepped.payload_left() == seen.payload_left());
  CHECK(stepped.into_frame() == seen.into_frame());
  CHECK(stepped.into_frame() == 30'010);
  stepped.step_over(stepped.payload_left());
  CHECK(stepped.at_boundary());
  CHECK(stepped.large_frame());
}

TEST_CASE("large frames: the next data frame decides, a control frame does not") {
  const FrameRules rules;
  for (const Bytes& small : {Bytes{0x82, 1, 'x'}, Bytes{0x82, 126, 1, 0}, Bytes{0x02, 0}}) {
    FrameScanner scanner;
    scanner.scan(large_header, rules, 0);
    scanner.step_over(65'536);
    CHECK(scanner.scan(Bytes{0x89, 0}, rules, 0).accepted == 2);
    CHECK(scanner.large_frame());
    scanner.scan(small, rules, 0);
    CHECK_FALSE(scanner.large_frame());
  }
}

}  // namespace
}  // namespace sluice
