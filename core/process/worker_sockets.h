// WorkerSockets: the sockets that a worker accepts from, as one conf after the other names them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/config.h"
#include "core/process/listener_rates.h"
#include "core/process/listeners.h"
#include "net/listener.h"

namespace sluice {

class WorkerSockets {
 public:
  // The sink gets ListenerIds as numbers of listeners. All of them outlive this, and the rates'
  // memory does.
  WorkerSockets(Reactor& reactor, AcceptSink& sink, ListenerRates rates)
      : acceptor_(reactor, sink), rates_(rates) {}

  // Accepts from these as well and owns their descriptors, which are set to -1 in `fresh`. Those
  // that it has already stay as they are. `config` has their listeners. Where one cannot be watched
  // it and those behind it stay the caller's.
  Status add(std::span<WorkerSocket> fresh, const Config& config);
  // Keeps those that `wanted` names. What is queued on a listener that `next` has not is accepted
  // first; the others are another worker's from now on.
  void keep(std::span<const WorkerSocket> wanted, const Config& next);
  // From now on the handshake_rate of each listener is as `config` has it.
  void limit(const Config& config);
  bool has(const WorkerSocket& socket) const;
  size_t size() const { return sockets_.size(); }

  // Accepts nothing more; what is queued stays there.
  void stop() { acceptor_.stop(); }
  // Accepts what is queued, then nothing more, and closes them.
  void drain_and_close();

  // Acceptor's.
  uint64_t pauses() const { return acceptor_.pauses(); }
  int pause_error() const { return acceptor_.pause_error(); }

 private:
  AcceptLimit limit_of(const ListenConfig& listener) const;

  Acceptor acceptor_;
  ListenerRates rates_;
  std::vector<WorkerSocket> sockets_;
};

}  // namespace sluice
