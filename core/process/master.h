// Master: binds listeners, opens logs, starts workers and replaces those that die. It reads the
// conf and nothing from the network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/process/control.h"
#include "core/process/listeners.h"
#include "core/process/privileges.h"
#include "core/session/worker_context.h"

namespace sluice {

class Master {
 public:
  // `conf_path` is read again on SIGHUP.
  Master(ConfigRef config, std::string conf_path);
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  // Serves until told to end; returns the exit status. Problems at the start are told on stderr.
  int run();

 private:
  struct WorkerProcess {
    pid_t pid = 0;  // 0: to be started at start_at_ms
    int control = -1;
    uint64_t started_ms = 0;
    uint64_t start_s = 0;  // by the wall clock, or later: each of its starts has another one
    uint64_t start_at_ms = 0;
    uint32_t quick_deaths = 0;  // one after the other
    // Messages that its channel had no room for; the latest of a kind is all that it needs.
    bool owed_logs = false;
    bool owed_keys = false;
  };
  enum class Leaving : uint8_t { no, when_empty, fast };

  bool prepare();
  void close_inherited() const;
  std::string open_logs(LogHandover& logs) const;
  bool find_user();
  bool bind_listeners();
  bool write_pid_file() const;
  void start_worker(uint32_t number);
  [[noreturn]] void become_worker(uint32_t number, int control);
  size_t buffer_memory() const;
  void start_due_workers();
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
  void send_owed();
  bool send(uint32_t number, const ControlMessage& message, const char* what);
  void check_conf();
  void remove_pid_file() const;
  bool any_worker() const;
  bool hopeless() const;
  void wait() const;
  int next_wait_ms() const;

  ConfigRef config_;
  std::string conf_path_;
  LogHandover logs_;
  TicketKeys ticket_keys_;
  uint64_t rotate_at_ms_ = 0;
  Log log_;
  WorkerUser user_;
  ListenerSet listeners_;
  std::vector<WorkerProcess> workers_;
  int signals_ = -1;
  uint64_t retry_owed_at_ms_ = 0;
  uint64_t kill_at_ms_ = 0;
  bool killed_ = false;  // workers were sent SIGKILL
  Leaving leaving_ = Leaving::no;
  int exit_status_ = 0;
};

}  // namespace sluice
