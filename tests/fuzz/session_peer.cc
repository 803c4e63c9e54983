// Peer over net/sys's calls.
#include "tests/fuzz/session_peer.h"

#include <algorithm>
#include <cerrno>

#include "net/sys.h"

namespace sluice::fuzz {

void Peer::send(std::span<const uint8_t> bytes) {
  if (fd_ < 0 || bytes.empty()) return;
  const ssize_t taken = sys::send(fd_, bytes.data(), bytes.size());
  if (taken > 0)
    sent_.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(taken));
}

size_t Peer::read(size_t most) {
  char block[16 * 1024];
  size_t sum = 0;
  while (fd_ >= 0 && sum < most && !heard_end_) {
    const ssize_t got = sys::recv(fd_, block, std::min(sizeof block, most - sum));
    if (got > 0) {
      received_.append(block, static_cast<size_t>(got));
      sum += static_cast<size_t>(got);
    } else {
      heard_end_ = got != -EAGAIN;
      break;
    }
  }
  return sum;
}

void Peer::end_sending() {
  if (fd_ < 0) return;
  sys::shutdown_write(fd_);
  ended_ = true;
}

void Peer::close() {
  if (fd_ >= 0) sys::close(fd_);
  if (fd_ >= 0) closed_ = ended_ = true;
  fd_ = -1;
}

}  // namespace sluice::fuzz
