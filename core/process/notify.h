// Notify: tells the service manager that started this process what it does (sd_notify(3)), and that
// its loop still turns. Without one, nothing is told.
#pragma once

#include <cstdint>
#include <string>

#include "net/reactor.h"

namespace sluice {

// The master's. What cannot be sent is lost: the manager has timeouts of its own.
class Notify final : public EventHandler {
 public:
  // `reactor` outlives it.
  explicit Notify(Reactor& reactor);
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no child
  // has them. Before the first fork, once.
  void open();

  // `status` is for people who ask the manager, in one line. The first call begins to feed the
  // watchdog, where the manager wants one.
  void ready(const std::string& status);
  // A reload begins; ready() follows when it has ended, whatever came of it.
  void reloading();
  void stopping(const std::string& status);

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  void tell(const std::string& text) const;
  void arm();

  Reactor& reactor_;
  Reactor::HandlerId id_;
  std::string socket_;        // "": nobody is told
  uint64_t watchdog_ms_ = 0;  // between two signs of life; 0: none are wanted
  bool fed_ = false;
};

}  // namespace sluice
