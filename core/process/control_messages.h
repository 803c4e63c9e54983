// The messages that a master sends its workers: newly opened logs (SIGUSR1), because workers need
// no file system, and the keys of session tickets, because all workers share them.
#pragma once

#include <cstdint>
#include <optional>

#include "core/process/control_channel.h"
#include "net/result.h"
#include "net/sys_process.h"
#include "tls/tickets.h"

namespace sluice {

enum class ControlKind : uint16_t { logs = 1, ticket_keys = 2 };

// Both logs of a process; a descriptor of -1 is one that is off.
struct LogHandover {
  sys::LogDescriptor error;
  sys::LogDescriptor access;
};

// Ticket keys in a message. Each copy wipes what it held.
struct KeyHandover {
  explicit KeyHandover(const TicketKeys& handed_over) : keys(handed_over) {}
  KeyHandover(const KeyHandover&) = default;
  KeyHandover& operator=(const KeyHandover&) = default;
  ~KeyHandover();

  TicketKeys keys;
};

// Each takes the place of an earlier one that still waits. The logs' descriptors stay the caller's,
// as ControlChannel::send() says.
Status send_logs(ControlChannel& channel, const LogHandover& logs);
Status send_ticket_keys(ControlChannel& channel, const TicketKeys& keys);

// What a message of that kind says; nullopt where it is of another kind or malformed. The
// descriptors become the caller's.
std::optional<LogHandover> read_logs(ControlMessage& message);
std::optional<KeyHandover> read_ticket_keys(const ControlMessage& message);

}  // namespace sluice
