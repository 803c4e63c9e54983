// Worker: one process, one reactor, its sessions. It shares nothing with its siblings and touches
// no file after its start.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/process/control_messages.h"
#include "core/process/privileges.h"
#include "core/session/admission.h"
#include "core/session/session.h"
#include "core/session/worker_context.h"
#include "net/listener.h"
#include "net/sys_process.h"

namespace sluice {

// What the master gives a worker at its start. The worker owns the descriptors; those that it does
// not close end with the process.
struct WorkerSetup {
  uint32_t number = 0;
  // The second of its start, for the ids of its sessions. Each worker of this number has a later
  // one than the worker before it.
  uint64_t start_s = 0;
  ConfigRef config;
  std::vector<int> listeners;  // one for each of Config::listeners
  int control = -1;            // the channel to the master; -1: there is none (tests)
  LogHandover logs;
  const WorkerUser* user = nullptr;  // outlives the worker; null: it gives up nothing (tests)
  uint32_t worker_connections = 0;   // wanted; 0: as many as descriptors permit
  size_t buffer_memory_bytes = BufferPool::default_most_bytes;
  WorkerRow* row = nullptr;  // outlives the worker; null: it counts for itself
};

// The exit status of a worker that could not start and, as far as it can tell, never will.
inline constexpr int worker_hopeless = 2;
// The exit status for a Fault of Worker::start(): 1 where the next start may succeed, because what
// the whole machine lacks may come back, else worker_hopeless.
int start_failure_status(const Fault& fault);

class Worker final : public EventHandler, public AcceptSink {
 public:
  // Makes a worker that listens and has given up its privileges. It has written a Fault to the
  // error log before it returns it.
  static Result<std::unique_ptr<Worker>> start(const WorkerSetup& setup);
  ~Worker() override;

  // Serves until SIGTERM, SIGINT (fast) or SIGQUIT (when the last session is gone). Returns the
  // process's exit status.
  int run();

  void on_accept(int fd, const Address& client, uint32_t listener) override;
  void on_listener_lost(uint32_t listener) override;
  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  // Each is a handler of its own, because the worker's own handles are its sessions'.
  class Signals;
  class Control;  // the master's messages

  explicit Worker(const WorkerSetup& setup);

  // Runs `call` on the living session; a failed allocation ends that session alone.
  template <class Call>
  void with_session(Handle handle, Call call);
  // Runs `call`; a failed allocation cuts it short. For work that comes again or is not vital.
  template <class Call>
  static void attempt(Call call);

  Status open(const WorkerSetup& setup);
  Status bound_sessions(const WorkerSetup& setup);
  void end_oldest_lingering();
  void turn_away(int fd, const Address& client, const ListenConfig& listener);
  void arm(uint64_t delay_ms, unsigned which);
  void take_logs(const LogHandover& logs);
  void on_signal(int signal);
  void leave_fast();
  void leave_when_empty();
  void look_at_stalls();
  void relieve_memory();
  void note_pause();
  void note_overload();
  void on_master_gone();
  void on_nonsense();
  void note_unknown(uint16_t kind);
  void report_buffers();

  Reactor reactor_;
  UpstreamTable upstreams_;  // before sessions, which count as users of its peers
  Pool<Session> sessions_;
  BufferPool buffers_;
  TransitPool transits_;
  Log log_;
  WorkerRow own_row_;  // where the setup brings none
  WorkerRow& row_;
  WorkerContext context_;
  Acceptor acceptor_;
  std::vector<int> listeners_;
  Admission admission_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<Control> control_;  // null without a master
  uint64_t pauses_told_ = 0;
  int exit_status_ = 0;
  bool stall_timer_armed_ = false;
  bool leaving_ = false;  // accepts nobody, ends with its last session
};

}  // namespace sluice
