// AdminSocket: the listening socket of the admin address, which the master opens and the keeper
// accepts from.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/config.h"
#include "net/sys_process.h"

namespace sluice {

class AdminSocket {
 public:
  AdminSocket() = default;
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;
  ~AdminSocket() { close(); }

  // Opens what that conf says, where it does not listen there already. Nothing else changes until
  // adopt(). Returns what is wrong and what to do about it, or "".
  std::string open(const std::optional<AdminConfig>& config);
  // Undoes an open(), however it went.
  void roll_back() { close(next_); }
  // Behind an open() of the same conf: where the socket is another one now, it is handed over (-1:
  // there is none any more) before the one before is closed.
  void adopt(const std::optional<AdminConfig>& config,
             const std::function<void(int fd)>& hand_over);
  // Removes a socket file only if it is still the one that open() made.
  void close();
  // -1: it does not listen.
  int fd() const { return now_.fd; }
  // In a child that serves it: the descriptor, which is the caller's from then on.
  int take();
  // In a child that does not: closes the copy, which goes on in the master as it is.
  void leave_to_parent();

 private:
  struct Listening {
    AdminConfig config;
    int fd = -1;
    sys::FileIdentity file = {};  // unix: what bind() made
  };

  static void close(Listening& listening);

  Listening now_;
  Listening next_;  // open(), not adopted yet
};

}  // namespace sluice
