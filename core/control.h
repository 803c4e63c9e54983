// The control channel between master and worker: the one message there is so far hands over newly
// opened logs (SIGUSR1), because workers need no file system.
#pragma once

#include <optional>

#include "net/result.h"
#include "net/sys_process.h"

namespace sluice {

// Logs in a message; a descriptor of -1 is one that is off.
struct LogHandover {
  sys::LogDescriptor error;
  sys::LogDescriptor access;
};

// Sends copies of the descriptors; the caller keeps its own.
Status send_logs(int channel, const LogHandover& logs);
// The next message, whose descriptors become the caller's; nullopt where none is waiting.
// `ended` is set once the master is gone.
std::optional<LogHandover> receive_logs(int channel, bool& ended);

}  // namespace sluice
