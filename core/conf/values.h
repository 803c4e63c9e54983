// The conf's values: times, sizes, switches, numbers. Each function throws a ConfProblem that
// prints the word as it stands in the file and says what is allowed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/conf/draft.h"

namespace sluice {

// Timers count milliseconds in 32 bits with a sign to spare: 24 days are the most.
inline constexpr uint32_t most_timeout_ms = 24u * 24 * 3600 * 1000;

// Returns what `read` returns. To a ConfProblem that it throws, `alternative` is added: the words
// that may stand there besides.
template <class Read>
auto or_else(const char* alternative, Read read) {
  try {
    return read();
  } catch (const ConfProblem& problem) {
    throw ConfProblem{problem.what + alternative};
  }
}

// "500ms", "10s", "5m", "1h"; more than 0, at most most_timeout_ms.
uint32_t time_ms(const Word& word);
// The same, or "off", which is 0.
uint32_t time_ms_or_off(const Word& word);
// "4096", "16k", "1m", "1g", units in either case; from `least` to `most` bytes.
uint64_t size_bytes(const Word& word, uint64_t least, uint64_t most);
// "on" or "off".
bool switch_on(const Word& word);
uint32_t number(const Word& word, uint32_t least, uint32_t most);
// The same, or "off", which is 0; `least` is at least 1.
uint32_t number_or_off(const Word& word, uint32_t least, uint32_t most);
// "burst=50" for a `name` of "burst".
uint32_t named_number(const Word& word, const std::string& name, uint32_t least, uint32_t most);
// Who may connect to a socket file: the MODE of the word "mode=MODE".
mode_t mode_of(const std::string& value, const Word& word);

}  // namespace sluice
