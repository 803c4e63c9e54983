// PasswordThread: checks passwords for the workers, one after the other, in a thread of the
// keeper's that runs where nothing else wants to. It touches nothing but the queue.
#pragma once

#include <atomic>
#include <thread>

#include "core/session/password_queue.h"
#include "net/result.h"

namespace sluice {

class PasswordThread {
 public:
  PasswordThread() = default;
  PasswordThread(const PasswordThread&) = delete;
  PasswordThread& operator=(const PasswordThread&) = delete;
  // Waits for the check that is under way.
  ~PasswordThread();

  // Once, before the process confines itself; the queue's memory outlives this. It has given up
  // what it gives up when this returns. Without memory to look at nothing is begun.
  Status start(PasswordQueue queue);

 private:
  void run();

  PasswordQueue queue_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace sluice
