// Worker: one process, one reactor, its sessions. It shares nothing with its siblings and touches
// no file after its start. A new conf takes the place of the old one while it serves.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "core/process/every_second.h"
#include "core/process/listener_rates.h"
#include "core/process/master_link.h"
#include "core/process/own_use.h"
#include "core/process/privileges.h"
#include "core/process/reload.h"
#include "core/process/worker_drains.h"
#include "core/process/worker_sockets.h"
#include "core/session/admission.h"
#include "core/session/http2_connections.h"
#include "core/session/http2_peers.h"
#include "core/session/session.h"
#include "core/session/worker_context.h"
#include "net/sys_process.h"

namespace sluice {

// What the master gives a worker at its start. The worker owns the descriptors; those that it does
// not close end with the process.
struct WorkerSetup {
  uint32_t number = 0;
  // The second of its start, for the ids of its sessions. Each worker of this number has a later
  // one than the worker before it.
  uint64_t start_s = 0;
  ConfigRef config;  // who keeps another reference keeps the conf from going with its last session
  std::vector<WorkerSocket> sockets;  // of Config::listeners
  int control = -1;                   // the channel to the master; -1: there is none (tests)
  LogHandover logs;
  const WorkerUser* user = nullptr;  // outlives the worker; null: it gives up nothing (tests)
  size_t buffer_memory_bytes = BufferPool::default_most_bytes;
  WorkerRow* row = nullptr;  // outlives the worker; null: it counts for itself
  LabelRows labels = {};     // of that row
  ListenerRates rates;       // its memory outlives the worker; none: the worker has its own
  PeerBoard::Memory peers;   // outlives the worker; none: it knows of peers by itself alone
  ClientLimits::Memory clients = {};  // outlives the worker; none: it counts for itself
  Digest sticky_key = {};             // of all workers; where the conf brings none
  TlsStore* tls_store = nullptr;      // outlives the worker; null: it has one of its own
  std::vector<DrainOrder> drains;     // in force when it starts
  std::vector<TraceOrder> traces;     // the same
  uint32_t generation = 1;            // of the conf
  Members members;                    // where names lead when it starts, of that generation
  Challenges challenges = {};         // that are answered when it starts
  PasswordQueue passwords = {};       // its memory outlives the worker; none: nobody checks any
};

// The exit status of a worker that could not start and, as far as it can tell, never will.
inline constexpr int worker_hopeless = 2;
// The exit status for a Fault of Worker::start(): 1 where the next start may succeed, because what
// the whole machine lacks may come back, else worker_hopeless.
int start_failure_status(const Fault& fault);

class Worker final : public EventHandler,
                     public AcceptSink,
                     public Http2Sink,
                     public MasterLinkSink,
                     public ReloadSink {
 public:
  // Makes a worker that listens and has given up its privileges. It has written a Fault to the
  // error log before it returns it.
  static Result<std::unique_ptr<Worker>> start(WorkerSetup setup);
  ~Worker() override;

  // Serves until SIGTERM, SIGINT (fast) or SIGQUIT (ends the sessions over drain_timeout). Returns
  // the process's exit status.
  int run();

  // WorkerDrains::drain_all, while it goes on to accept.
  void drain_all(uint64_t window_ms, CloseCode code) { drains_.drain_all(window_ms, code); }

  // A piece of a list of sessions, or the end of one. Throws std::bad_alloc.
  Page page(const PageRequest& request) { return make_page(context_, request); }

  // New sessions begin with that conf; those that live keep theirs.
  bool adopt(LoadedConf& loaded) override;
  bool has(const WorkerSocket& socket) const override { return sockets_.has(socket); }
  void on_reload_end(uint32_t sequence, const std::string& why) override;

  void on_logs(LogHandover logs) override;
  void on_conf_part(const ConfPart& part, uint32_t sequence) override;
  void on_drains(std::span<const DrainOrder> orders) override { drains_.use(orders); }
  void on_members(const Members& members) override;
  void on_challenges(Challenges challenges) override {
    context_.challenges = std::move(challenges);
  }
  void on_name_files(const NameFiles& files) override;
  void on_admin(int fd) override;
  void on_link_progress() override {}  // the turn's end sends what waited
  void on_page_request(const PageRequest& request) override;
  void on_trace_command(const TraceCommand& command) override;
  void on_unknown(uint16_t kind) override;
  void on_master_gone() override;
  void on_nonsense() override;

  void on_accept(int fd, const Address& client, uint32_t listener) override;
  void on_refuse(int fd, const Address& client, uint32_t listener) override;
  void on_hold_back(uint32_t listener) override;
  void on_listener_lost(uint32_t listener) override;
  void on_stream(std::unique_ptr<Http2ClientStream> stream) override;
  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  // A handler of its own, because the worker's own handles are its sessions'.
  class Signals;

  // Timers of the worker itself, by their handles; those of sessions are `which` 0.
  static constexpr unsigned own_timer = 1;
  enum class OwnTimer : uint32_t { stalls, leave, confs };
  static constexpr const char* out_of_memory = "out of memory";

  explicit Worker(const WorkerSetup& setup);

  // Runs `call` on the living session; a failed allocation ends that session alone.
  template <class Call>
  void with_session(Handle handle, Call call);
  // Runs `call`; a failed allocation cuts it short. For work that comes again or is not vital.
  template <class Call>
  static void attempt(Call call);

  Status open(const WorkerSetup& setup);
  Status bound_sessions(const Config& config);
  void note_routes(const Config& config);
  void note_listeners(const Config& config, std::vector<uint32_t>& places) const;
  // Of clients: those of HTTP/2 hold a descriptor besides those of their streams' sessions.
  size_t places_taken() const { return sessions_.live() + http2_.live(); }
  bool is_empty() const { return sessions_.live() == 0 && http2_.live() == 0; }
  const ListenConfig& listener(uint32_t id) const {
    return context_.config->listeners[listener_places_[id]];
  }
  void drop_unused_connections();
  void add_upstreams(const Config& config, const Members& members);
  void drop_old_confs();
  void drop_unused_confs();
  void use_members(const Members& members);
  void end_oldest_lingering();
  void make_room();
  void end_idle_connections(size_t most);
  void begin_session(int fd, const Address& client, uint32_t listener, const Refusal* refused,
                     bool counted = false);
  const Refusal* limit_client(const Address& client, const ListenConfig& listener, bool& counted);
  void count_turned_away(uint32_t listener, TurnedAway why);
  void turn_away(int fd, const Address& client, const ListenConfig& listener,
                 const Refusal& refusal);
  void arm(uint64_t delay_ms, OwnTimer timer);
  void on_own_timer(OwnTimer timer);
  void on_signal(int signal);
  void leave_fast();
  void leave_when_empty();
  void leave_drained();
  void look_at_stalls();
  void want_gauges();
  void tell_gauges();
  void relieve_memory();
  void note_pause();
  void note_overload();
  void report_buffers();
  void tell_traces();

  Reactor reactor_;
  UpstreamTable upstreams_;  // before sessions, which count as users of its peers
  Pool<Session> sessions_;
  BufferPool buffers_;
  TransitPool transits_;
  Log log_;
  WorkerRow own_row_;  // where the setup brings none
  WorkerRow& row_;
  FewLabelRows own_labels_;  // as own_row_
  WorkerContext context_;
  Http2Peers http2_peers_;  // as below
  Http2Connections http2_;  // behind sessions_, whose legs are its streams
  WorkerDrains drains_;
  std::array<SharedRate, 8> own_rates_;  // where the setup brings none
  WorkerSockets sockets_;
  std::vector<uint32_t> listener_places_;  // in Config::listeners, by ListenerId
  std::vector<ConfigRef> old_confs_;       // that sessions may still hold
  uint32_t generation_;                    // of the conf in force
  Members members_;                        // of that conf
  Members later_members_;                  // of one that is under way
  Admission admission_;
  uint64_t descriptor_limit_ = 0;
  uint64_t own_descriptors_ = 0;  // those that are neither sockets_' nor sessions'
  const uint32_t number_;
  TlsStore own_store_;  // where the setup brings none
  Reload reload_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<MasterLink> master_;  // null without a master
  uint64_t pauses_told_ = 0;
  std::unique_ptr<OwnUse> own_use_;  // null without a master
  EverySecond gauges_{reactor_, [this] { tell_gauges(); }};
  Reactor::TurnTimes turns_told_;
  uint64_t turns_told_ns_ = 0;  // when
  uint64_t log_lines_told_ = 0;
  int exit_status_ = 0;
  bool stall_timer_armed_ = false;
  bool conf_timer_armed_ = false;
  bool leaving_ = false;  // accepts nobody, ends with its last session
  bool retired_ = false;  // the same, until a conf wants more workers again
};

template <class Call>
void Worker::with_session(Handle handle, Call call) {
  Session* session = sessions_.get(handle);
  if (session == nullptr) return;
  try {
    call(*session);
  } catch (const std::bad_alloc&) {
    log_.recurring(LogLevel::error, out_of_memory, "a session was closed: out of memory");
    session->close({EndKind::resources, out_of_memory}, End::abort);
  }
}

template <class Call>
void Worker::attempt(Call call) {
  try {
    call();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace sluice
