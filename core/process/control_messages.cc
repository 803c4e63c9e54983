// All messages are of one size, so that a read takes exactly one of them.
#include "core/process/control.h"

#include <openssl/crypto.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "net/sys.h"

namespace sluice {

namespace {

enum class Kind : uint8_t { logs = 1, ticket_keys = 2 };

constexpr uint8_t has_descriptor = 1;
constexpr uint8_t may_block = 2;

// As it travels. Wiped when it has: it may hold keys.
struct Wire {
  Kind kind{};
  uint8_t error_log = 0;
  uint8_t access_log = 0;
  TicketKeys keys;

  ~Wire() { OPENSSL_cleanse(&keys, sizeof keys); }
  std::span<uint8_t> bytes() { return {reinterpret_cast<uint8_t*>(this), sizeof *this}; }
};

uint8_t flags_of(const sys::LogDescriptor& log) {
  uint8_t flags = 0;
  if (log.fd >= 0) flags |= has_descriptor;
  if (log.may_block) flags |= may_block;
  return flags;
}

LogHandover logs_of(const Wire& wire, const int* fds, size_t count) {
  LogHandover logs;
  size_t next = 0;
  const auto take = [&](uint8_t flags, sys::LogDescriptor& log) {
    if ((flags & has_descriptor) != 0 && next < count) log.fd = fds[next++];
    log.may_block = (flags & may_block) != 0;
  };
  take(wire.error_log, logs.error);
  take(wire.access_log, logs.access);
  return logs;
}

}  // namespace

KeyHandover::~KeyHandover() {
  OPENSSL_cleanse(&keys, sizeof keys);
}

Status send_control(int channel, const ControlMessage& message) {
  Wire wire;
  std::vector<int> fds;
  if (const auto* logs = std::get_if<LogHandover>(&message)) {
    wire.kind = Kind::logs;
    wire.error_log = flags_of(logs->error);
    wire.access_log = flags_of(logs->access);
    if (logs->error.fd >= 0) fds.push_back(logs->error.fd);
    if (logs->access.fd >= 0) fds.push_back(logs->access.fd);
  } else {
    wire.kind = Kind::ticket_keys;
    wire.keys = std::get<KeyHandover>(message).keys;
  }
  const ssize_t sent = sys::send_with_descriptors(channel, wire.bytes(), fds);
  if (sent < 0) return Fault{"sendmsg", static_cast<int>(-sent)};
  return Done{};
}

std::optional<ControlMessage> receive_control(int channel, bool& ended) {
  Wire wire;
  int fds[2] = {-1, -1};
  size_t count = 0;
  const ssize_t received = sys::recv_with_descriptors(channel, wire.bytes(), fds, 2, count);
  ended = received == 0 || (received < 0 && received != -EAGAIN);
  const bool whole = received == static_cast<ssize_t>(sizeof wire);
  if (whole && wire.kind == Kind::logs) return logs_of(wire, fds, count);
  for (size_t i = 0; i < count; ++i) sys::close(fds[i]);
  if (whole && wire.kind == Kind::ticket_keys) return KeyHandover(wire.keys);
  return std::nullopt;
}

}  // namespace sluice
