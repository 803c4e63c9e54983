// A message is two bytes, one for each log: bit 0 says that a descriptor comes with it, bit 1 that
// it may block.
#include "core/control.h"

#include <cerrno>
#include <vector>

#include "net/sys.h"

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

}  // namespace

Status send_logs(int channel, const LogHandover& logs) {
  const uint8_t message[2] = {flags_of(logs.error), flags_of(logs.access)};
  std::vector<int> fds;
  if (logs.error.fd >= 0) fds.push_back(logs.error.fd);
  if (logs.access.fd >= 0) fds.push_back(logs.access.fd);
  const ssize_t sent = sys::send_with_descriptors(channel, message, fds);
  if (sent < 0) return Fault{"sendmsg", static_cast<int>(-sent)};
  return Done{};
}

std::optional<LogHandover> receive_logs(int channel, bool& ended) {
  uint8_t message[2] = {};
  int fds[2] = {-1, -1};
  size_t count = 0;
  const ssize_t received = sys::recv_with_descriptors(channel, message, fds, 2, count);
  ended = received == 0 || (received < 0 && received != -EAGAIN);
  if (received != static_cast<ssize_t>(sizeof message)) {
    for (size_t i = 0; i < count; ++i) sys::close(fds[i]);
    return std::nullopt;
  }
  LogHandover logs;
  size_t next = 0;
  sys::LogDescriptor* both[2] = {&logs.error, &logs.access};
  for (size_t i = 0; i < 2; ++i) {
    if ((message[i] & has_descriptor) != 0 && next < count) both[i]->fd = fds[next++];
    both[i]->may_block = (message[i] & may_block) != 0;
  }
  return logs;
}

}  // namespace sluice
