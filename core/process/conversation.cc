// Conversation: lines, asked and answered.
#include "core/process/conversation.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/process/control_request.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr int poll_ms = 20;

}  // namespace

Conversation::~Conversation() {
  if (fd_ >= 0) sys::close(fd_);
}

int Conversation::connect(const Address& address, uint64_t deadline_ms) {
  for (;;) {
    fd_ = sys::stream_socket(AF_UNIX);
    if (fd_ < 0) return -std::exchange(fd_, -1);
    const int answer = sys::connect(fd_, address);
    if (answer == 0) return 0;
    sys::close(std::exchange(fd_, -1));
    if (answer != -EAGAIN || sys::monotonic_ms() > deadline_ms) return -answer;
    sys::wait_readable(-1, poll_ms);
  }
}

void Conversation::ask(const std::string& request) const {
  const std::string line = request + "\n";
  sys::send(fd_, line.data(), line.size());
}

std::string Conversation::answer(uint64_t deadline_ms) {
  size_t end = 0;
  while ((end = came_.find('\n')) == std::string::npos && came_.size() <= most_answer_line_bytes &&
         receive(came_, deadline_ms)) {
  }
  cut_ = end == std::string::npos && came_.size() <= most_answer_line_bytes;
  std::string line = came_.substr(0, end);
  came_.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

bool Conversation::await_end(uint64_t deadline_ms) {
  std::string ignored;
  while (receive(ignored, deadline_ms)) {
  }
  return ended_;
}

bool Conversation::receive(std::string& text, uint64_t deadline_ms) {
  char piece[4096];
  for (;;) {
    const ssize_t got = sys::recv(fd_, piece, sizeof piece);
    if (got > 0) {
      text.append(piece, static_cast<size_t>(got));
      return true;
    }
    ended_ = got != -EAGAIN;
    const uint64_t now_ms = sys::monotonic_ms();
    if (ended_ || now_ms >= deadline_ms) return false;
    sys::wait_readable(fd_, static_cast<int>(std::min<uint64_t>(deadline_ms - now_ms, 60'000)));
  }
}

std::string unreachable(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return name +
             ": nobody listens there: sluice is not running, or was started before its "
             "conf named this socket";
    case EACCES:
    case EPERM:
      return name +
             ": permission denied: only root and the user that sluice was started as may "
             "speak to it";
    default:
      return name + ": " + std::strerror(error);
  }
}

}  // namespace sluice
