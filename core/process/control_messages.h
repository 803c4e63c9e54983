// The control channel from master to worker: newly opened logs (SIGUSR1), because workers need no
// file system, and the keys of session tickets, because all workers share them.
#pragma once

#include <optional>
#include <variant>

#include "net/result.h"
#include "net/sys_process.h"
#include "tls/tickets.h"

namespace sluice {

// Logs in a message; a descriptor of -1 is one that is off.
struct LogHandover {
  sys::LogDescriptor error;
  sys::LogDescriptor access;
};

// Ticket keys in a message. Each copy wipes what it held.
struct KeyHandover {
  KeyHandover(const TicketKeys& handed_over) : keys(handed_over) {}
  KeyHandover(const KeyHandover&) = default;
  KeyHandover& operator=(const KeyHandover&) = default;
  ~KeyHandover();

  TicketKeys keys;
};

using ControlMessage = std::variant<LogHandover, KeyHandover>;

// Sends copies of the descriptors in it; the caller keeps its own.
Status send_control(int channel, const ControlMessage& message);
// The next message, whose descriptors become the caller's; nullopt where none is waiting.
// `ended` is set once the master is gone.
std::optional<ControlMessage> receive_control(int channel, bool& ended);

}  // namespace sluice
