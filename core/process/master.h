// Master: binds listeners, opens logs, starts workers and replaces those that die. It reads the
// conf and nothing from the network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/process/control_messages.h"
#include "core/process/counter_rows.h"
#include "core/process/listeners.h"
#include "core/process/privileges.h"
#include "core/process/restart_pause.h"
#include "core/session/worker_context.h"
#include "net/reactor.h"

namespace sluice {

class Master final : public EventHandler {
 public:
  // `conf_path` is read again on SIGHUP.
  Master(ConfigRef config, std::string conf_path);
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  // Serves until a signal ends it; returns the exit status. It tells on stderr why it cannot start.
  // Once in a process: it takes the process's signals and closes the descriptors that it inherited.
  int run();

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}
  void on_turn_end() override { log_.flush(); }

 private:
  // The place of one worker, which processes take one after the other.
  struct Place {
    pid_t pid = 0;  // 0: nobody has it
    // To the process that has the place; null where none has, or where that sent no message.
    std::unique_ptr<ControlChannel> channel;
    uint64_t started_ms = 0;
    uint64_t start_s = 0;  // of the last start, by the wall clock, or later: no two are the same
    RestartPause pause;
    bool hopeless = false;  // its worker can never start
  };
  enum class Leaving : uint8_t { no, when_empty, fast };

  bool prepare();
  void close_inherited() const;
  std::string open_logs(LogHandover& logs) const;
  bool find_user();
  bool watch_signals();
  bool bind_listeners();
  bool write_pid_file() const;
  void start_worker(uint32_t number);
  void start_later(uint32_t number, uint64_t delay_ms);
  Result<pid_t> fork_worker(uint32_t number);
  [[noreturn]] void become_worker(uint32_t number, int control);
  size_t buffer_memory() const;
  void reap_workers();
  void on_worker_death(uint32_t number, int status);
  void on_signal(int signal);
  void signal_workers(int signal);
  void kill_workers();
  void reopen_logs();
  void start_tickets();
  void rotate_tickets();
  bool tls_in_use() const;
  bool tickets_in_use() const;
  void on_control(uint32_t number);
  void close_channel(Place& place);
  // Calls send(channel) for each worker; `what` is for the log.
  template <class Send>
  void send_to_workers(const char* what, Send send);
  void retry_sending();
  void retry_later(const ControlChannel& channel);
  void arm(uint64_t delay_ms, Handle handle, unsigned which);
  void check_conf();
  void remove_pid_file() const;
  bool any_worker() const;
  void end_if_hopeless();

  ConfigRef config_;
  std::string conf_path_;
  LogHandover logs_;
  TicketKeys ticket_keys_;
  Log log_;
  WorkerUser user_;
  ListenerSet listeners_;
  CounterRows rows_;
  Reactor reactor_;
  Reactor::HandlerId id_;
  std::vector<Place> places_;  // by the workers' numbers
  int signals_ = -1;
  bool retry_armed_ = false;
  bool killed_ = false;  // workers were sent SIGKILL
  Leaving leaving_ = Leaving::no;
  int exit_status_ = 0;
};

}  // namespace sluice
