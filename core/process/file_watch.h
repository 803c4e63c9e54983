// FileWatch: tells when files that the conf names have changed and are quiet again. It watches
// their folders and judges by what the files are, so that neighbours (logs) do not matter and
// links on the way to a file do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "core/observe/log.h"
#include "net/reactor.h"
#include "net/sys_process.h"

namespace sluice {

class FileWatch final : public EventHandler {
 public:
  static constexpr uint64_t default_quiet_ms = 2'000;

  // `changed` is called from the reactor's turn, once nothing has changed for `quiet_ms`.
  // `directive` is the one that messages are about. All outlive this.
  FileWatch(Reactor& reactor, Log& log, const char* directive, std::function<void()> changed,
            uint64_t quiet_ms = default_quiet_ms);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch() override { close(); }

  // Right before a conf is read, whether it turns out good or bad: what its files are now is no
  // change any more.
  void before_load();
  // Watches these files instead of earlier ones. What cannot be watched is told in the log.
  void watch(std::span<const std::string> files);
  void close();
  // In a forked child: closes its copy. The parent goes on.
  void leave_to_parent();

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;

 private:
  struct File {
    sys::FileState loaded;  // when the conf was read
    sys::FileState latest;  // when it was looked at
  };

  void open_watch();
  void look();

  Reactor& reactor_;
  Log& log_;
  const std::string prefix_;  // of messages
  std::function<void()> changed_;
  uint64_t quiet_ms_;
  Reactor::HandlerId id_;
  std::map<std::string, File> files_;
  int watch_ = -1;
  uint64_t last_change_ms_ = 0;
  TimerId timer_ = 0;
};

}  // namespace sluice
