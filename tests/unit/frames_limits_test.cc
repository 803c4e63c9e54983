// FrameScanner's limits, for both peers: control frames, small fragments, the size of a message.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <span>
#include <string>

#include "tests/unit/frames_testing.h"

namespace sluice {
namespace {

using testing::Bytes;
using testing::passes;
using testing::Peer;
using testing::peers;
using testing::scan;
using testing::Verdict;

TEST_CASE("frames: control frames pass up to the burst at once, then at the rate") {
  struct Limit {
    RateLimit limit;
    uint32_t one_more_after_ms;
  };
  // The default, and rates below and above the clock's step.
  const Limit limits[] = {{FrameRules().control_frames, 10}, {{2, 3}, 500}, {{5000, 1}, 1}};
  for (const Peer& peer : peers) {
    for (const Limit& row : limits) {
      const RateLimit& limit = row.limit;
      const uint32_t one_more_after_ms = row.one_more_after_ms;
      // Around the clock's end; from 500 ms before it a bucket is due to be empty at 0.
      for (const uint32_t start_ms : {0u, 5000u, UINT32_MAX - 499, UINT32_MAX - 3}) {
        CAPTURE(peer.masks);
        CAPTURE(limit.a_second);
        CAPTURE(start_ms);
        FrameRules rules = peer.rules();
        rules.control_frames = limit;
        FrameScanner scanner;
        const auto floods = [&](uint32_t now_ms) {
          FrameScanner flooded = scanner;
          const auto seen = scan(flooded, peer.frame(0x89, ""), rules, now_ms);
          CHECK(seen.accepted == 0);
          if (seen.verdict != Verdict::bad) return false;
          CHECK(flooded.code() == CloseCode::policy_violation);
          CHECK(flooded.explanation(rules) == "control frame " + std::to_string(limit.burst + 1) +
                                                  " of a burst over control_frame_rate " +
                                                  std::to_string(limit.a_second) +
                                                  " burst=" + std::to_string(limit.burst));
          return true;
        };
        for (uint32_t i = 0; i < limit.burst; ++i) {
          CHECK(passes(scanner, peer.frame(i % 2 == 0 ? 0x89 : 0x8a, ""), rules, start_ms));
        }
        CHECK(passes(scanner, peer.frame(0x82, "data"), rules, start_ms));
        CHECK(floods(start_ms + one_more_after_ms - 1));
        FrameScanner closing = scanner;  // who floods may still leave
        CHECK(scan(closing, peer.frame(0x88, ""), rules, start_ms).verdict == Verdict::closed);

        const uint32_t then_ms = start_ms + one_more_after_ms;
        CHECK(passes(scanner, peer.frame(0x8a, ""), rules, then_ms));
        if (limit.a_second < 1000) CHECK(floods(then_ms + one_more_after_ms - 1));

        const uint32_t rested_ms = then_ms + 1000 * limit.burst / limit.a_second + 1;
        for (uint32_t i = 0; i < limit.burst; ++i) {
          CHECK(passes(scanner, peer.frame(0x89, "again"), rules, rested_ms));
        }
        CHECK(floods(rested_ms));
      }
    }
  }
}

TEST_CASE("frames: a steady stream of control frames passes at any rate, and not much above it") {
  const Peer peer{true};
  const Bytes ping = peer.frame(0x89, "");
  for (const uint32_t rate : {1u, 3u, 7u, 100u, 300u, 999u, 1000u, 30'000u, RateLimit::most}) {
    CAPTURE(rate);
    FrameRules rules = peer.rules();
    rules.control_frames = {rate, rate};
    FrameScanner scanner;
    for (uint32_t i = 0; i < rate; ++i) scan(scanner, ping, rules, 0);
    uint64_t passed = 0;
    // As many as pass, each millisecond for ten seconds.
    for (uint32_t now_ms = 1; now_ms <= 10'000; ++now_ms) {
      for (uint32_t most = rate / 1000 + 100; most > 0; --most) {
        FrameScanner tried = scanner;
        if (scan(tried, ping, rules, now_ms).verdict == Verdict::bad) break;
        scanner = tried;
        ++passed;
      }
    }
    CHECK(passed >= uint64_t{10} * rate);
    CHECK(passed <= uint64_t{10} * rate + rate / 10 + 1);
  }
}

TEST_CASE("frames: control frames are counted by nobody where the limit is off") {
  for (const Peer& peer : peers) {
    FrameRules rules = peer.rules();
    rules.control_frames = {};
    FrameScanner scanner;
    for (int i = 0; i < 5000; ++i) CHECK(passes(scanner, peer.frame(0x8a, ""), rules));
  }
}

TEST_CASE("frames: of a message's small fragments, max_small_fragments pass") {
  for (const Peer& peer : peers) {
    for (const uint32_t most : {1u, 3u, FrameRules().max_small_fragments}) {
      CAPTURE(peer.masks);
      CAPTURE(most);
      FrameRules rules = peer.rules();
      rules.max_small_fragments = most;
      FrameScanner scanner;
      CHECK(passes(scanner, peer.frame(0x01, ""), rules));
      for (uint32_t i = 1; i < most - (most > 1); ++i) {
        CHECK(passes(scanner, peer.frame(0x00, std::string(i % 64, 's')), rules));
      }
      if (most > 1) {
        FrameScanner ending = scanner;
        CHECK(passes(ending, peer.frame(0x80, "the last that may be"), rules));
        CHECK(passes(ending, peer.frame(0x01, "another message"), rules));
        CHECK(passes(ending, peer.frame(0x00, std::string(64, 'l')), rules));
        CHECK(passes(scanner, peer.frame(0x00, ""), rules));
      }
      CHECK(passes(scanner, peer.frame(0x89, "no fragment"), rules));
      CHECK(passes(scanner, peer.frame(0x00, std::string(64, 'l')), rules));
      CHECK(scan(scanner, peer.frame(0x80, std::string(63, 's')), rules).accepted == 0);
      CHECK(scanner.code() == CloseCode::policy_violation);
      CHECK(scanner.explanation(rules) ==
            "fragment " + std::to_string(most + 1) +
                " under 64 bytes of a message over max_small_fragments " + std::to_string(most));
    }
  }
}

TEST_CASE(
    "frames: fragments of 64 bytes and more are not counted, nor any where the limit is off") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    const Bytes whole = peer.frame(0x00, std::string(64, 'w'));
    FrameScanner scanner;
    FrameScanner unlimited;
    FrameRules off = peer.rules();
    off.max_small_fragments = 0;
    CHECK(passes(scanner, peer.frame(0x02, ""), peer.rules()));
    CHECK(passes(unlimited, peer.frame(0x02, ""), off));
    for (int i = 0; i < 5000; ++i) {
      CHECK(passes(scanner, whole, peer.rules()));
      CHECK(passes(unlimited, peer.frame(0x00, "s"), off));
    }
    CHECK(passes(scanner, peer.frame(0x80, "end"), peer.rules()));
    CHECK(passes(unlimited, peer.frame(0x80, "end"), off));
  }
}

TEST_CASE("frames: max_message_size counts all fragments and nothing else") {
  for (const Peer& peer : peers) {
    for (const uint64_t limit : {10u, 125u, 126u, 300u, 70000u}) {
      CAPTURE(peer.masks);
      CAPTURE(limit);
      FrameRules rules = peer.rules();
      rules.max_message_bytes = limit;
      const std::string full(limit, 'f');
      const std::string over(limit + 1, 'o');
      FrameScanner scanner;
      CHECK(passes(scanner, peer.frame(0x82, full), rules));
      CHECK(passes(scanner, peer.frame(0x01, full.substr(4)), rules));
      CHECK(passes(scanner, peer.frame(0x89, std::string(125, 'p')), rules));
      CHECK(passes(scanner, peer.frame(0x00, "abc"), rules));

      FrameScanner ending = scanner;
      CHECK(passes(ending, peer.frame(0x80, "d"), rules));
      CHECK(passes(ending, peer.frame(0x81, full), rules));
      for (FrameScanner* big : {&scanner, &ending}) {
        const Bytes bad = big == &ending ? peer.frame(0x81, over) : peer.frame(0x00, "de");
        const auto seen = scan(*big, bad, rules);
        CHECK(seen.verdict == Verdict::bad);
        CHECK(seen.accepted == 0);
        CHECK(big->code() == CloseCode::message_too_big);
        CHECK(big->explanation(rules) == "message of at least " + std::to_string(limit + 1) +
                                             " bytes over max_message_size " +
                                             std::to_string(limit));
      }
    }
  }
}

TEST_CASE("frames: where messages are unlimited, 2^63-1 bytes may be announced") {
  constexpr uint64_t longest = UINT64_MAX >> 1;
  for (const Peer& peer : peers) {
    CAPTURE(peer.masks);
    const Bytes header = peer.damaged(0x82, 127, Peer::number(longest, 8), "");
    FrameScanner scanner;
    CHECK(scan(scanner, header, peer.rules()).accepted == header.size());
    CHECK(scanner.payload_left() == longest);
    CHECK(scanner.into_frame() == header.size());
    CHECK(scan(scanner, Bytes(1000, 0xff), peer.rules()).accepted == 1000);
    CHECK(scanner.payload_left() == longest - 1000);
    CHECK(scanner.into_frame() == header.size() + 1000);
    CHECK_FALSE(scanner.at_boundary());

    FrameRules rules = peer.rules();
    rules.max_message_bytes = longest - 1;
    FrameScanner limited;
    CHECK(scan(limited, header, rules).accepted == 0);
    CHECK(limited.code() == CloseCode::message_too_big);
  }
}

TEST_CASE("frames: the size of a message saturates, and payload is not touched") {
  // Memory that can only be pointed at lets a frame of 2^63-1 bytes end within the test's time.
  constexpr size_t step_bytes = size_t{1} << 42;
  constexpr uint64_t longest = UINT64_MAX >> 1;
  void* const memory =
      mmap(nullptr, step_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    MESSAGE("not tested: address space is limited");
    return;
  }
  const std::span<const uint8_t> steps(static_cast<const uint8_t*>(memory), step_bytes);

  const Peer peer{true};
  FrameRules rules = peer.rules();
  rules.max_message_bytes = UINT64_MAX - 1;
  FrameScanner scanner;
  for (const int first : {0x01, 0x00}) {
    const Bytes header = peer.damaged(first, 127, Peer::number(longest, 8), "");
    REQUIRE(scan(scanner, header, rules).accepted == header.size());
    while (scanner.payload_left() >= step_bytes) scanner.scan(steps, rules, 0);
    scanner.scan(steps.first(static_cast<size_t>(scanner.payload_left())), rules, 0);
    REQUIRE(scanner.at_boundary());
  }
  CHECK(munmap(memory, step_bytes) == 0);
  CHECK(passes(scanner, peer.frame(0x00, ""), rules));
  CHECK(scan(scanner, peer.frame(0x00, "33"), rules).verdict == Verdict::bad);
  CHECK(scanner.code() == CloseCode::message_too_big);
}

}  // namespace
}  // namespace sluice
