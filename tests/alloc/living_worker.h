// LivingWorker: the real Worker in a thread of this process, between loopback sockets of the test.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "core/process/worker.h"
#include "tests/unit/tls_identity.h"

namespace sluice::alloc {

// Listeners on ports that the kernel chose.
int open_loopback();
uint16_t port_of(int listener);

// Two listeners, the second one with TLS, the first one with `tls`. Routes: "/dead" to two peers
// that refuse, "/secure" to `upstream_port` by TLS that trusts anybody, everything else of host
// a.example there without; "/idle" is closed after 40 ms without a byte. Of "/pings" both
// sides are pinged after 10 ms of silence, of "/rare-pings" after an hour.
ConfigRef make_config(uint16_t upstream_port, std::unique_ptr<TlsServer> tls = nullptr);
// What the TLS listener shows, made once.
const testing::Identity& identity();

class LivingWorker {
 public:
  // Returns once it serves; `on_thread` runs on its thread before. `traced`: it notes the steps of
  // all handshakes, which nobody takes.
  LivingWorker(ConfigRef config, const std::function<void()>& on_thread, bool traced = false);
  LivingWorker(const LivingWorker&) = delete;
  LivingWorker& operator=(const LivingWorker&) = delete;
  // Ends it in order (SIGQUIT): every session must have gone.
  ~LivingWorker();

  uint16_t port() const { return ports_[0]; }
  uint16_t tls_port() const { return ports_[1]; }
  // What it counts, which anybody may read.
  const WorkerRow& row() const { return row_; }
  const FewLabelRows& labels() const { return labels_; }
  // "" once nothing is held any more, else what is left after a while.
  std::string wait_until_empty() const;
  // "" where as many sessions have their close line in the access log, or were counted as lost.
  std::string account_for(size_t sessions) const;

 private:
  std::string report(size_t earlier) const;

  WorkerRow row_;
  FewLabelRows labels_;
  std::string log_path_;
  std::string access_path_;
  uint16_t ports_[2] = {0, 0};
  std::atomic<bool> serving_{false};
  std::thread thread_;
};

}  // namespace sluice::alloc
