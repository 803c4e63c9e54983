// PasswordMemory: what the PasswordQueues of workers and keeper look at. Made by the master before
// its first fork, and good for its life.
#pragma once

#include <cstddef>

#include "core/session/password_queue.h"
#include "net/result.h"

namespace sluice {

class PasswordMemory {
 public:
  PasswordMemory() = default;
  PasswordMemory(const PasswordMemory&) = delete;
  PasswordMemory& operator=(const PasswordMemory&) = delete;
  ~PasswordMemory();

  // Once. Faults where the system has no memory for it.
  Status open();
  PasswordQueue queue() const;

 private:
  struct Shared;
  Shared* shared_ = nullptr;
};

}  // namespace sluice
