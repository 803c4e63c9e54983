// What the tests of Direction share: frames, and one direction between two socket pairs.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/session/direction.h"
#include "net/sys.h"

namespace sluice::testing {

using Bytes = std::vector<uint8_t>;

// An unmasked frame, as upstreams send them.
inline Bytes frame(uint8_t first, const std::string& payload) {
  Bytes bytes{first};
  if (payload.size() < 126) {
    bytes.push_back(static_cast<uint8_t>(payload.size()));
  } else if (payload.size() < 65536) {
    bytes.push_back(126);
    bytes.push_back(static_cast<uint8_t>(payload.size() >> 8));
    bytes.push_back(static_cast<uint8_t>(payload.size()));
  } else {
    bytes.push_back(127);
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<uint8_t>(uint64_t{payload.size()} >> shift));
    }
  }
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

// One direction between two socket pairs; the test holds the far ends.
struct Fixture {
  explicit Fixture(uint32_t full_bytes = 256 * 1024) : buffers(full_bytes), transits(buffers) {
    REQUIRE(sys::pair(source_pair) == 0);
    REQUIRE(sys::pair(target_pair) == 0);
    buffers.pipes().set_limit(PipePool::most_pipes);
    source.attach(source_pair[0]);
    target.attach(target_pair[0]);
    target.writable = true;
  }
  ~Fixture() {
    direction.release(transits, counts);
    for (const int fd : source_pair) sys::close(fd);
    for (const int fd : target_pair) {
      if (fd >= 0) sys::close(fd);
    }
    CHECK(buffers.lent() == 0);
    CHECK(buffers.pipes().lent() == 0);
    CHECK(transits.lent() == 0);
    CHECK(counts.queued() == 0);
    CHECK(counts.received() == direction.bytes());
    CHECK(counts.frames.messages() == direction.messages());
    CHECK(counts.received() + counts.own.value() == counts.sent() + counts.dropped.value());
  }

  Between path() {
    rules.counts = &counts.frames;
    return Between{source, target, transits,     rules,      counts,
                   now_ms, false,  light_beside, most_bytes, ping};
  }

  PumpEnd feed(const Bytes& bytes) {
    REQUIRE(sys::send(source_pair[1], bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
    return pump();
  }
  PumpEnd pump() {
    source.readable = true;
    return direction.pump(path());
  }
  Bytes received() {
    Bytes all;
    uint8_t piece[4096];
    for (;;) {
      const ssize_t got = sys::recv(target_pair[1], piece, sizeof piece);
      if (got <= 0) return all;
      all.insert(all.end(), piece, piece + got);
    }
  }

  TrafficCounters counts;
  uint32_t now_ms = 5'000;
  int source_pair[2];
  int target_pair[2];
  BufferPool buffers;
  TransitPool transits;
  FrameRules rules;
  bool light_beside = false;
  uint64_t most_bytes = UINT64_MAX;
  OwnPing* ping = nullptr;
  Leg source;
  Leg target;
  Direction direction;
};

}  // namespace sluice::testing
