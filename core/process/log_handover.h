// LogHandover: both logs of a process, opened by the master, with how their lines look. What
// follows from a conf comes with the descriptors, so that no line of one form goes where another
// one is expected.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/observe/log_sink.h"

namespace sluice {

// A descriptor of -1 is a log that is off.
struct LogHandover {
  LogOutput error;
  LogOutput access;
};

// All but the descriptors' numbers.
std::vector<uint8_t> packed(const LogHandover& logs);
// The same back: logs that are on have descriptor 0, for the caller to replace. nullopt where the
// bytes are none of packed().
std::optional<LogHandover> unpacked_logs(std::span<const uint8_t> bytes);

}  // namespace sluice
