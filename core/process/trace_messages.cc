// Trace messages: everything is its own bytes, because both ends are one program.
#include "core/process/trace_messages.h"

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "core/process/control_messages.h"
#include "core/process/message_parts.h"

namespace sluice {

namespace {

// An order: this, then its texts.
struct CommandHead {
  uint64_t until_ms = 0;
  uint32_t number = 0;
  uint32_t handshakes = 0;
  uint32_t lines = 0;
  uint32_t upstream = 0;
  uint32_t listener = 0;
  std::array<uint16_t, 4> text_bytes = {};
  uint8_t verb = 0;
  uint8_t has_upstream = 0;
  uint8_t has_listener = 0;
  uint8_t unused = 0;
};

// A piece: this, then its lines.
struct PieceHead {
  uint32_t order = 0;
  uint32_t left_out = 0;
  uint32_t whole = 0;
};
static_assert(sizeof(PieceHead) + most_piece_bytes <= ControlChannel::most_payload_bytes);

std::array<std::string TraceOrder::*, 4> texts() {
  return {&TraceOrder::client, &TraceOrder::route, &TraceOrder::host, &TraceOrder::path};
}

template <class Head>
std::vector<uint8_t> payload_of(const Head& head) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&head);
  return {bytes, bytes + sizeof head};
}

Status send(ControlChannel& channel, ControlKind kind, std::span<const uint8_t> payload) {
  const Result<uint32_t> sent =
      channel.send(static_cast<uint16_t>(kind), payload, {}, ControlChannel::Keep::all);
  if (!sent.ok()) return sent.fault();
  return Done{};
}

}  // namespace

Status send_trace_command(ControlChannel& channel, const TraceCommand& command) {
  const TraceOrder& order = command.order;
  CommandHead head;
  head.until_ms = order.until_ms;
  head.number = order.number;
  head.handshakes = order.handshakes;
  head.lines = order.lines;
  head.has_upstream = order.upstream.has_value();
  head.has_listener = order.listener.has_value();
  if (order.upstream) head.upstream = static_cast<uint32_t>(*order.upstream);
  if (order.listener) head.listener = static_cast<uint32_t>(*order.listener);
  head.verb = static_cast<uint8_t>(command.verb);
  size_t bytes = sizeof head;
  for (size_t i = 0; i < texts().size(); ++i) {
    const size_t size = (order.*texts()[i]).size();
    bytes += size;
    if (bytes > ControlChannel::most_payload_bytes) return Fault{"its words are too long", 0};
    head.text_bytes[i] = static_cast<uint16_t>(size);
  }
  std::vector<uint8_t> payload = payload_of(head);
  for (const auto text : texts()) {
    payload.insert(payload.end(), (order.*text).begin(), (order.*text).end());
  }
  return send(channel, ControlKind::trace_command, payload);
}

std::optional<TraceCommand> read_trace_command(const ControlMessage& message) {
  std::span<const uint8_t> rest = message.payload();
  CommandHead head;
  if (message.kind() != static_cast<uint16_t>(ControlKind::trace_command) || !take(rest, head) ||
      head.number == 0 || head.verb > static_cast<uint8_t>(TraceCommand::Verb::end) ||
      head.has_upstream > 1 || head.has_listener > 1) {
    return std::nullopt;
  }
  TraceCommand command;
  command.verb = static_cast<TraceCommand::Verb>(head.verb);
  TraceOrder& order = command.order;
  order.number = head.number;
  order.handshakes = head.handshakes;
  order.lines = head.lines;
  order.until_ms = head.until_ms;
  if (head.has_upstream == 1) order.upstream = UpstreamId{head.upstream};
  if (head.has_listener == 1) order.listener = ListenerId{head.listener};
  for (size_t i = 0; i < texts().size(); ++i) {
    const size_t size = head.text_bytes[i];
    if (size > rest.size()) return std::nullopt;
    (order.*texts()[i]).assign(reinterpret_cast<const char*>(rest.data()), size);
    rest = rest.subspan(size);
  }
  if (!rest.empty()) return std::nullopt;
  return command;
}

Status send_trace_piece(ControlChannel& channel, const TracePiece& piece) {
  std::vector<uint8_t> payload =
      payload_of(PieceHead{piece.order, piece.left_out, piece.whole ? 1u : 0u});
  payload.insert(payload.end(), piece.text.begin(), piece.text.end());
  return send(channel, ControlKind::trace_piece, payload);
}

std::optional<TracePiece> read_trace_piece(const ControlMessage& message) {
  std::span<const uint8_t> rest = message.payload();
  PieceHead head;
  if (message.kind() != static_cast<uint16_t>(ControlKind::trace_piece) || !take(rest, head) ||
      head.order == 0 || head.whole > 1 || rest.empty() || rest.back() != '\n') {
    return std::nullopt;
  }
  return TracePiece{.order = head.order,
                    .left_out = head.left_out,
                    .whole = head.whole == 1,
                    .text = std::string(reinterpret_cast<const char*>(rest.data()), rest.size())};
}

}  // namespace sluice
