// WorkerSockets: who goes is drained or left to a sibling; a socket that moves is never without a
// descriptor in some process, because the master keeps its own.
#include "core/process/worker_sockets.h"

#include <algorithm>
#include <utility>

#include "net/sys.h"

namespace sluice {

namespace {

const ListenConfig* find(const Config& config, ListenerId id) {
  const auto found = std::find_if(config.listeners.begin(), config.listeners.end(),
                                  [id](const ListenConfig& each) { return each.id == id; });
  return found == config.listeners.end() ? nullptr : &*found;
}

bool names(std::span<const WorkerSocket> all, const WorkerSocket& socket) {
  return std::any_of(all.begin(), all.end(),
                     [&socket](const WorkerSocket& each) { return each.same_as(socket); });
}

}  // namespace

Status WorkerSockets::add(std::span<WorkerSocket> fresh, const Config& config) {
  sockets_.reserve(sockets_.size() + fresh.size());
  for (WorkerSocket& each : fresh) {
    const ListenConfig* const listener = find(config, each.listener);
    if (each.fd < 0 || has(each) || listener == nullptr) continue;
    const Status added = acceptor_.add(each.fd, static_cast<uint32_t>(each.listener),
                                       listener->address.is_unix(), limit_of(*listener));
    if (!added.ok()) return added;
    sockets_.push_back(each);
    each.fd = -1;
  }
  return Done{};
}

void WorkerSockets::keep(std::span<const WorkerSocket> wanted, const Config& next) {
  std::erase_if(sockets_, [&](const WorkerSocket& each) {
    if (names(wanted, each)) return false;
    if (find(next, each.listener) == nullptr) {
      acceptor_.drain_and_remove(each.fd);
    } else {
      acceptor_.remove(each.fd);
    }
    sys::close(each.fd);
    return true;
  });
}

void WorkerSockets::limit(const Config& config) {
  for (const WorkerSocket& each : sockets_) {
    const ListenConfig* const listener = find(config, each.listener);
    if (listener != nullptr) acceptor_.set_limit(each.fd, limit_of(*listener));
  }
}

AcceptLimit WorkerSockets::limit_of(const ListenConfig& listener) const {
  const RateLimit& rate = listener.handshake_rate;
  if (rate.a_second == 0) return {};
  return {.rate = &rates_.of(listener.id),
          .limit = {rate.a_second, rate.burst},
          .queue_time_ms = listener.handshake_queue_time_ms};
}

bool WorkerSockets::has(const WorkerSocket& socket) const {
  return names(sockets_, socket);
}

void WorkerSockets::drain_and_close() {
  acceptor_.drain_and_stop();
  for (const WorkerSocket& each : sockets_) sys::close(each.fd);
  sockets_.clear();
}

}  // namespace sluice
