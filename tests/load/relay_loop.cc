// RelayLoop: receive into the one buffer, send from it, keep only what was not taken.
#include "tests/load/relay_loop.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "net/sys.h"

namespace sluice::load {

namespace {

constexpr int events_a_turn = 512;
constexpr int accepts_a_turn = 64;
constexpr int rounds_a_pump = 8;  // recv and send, each way; then others get their turn
constexpr uint32_t interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
constexpr uint32_t unusual = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;  // shortens reads

// A pair's address with the number of the side in the lowest bit; 0 is the listener.
uint64_t cookie_of(RelayPair* pair, unsigned side) {
  return reinterpret_cast<uintptr_t>(pair) | side;
}
RelayPair* pair_of(uint64_t cookie) {
  return reinterpret_cast<RelayPair*>(static_cast<uintptr_t>(cookie & ~uint64_t{1}));
}

void note(RelaySide& side, uint32_t events) {
  if ((events & (EPOLLIN | unusual)) != 0) side.readable = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) side.writable = true;
  if ((events & unusual) != 0) side.short_means_drained = false;
}

}  // namespace

RelayLoop::RelayLoop(int listener, const Address& upstream, size_t buffer_bytes)
    : listener_(listener),
      upstream_(upstream),
      buffer_bytes_(buffer_bytes),
      buffer_(std::make_unique_for_overwrite<uint8_t[]>(buffer_bytes)) {}

bool RelayLoop::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;  // level-triggered: what is not accepted now is told again
  return epoll_ >= 0 && epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) == 0;
}

void RelayLoop::run() {
  while (turn()) continue;
}

bool RelayLoop::turn() {
  epoll_event events[events_a_turn];
  const int count = epoll_wait(epoll_, events, events_a_turn, queue_.empty() ? -1 : 0);
  if (count < 0) {
    if (errno == EINTR) return true;
    std::fprintf(stderr, "bare-relay: epoll_wait: %s\n", std::strerror(errno));
    return false;
  }
  const std::vector<RelayPair*> queue = std::exchange(queue_, {});
  for (RelayPair* pair : queue) {
    pair->queued = false;
    pump(pair);
  }
  for (int i = 0; i < count; ++i) {
    RelayPair* pair = pair_of(events[i].data.u64);
    if (pair == nullptr) {
      if (!accept_some()) return false;
    } else if (!pair->gone) {
      note(pair->sides[events[i].data.u64 & 1], events[i].events);
      pump(pair);
    }
  }
  for (RelayPair* pair : retired_) delete pair;
  retired_.clear();
  return true;
}

bool RelayLoop::accept_some() {
  for (int i = 0; i < accepts_a_turn; ++i) {
    Address client;
    const int fd = sys::accept(listener_, client);
    if (fd >= 0) {
      if (!client.is_unix()) sys::set_no_delay(fd);
      start(fd);
    } else if (fd == -EAGAIN) {
      return true;
    } else if (fd != -ECONNABORTED) {
      std::fprintf(stderr, "bare-relay: accept: %s\n", std::strerror(-fd));
      return false;
    }
  }
  return true;
}

void RelayLoop::start(int client_fd) {
  auto* pair = new RelayPair;
  pair->sides[RelayPair::client].fd = client_fd;
  const int fd = sys::stream_socket(upstream_.family());
  pair->sides[RelayPair::upstream].fd = fd;
  if (fd < 0) return close(pair);
  if (!upstream_.is_unix()) sys::set_no_delay(fd);
  const int answer = sys::connect(fd, upstream_);
  const bool started = answer == 0 || answer == -EINPROGRESS;
  if (!started || !watch(pair, RelayPair::client) || !watch(pair, RelayPair::upstream)) close(pair);
}

bool RelayLoop::watch(RelayPair* pair, unsigned side) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = cookie_of(pair, side);
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, pair->sides[side].fd, &event) == 0;
}

void RelayLoop::pump(RelayPair* pair) {
  if (pair->gone || pair->queued) return;
  bool more = false;
  const bool alive =
      forward(*pair, RelayPair::client, more) && forward(*pair, RelayPair::upstream, more);
  if (!alive) return close(pair);
  if (!more) return;
  pair->queued = true;
  queue_.push_back(pair);
}

// Moves what can be moved one way, `more` where its budget ended it; false where the pair is over.
bool RelayLoop::forward(RelayPair& pair, unsigned from, bool& more) {
  RelaySide& source = pair.sides[from];
  RelaySide& target = pair.sides[1 - from];
  if (!flush(target)) return false;
  int rounds = 0;
  while (source.readable && target.writable && !source.ended) {
    if (rounds++ == rounds_a_pump) {
      more = true;
      break;
    }
    const ssize_t received = sys::recv(source.fd, buffer_.get(), buffer_bytes_);
    if (received < 0) {
      if (received != -EAGAIN) return false;
      source.readable = false;
      break;
    }
    if (received == 0) {
      source.ended = true;
      sys::shutdown_write(target.fd);
      break;
    }
    const auto bytes = static_cast<size_t>(received);
    if (bytes < buffer_bytes_ && source.short_means_drained) source.readable = false;
    const ssize_t sent = sys::send(target.fd, buffer_.get(), bytes);
    if (sent < 0 && sent != -EAGAIN) return false;
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    if (taken == bytes) continue;
    target.remainder.assign(buffer_.get() + taken, buffer_.get() + bytes);
    target.writable = false;
  }
  return !(source.ended && target.ended);
}

// Sends a remainder; false where the target is gone. With a remainder left it is not writable.
bool RelayLoop::flush(RelaySide& to) {
  if (to.remainder.empty() || !to.writable) return true;
  const size_t rest = to.remainder.size() - to.remainder_sent;
  const ssize_t sent = sys::send(to.fd, to.remainder.data() + to.remainder_sent, rest);
  if (sent < 0 && sent != -EAGAIN) return false;
  if (sent > 0) to.remainder_sent += static_cast<size_t>(sent);
  if (to.remainder_sent < to.remainder.size()) {
    to.writable = false;
    return true;
  }
  std::vector<uint8_t>().swap(to.remainder);
  to.remainder_sent = 0;
  return true;
}

void RelayLoop::close(RelayPair* pair) {
  for (const RelaySide& side : pair->sides) {
    if (side.fd >= 0) sys::close(side.fd);  // nobody has a duplicate: it leaves epoll as well
  }
  pair->gone = true;
  retired_.push_back(pair);
}

}  // namespace sluice::load
