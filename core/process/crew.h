// Crew: processes of one kind that a master has (its workers; its keeper), each with its place and
// its channel. It starts them, replaces those that die, and carries messages to them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/observe/log.h"
#include "core/process/control_channel.h"
#include "core/process/restart_pause.h"
#include "net/reactor.h"

namespace sluice {

// What a crew asks of its owner, who outlives it.
class CrewOwner {
 public:
  virtual ~CrewOwner() = default;
  // Before a worker starts: a line for each thing that keeps it from starting now.
  virtual std::vector<std::string> prepare_start(uint32_t number) = 0;
  // How the log names it: "worker 3".
  virtual std::string name_of(uint32_t number) const = 0;
  // In the child: lives as that worker, which began in that second, over its end of the channel,
  // and returns its exit status.
  virtual int live_as_worker(uint32_t number, uint64_t start_s, int control) = 0;
  // A worker has died: how many sessions went with it; nullopt where it is none that has any.
  // `before` went with others in its place.
  virtual std::optional<uint64_t> sessions_lost(uint32_t number, uint64_t before) = 0;
  // A worker acknowledged something, or is gone. May change the crew's size.
  virtual void on_crew_progress() = 0;
  // A worker sent that. False where it is nothing that workers say.
  virtual bool on_worker_says(uint32_t number, const ControlMessage& message) = 0;
};

class Crew final : public EventHandler {
 public:
  Crew(Reactor& reactor, Log& log, CrewOwner& owner);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // From then on places 0 to `workers` - 1 are to have a worker each; start_missing() starts them.
  // Those beyond are not replaced when they end.
  void set_size(uint32_t workers);
  uint32_t size() const { return size_; }
  void start_missing();
  // No worker is started any more.
  void dismiss() { dismissed_ = true; }
  bool dismissed() const { return dismissed_; }
  // SIGKILL to all; their deaths are no news.
  void kill_all();
  void signal_all(int signal);
  // Takes in a child that has ended, and has been waited for; false where it is none of these.
  bool take_in(pid_t pid, int status);
  // In a child that is none of these: closes its copies of the channels.
  void leave_to_parent();

  // How many places there are, those of workers that are to leave among them.
  uint32_t places() const { return static_cast<uint32_t>(places_.size()); }
  bool any_alive() const;
  // None of the workers can ever start.
  bool hopeless() const;
  // The process of that place; 0 where it has none.
  pid_t pid(uint32_t number) const { return places_[number].pid; }
  // Sessions that went with workers that died there.
  uint64_t lost(uint32_t number) const { return places_[number].lost; }

  // Calls send(number, channel), which returns a Status, for each living worker; `what` is for the
  // log.
  template <class Send>
  void send_to_all(const char* what, Send send);
  // The same for one worker; false where that has no channel, or nothing could be sent.
  template <class Send>
  bool send_to(uint32_t number, const char* what, Send send);
  // Whether a living worker has not acknowledged a message of that kind.
  bool awaits(uint16_t kind) const;

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  // A place that processes take one after the other.
  struct Place {
    pid_t pid = 0;  // 0: nobody has it
    // To the process that has the place; null where none has, or where that sent no message.
    std::unique_ptr<ControlChannel> channel;
    uint64_t started_ms = 0;
    uint64_t start_s = 0;  // of the last start, by the wall clock, or later: no two are the same
    RestartPause pause;
    uint64_t lost = 0;
    bool hopeless = false;     // its worker can never start
    bool start_armed = false;  // a timer will start it
  };

  bool wanted(uint32_t number) const { return number < size_ && !dismissed_; }
  bool hear(uint32_t number, ControlChannel& channel);
  void start(uint32_t number);
  void start_later(uint32_t number, uint64_t delay_ms);
  Result<pid_t> fork_worker(uint32_t number);
  [[noreturn]] void become_worker(uint32_t number, int control);
  void on_death(uint32_t number, int status);
  void close_channel(Place& place);
  void tell_unsent(const char* what, uint32_t number, const Fault& fault);
  void retry_sending();
  void retry_later(const ControlChannel& channel);
  void arm(uint64_t delay_ms, uint32_t number, unsigned which);

  Reactor& reactor_;
  Log& log_;
  CrewOwner& owner_;
  Reactor::HandlerId id_;
  std::vector<Place> places_;  // by the workers' numbers; never fewer
  uint32_t size_ = 0;
  bool dismissed_ = false;
  bool killed_ = false;  // workers were sent SIGKILL
  bool retry_armed_ = false;
};

// A worker that starts later inherits by fork() what is sent now.
template <class Send>
void Crew::send_to_all(const char* what, Send send) {
  for (uint32_t number = 0; number < places_.size(); ++number) {
    send_to(number, what, [&](ControlChannel& channel) { return send(number, channel); });
  }
}

template <class Send>
bool Crew::send_to(uint32_t number, const char* what, Send send) {
  ControlChannel* const channel = places_[number].channel.get();
  if (channel == nullptr) return false;
  const Status sent = send(*channel);
  if (!sent.ok()) tell_unsent(what, number, sent.fault());
  retry_later(*channel);
  return sent.ok();
}

}  // namespace sluice
