// sys, terminals: for a program that draws on one and is told keys.
#pragma once

#include <cstdint>

namespace sluice::sys {

// The descriptors that a program starts with.
inline constexpr int standard_input = 0;
inline constexpr int standard_output = 1;

bool is_terminal(int fd);

struct TerminalSize {
  uint32_t columns = 0;
  uint32_t rows = 0;
};
// 0 and 0 where it is none, or tells none.
TerminalSize terminal_size(int fd);

// From then on each key comes at once, as bytes, Ctrl-C among them, and nothing is echoed. False
// where the descriptor is no terminal.
bool take_keys(int fd);
// As it was before take_keys(). Nothing happens where that was not called.
void give_keys_back(int fd);

// Waits until one of the two is readable, or the time is over.
void wait_readable_either(int one, int other, int timeout_ms);

}  // namespace sluice::sys
