// Descriptors: the sum.
#include "core/process/descriptors.h"

#include <algorithm>

#include "core/process/control_channel.h"
#include "core/session/admission.h"

namespace sluice {

namespace {

constexpr uint64_t a_session = 2;  // its legs
// A client that is turned away at once, and what a message of the master's may bring: both new
// logs, which come before the old ones are closed, or sockets.
constexpr uint64_t passing = 1 + ControlMessage::most_descriptors;
// Below what a poller's handles can tell apart; no machine has so many descriptors.
constexpr uint64_t most = 100'000'000;

}  // namespace

uint32_t most_sessions(uint64_t limit, uint64_t held) {
  const uint64_t taken = held + overload_answers + passing;
  if (limit <= taken) return 0;
  return static_cast<uint32_t>(std::min((limit - taken) / a_session, most));
}

}  // namespace sluice
