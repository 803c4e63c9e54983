// Traffic: seeded random WebSocket frames, well-behaved or one of protocol/BAD_INPUT.md's rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace sluice::sim {

// A frame with any first byte, in its shortest form.
std::string frame_bytes(Random& random, uint8_t first, std::string_view payload, bool masked);
std::string close_frame(Random& random, uint16_t code, std::string_view reason, bool masked);

class Traffic {
 public:
  struct Rules {
    bool masked = false;
    bool deflate = false;
    uint64_t max_message_bytes = 0;
    uint32_t most_small_fragments = 0;
    uint32_t control_burst = 0;
    uint64_t pause_ns = 0;         // most between pieces
    size_t largest_bytes = 2'000;  // of a message, as a rule
  };

  Traffic(Random& random, const Rules& rules, std::vector<Piece>& out)
      : random_(random), rules_(rules), out_(out) {}

  void messages(size_t count);
  // One wrong thing; returns its name.
  const char* wrong();

 private:
  void message();
  void control();
  void add(std::string bytes, bool ends_frame = true);
  void add_split(std::string bytes);
  std::string text(size_t bytes);
  size_t message_size();
  std::string header(uint8_t first, unsigned length_code, uint64_t length, bool masked);
  const char* wrong_frame(uint64_t row);
  const char* wrong_close(uint64_t row);
  const char* wrong_message(uint64_t row);

  Random& random_;
  Rules rules_;
  std::vector<Piece>& out_;
  int controls_ = 0;
};

}  // namespace sluice::sim
