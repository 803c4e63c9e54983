// KeeperPlace: a master's end of its keeper: whether it wants one, and what it does to it. A crew
// of at most one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/observe/log.h"
#include "core/process/conf_bundle.h"
#include "core/process/control_messages.h"
#include "core/process/crew.h"
#include "core/process/peer_memory.h"
#include "net/reactor.h"

namespace sluice {

class KeeperPlace final : private CrewOwner {
 public:
  // In the child: lives as the keeper over its end of the channel, and returns its exit status.
  using Live = std::function<int(int control)>;
  // It acknowledged something, or is gone.
  using Progress = std::function<void()>;
  // So many bytes of answers wait. False where they are none.
  using Answered = std::function<bool(size_t bytes)>;

  // All outlive it.
  KeeperPlace(Reactor& reactor, Log& log, PeerMemory& peers, Live live, Progress progress,
              Answered answered)
      : peers_(peers),
        live_(std::move(live)),
        progress_(std::move(progress)),
        answered_(std::move(answered)),
        crew_(reactor, log, *this) {}
  KeeperPlace(const KeeperPlace&) = delete;
  KeeperPlace& operator=(const KeeperPlace&) = delete;

  // Whether there is to be one from now on; start_missing() starts it. One that is no longer wanted
  // ends with the conf that it is sent.
  void want(bool wanted);
  Crew& crew() { return crew_; }
  bool any_alive() const { return crew_.any_alive(); }
  // Its process; 0 where it has none.
  pid_t pid() const { return crew_.places() > 0 ? crew_.pid(0) : 0; }
  // What it is to use from now on, in place of what it was started with.
  void send_conf(uint32_t generation, const ConfBundle& bundle);
  void send_logs(const LogHandover& logs);
  void send_members(const PassedText& members);
  void send_name_files(const NameFiles& files);
  void send_admin(int fd);
  // Whether it has not acknowledged the latest conf.
  bool awaits_conf() const { return crew_.awaits(static_cast<uint16_t>(ControlKind::conf)); }

 private:
  std::vector<std::string> prepare_start(uint32_t) override;
  std::string name_of(uint32_t) const override { return "the keeper"; }
  int live_as_worker(uint32_t, uint64_t, int control) override { return live_(control); }
  std::optional<uint64_t> sessions_lost(uint32_t, uint64_t) override { return std::nullopt; }
  void on_crew_progress() override;
  bool on_worker_says(uint32_t, const ControlMessage& message) override;
  void forget_checks();

  PeerMemory& peers_;
  Live live_;
  Progress progress_;
  Answered answered_;
  Crew crew_;
  bool results_stand_ = false;  // a keeper has been there since they were forgotten
};

}  // namespace sluice
