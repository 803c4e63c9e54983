// The messages of traces: a master orders, goes on with and ends them, and workers answer with what
// they found.
#pragma once

#include <optional>

#include "core/process/control_channel.h"
#include "core/session/tracer.h"

namespace sluice {

struct TraceCommand {
  enum class Verb : uint8_t {
    begin,
    more,  // the piece before was told; of the order its number alone counts
    end,   // the same
  };

  Verb verb = Verb::begin;
  TraceOrder order{};
};

// So many bytes of a TracePiece's text have room in a message.
inline constexpr size_t most_piece_bytes = ControlChannel::most_payload_bytes - 16;

// Each is sent once. A Fault where there is no room, in an order whose words are too long too.
Status send_trace_command(ControlChannel& channel, const TraceCommand& command);
Status send_trace_piece(ControlChannel& channel, const TracePiece& piece);

// What a message of that kind says; nullopt where it is of another kind or malformed.
std::optional<TraceCommand> read_trace_command(const ControlMessage& message);
std::optional<TracePiece> read_trace_piece(const ControlMessage& message);

}  // namespace sluice
