// Kernel, the half that epoll is: ready lists, edges, and the passing of time.
#include <algorithm>
#include <climits>

#include "tests/sim/kernel.h"

namespace sluice::sim {

namespace {

// Turns in a row in which the proxy moved nothing and did not have to wait either.
constexpr int most_turns_without_progress = 100;

}  // namespace

void Kernel::watch(int fd, uint64_t cookie) {
  const auto index = static_cast<size_t>(fd);
  if (index >= table_.size() || table_[index].kind == Kind::none || table_[index].watched) {
    world().fail("epoll_ctl: descriptor " + std::to_string(fd) + " cannot be added");
  }
  table_[index].watched = true;
  table_[index].cookie = cookie;
  wake(fd);
}

bool Kernel::unwatch(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (fd < 0 || index >= table_.size() || !table_[index].watched) return false;
  table_[index].watched = false;
  table_[index].ready = false;
  ready_.erase(std::remove(ready_.begin(), ready_.end(), fd), ready_.end());
  return true;
}

// Something happened to the descriptor; what is true of it is found out when it is reported.
void Kernel::wake(int fd) {
  if (fd < 0) return;
  Entry& woken = table_[static_cast<size_t>(fd)];
  if (!woken.watched || woken.ready) return;
  woken.ready = true;
  ready_.push_back(fd);
}

Readiness Kernel::poll(Entry& entry) {
  Readiness ready;
  switch (entry.kind) {
    case Kind::stream:
      return entry.connection->poll();
    case Kind::listener:
      ready.readable = !entry.listener->waiting.empty();
      return ready;
    case Kind::signals:
      ready.readable = !signals_.empty();
      return ready;
    default:
      return ready;
  }
}

size_t Kernel::wait(std::span<PollEvent> events, int timeout_ms) {
  const bool has_work = check_turn();
  ++world().turn;
  acts_in_turn = 0;
  World& w = world();
  w.advance(w.now_ns() + w.random.below(rules_.turn_cost_ns));
  if (timeout_ms != 0 && !has_work) pass_time(timeout_ms);
  const size_t count = deliver(events);
  watcher->on_wake();
  return count;
}

bool Kernel::check_turn() {
  if (++turns_without_progress_ > most_turns_without_progress) {
    world().fail("the loop spins: " + std::to_string(most_turns_without_progress) +
                 " turns without progress");
  }
  return watcher->on_turn_end();
}

// Never busy: the clock jumps to the next thing that happens, or to the timeout.
void Kernel::pass_time(int timeout_ms) {
  World& w = world();
  const uint64_t late = w.random.chance(50) ? 0 : w.random.below(rules_.late_ns);
  const uint64_t deadline =
      timeout_ms < 0 ? UINT64_MAX : w.now_ns() + static_cast<uint64_t>(timeout_ms) * ms;
  while (ready_.empty()) {
    if (w.random.chance(rules_.interrupt_percent)) return;
    const auto next = w.next_ns();
    if (next && *next <= deadline) {
      if (*next > w.now_ns()) watcher->on_quiet();
      if (!ready_.empty()) return;
      if (*next > w.now_ns()) progress();
      w.advance(*next);
      continue;
    }
    watcher->on_quiet();
    if (!ready_.empty()) return;
    if (deadline == UINT64_MAX) {
      watcher->on_end_of_time();
      continue;
    }
    if (deadline > w.now_ns()) progress();
    w.advance(deadline + late);
    return;
  }
  // Some things come together.
  if (w.random.chance(30)) w.advance(w.now_ns() + w.random.below(rules_.late_ns));
}

size_t Kernel::deliver(std::span<PollEvent> events) {
  World& w = world();
  if (w.random.chance(rules_.spurious_percent) && !connections_.empty() && spurious_left_-- > 0) {
    wake(connections_[w.random.below(connections_.size())]->fd);
  }
  for (size_t i = ready_.size(); i > 1; --i) std::swap(ready_[i - 1], ready_[w.random.below(i)]);
  size_t most = std::min(ready_.size(), events.size());
  if (most > 1 && w.random.chance(rules_.subset_percent)) most = w.random.between(1, most);
  const std::vector<int> chosen(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(most));
  ready_.erase(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(most));
  size_t count = 0;
  for (const int fd : chosen) {
    Entry& reported = table_[static_cast<size_t>(fd)];
    reported.ready = false;
    const Readiness ready = poll(reported);
    if (!ready.readable && !ready.writable) continue;
    if (Connection* connection = reported.connection; connection != nullptr) {
      w.note("event #%lld: flags %lld", connection->number(),
             ready.readable | ready.writable << 1 | ready.ended << 2 | ready.hung_up << 3 |
                 ready.failed << 4 | ready.urgent << 5);
      if (connection->observer != nullptr) connection->observer->on_event(*connection, ready);
    }
    events[count++] = PollEvent{reported.cookie, ready};
  }
  return count;
}

}  // namespace sluice::sim
