// Logs are a byte of flags each, ticket keys are their own bytes: both ends are one program.
#include "core/process/control_messages.h"

#include <openssl/crypto.h>

#include <array>
#include <cstring>

namespace sluice {

namespace {

constexpr uint8_t has_descriptor = 1;
constexpr uint8_t may_block = 2;

uint8_t flags_of(const sys::LogDescriptor& log) {
  uint8_t flags = 0;
  if (log.fd >= 0) flags |= has_descriptor;
  if (log.may_block) flags |= may_block;
  return flags;
}

Status send_latest(ControlChannel& channel, ControlKind kind, std::span<const uint8_t> payload,
                   std::span<const int> fds) {
  const Result<uint32_t> sent =
      channel.send(static_cast<uint16_t>(kind), payload, fds, ControlChannel::Keep::latest);
  if (!sent.ok()) return sent.fault();
  return Done{};
}

bool is(const ControlMessage& message, ControlKind kind, size_t bytes) {
  return message.kind() == static_cast<uint16_t>(kind) && message.payload().size() == bytes;
}

}  // namespace

KeyHandover::~KeyHandover() {
  OPENSSL_cleanse(&keys, sizeof keys);
}

Status send_logs(ControlChannel& channel, const LogHandover& logs) {
  const std::array<uint8_t, 2> flags{flags_of(logs.error), flags_of(logs.access)};
  std::array<int, 2> fds{};
  size_t count = 0;
  for (const int fd : {logs.error.fd, logs.access.fd}) {
    if (fd >= 0) fds[count++] = fd;
  }
  return send_latest(channel, ControlKind::logs, flags, std::span(fds).first(count));
}

Status send_ticket_keys(ControlChannel& channel, const TicketKeys& keys) {
  const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(&keys), sizeof keys};
  return send_latest(channel, ControlKind::ticket_keys, bytes, {});
}

std::optional<LogHandover> read_logs(ControlMessage& message) {
  if (!is(message, ControlKind::logs, 2)) return std::nullopt;
  const uint8_t error = message.payload()[0];
  const uint8_t access = message.payload()[1];
  const size_t wanted = size_t{(error & has_descriptor) != 0} + ((access & has_descriptor) != 0);
  if (message.descriptors() != wanted) return std::nullopt;
  LogHandover logs;
  const auto take = [&message](uint8_t flags, sys::LogDescriptor& log) {
    if ((flags & has_descriptor) != 0) log.fd = message.take_descriptor();
    log.may_block = (flags & may_block) != 0;
  };
  take(error, logs.error);
  take(access, logs.access);
  return logs;
}

std::optional<KeyHandover> read_ticket_keys(const ControlMessage& message) {
  if (!is(message, ControlKind::ticket_keys, sizeof(TicketKeys))) return std::nullopt;
  std::optional<KeyHandover> handover(std::in_place, TicketKeys{});
  std::memcpy(&handover->keys, message.payload().data(), sizeof(TicketKeys));
  return handover;
}

}  // namespace sluice
