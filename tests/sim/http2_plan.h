// HTTP/2 in a run: what the listener permits, which sessions are streams, how their clients'
// connections behave and what goes wrong with them. Drawn from a stream of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/config.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace sluice::sim {

struct Scenery;

struct Http2Plan {
  enum class Trouble : uint8_t {
    none,
    fin,      // FIN, whatever is open
    reset,    // RST
    cut_fin,  // the same behind so many bytes, which may be within a frame
    cut_reset,
    goaway,  // the client's own: its streams go on
    freeze,  // neither reads nor writes any more
    stall,   // reads nothing for a while
  };
  Trouble trouble = Trouble::none;
  uint64_t trouble_after_ns = 0;
  uint64_t cut_at_bytes = 0;
  uint64_t stall_ns = 0;
  uint32_t window_bytes = 65'535;  // of a stream, toward the client
  size_t most_frame_bytes = 16 * 1024;
  unsigned padding_percent = 0;
  unsigned pings = 0;
  bool hasty = false;  // opens streams before it has heard of any setting
  bool leaves_at_goaway = true;

  bool by_bytes() const { return trouble == Trouble::cut_fin || trouble == Trouble::cut_reset; }
  // Streams may suffer from it.
  bool spoils() const { return trouble != Trouble::none && trouble != Trouble::goaway; }
};

// Its listener speaks HTTP/2 from here on. Before secure_scenery().
void permit_http2(Random& random, Scenery& scenery, Config& config);
// A client's connection, for streams that bring so many bytes.
Http2Plan make_http2_plan(Random& random, Room room, uint64_t bytes);
// Makes a stream's of a session's plan: what HTTP/2 cannot say becomes something that it can.
void adapt_to_http2(Random& random, SessionPlan& plan);
// Upstreams prove with `key` that they have read the request: one that the proxy has chosen.
void adopt_key(SessionPlan& plan, const std::string& key);

}  // namespace sluice::sim
