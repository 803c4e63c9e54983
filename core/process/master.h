// Master: binds listeners, opens logs, has a crew of workers and hands them each new conf. It reads
// the conf and nothing from the network.
#pragma once

#include <signal.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/conf/conf_ids.h"
#include "core/config.h"
#include "core/observe/log.h"
#include "core/process/admin_socket.h"
#include "core/process/answer_memory.h"
#include "core/process/certificate_notices.h"
#include "core/process/challenge_watch.h"
#include "core/process/client_memory.h"
#include "core/process/conf_bundle.h"
#include "core/process/control_messages.h"
#include "core/process/control_socket.h"
#include "core/process/counter_rows.h"
#include "core/process/crew.h"
#include "core/process/drain_registry.h"
#include "core/process/every_second.h"
#include "core/process/file_watch.h"
#include "core/process/keeper_place.h"
#include "core/process/listener_rates.h"
#include "core/process/listeners.h"
#include "core/process/log_handover.h"
#include "core/process/membership.h"
#include "core/process/memory_text.h"
#include "core/process/notify.h"
#include "core/process/own_use.h"
#include "core/process/password_memory.h"
#include "core/process/peer_memory.h"
#include "core/process/privileges.h"
#include "core/process/session_lists.h"
#include "core/process/traces.h"
#include "core/process/watchdog.h"
#include "net/reactor.h"
#include "tls/store.h"
#include "tls/tickets.h"

namespace sluice {

class Master final : public EventHandler,
                     public CrewOwner,
                     private ControlCommands,
                     private SessionListsOwner,
                     private TracesOwner {
 public:
  // `conf_path` is read again at each reload; `ids` are those that the conf was loaded with.
  Master(ConfigRef config, std::string conf_path, ConfIds ids);
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  // Serves until a signal ends it; returns the exit status. It tells on stderr why it cannot start.
  // Once in a process: it takes the process's signals and closes the descriptors that it inherited.
  int run();

  // Loads the conf again and, where it is good, hands it to the workers; while they are at it, a
  // further reload waits. `done` is called when the last worker uses the conf, or when it is
  // refused, which may be before this returns, or because the master ends first.
  using ReloadDone = std::function<void(const ControlAnswer& outcome)>;
  void reload(ReloadDone done);

  std::vector<std::string> prepare_start(uint32_t number) override;
  std::string name_of(uint32_t number) const override { return "worker " + std::to_string(number); }
  int live_as_worker(uint32_t number, uint64_t start_s, int control) override;
  void on_crew_progress() override;
  std::optional<uint64_t> sessions_lost(uint32_t number, uint64_t before) override;
  bool on_worker_says(uint32_t number, const ControlMessage& message) override;

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}
  void on_turn_end() override { log_.flush(); }

 private:
  enum class Leaving : uint8_t { no, when_empty, fast };
  // A reload from the master's good conf to the last worker's acknowledgement.
  struct Rollout {
    ConfBundle bundle;
    ControlAnswer outcome;
    std::vector<ReloadDone> done;
    uint64_t began_ms = 0;
  };

  bool prepare();
  void close_inherited() const;
  bool find_user();
  bool watch_signals();
  bool bind_listeners();
  bool open_admin();
  bool open_control();
  bool write_pid_file() const;
  void tell_ready();
  void watch_certificates();
  uint32_t wanted_workers(const Config& config) const;
  size_t buffer_memory() const;
  int live_as_keeper(int control);
  void leave_to_parent();
  void reap();
  void dismiss();
  void signal_all(int signal);
  std::vector<Watchdog::Watched> watched();
  bool any_alive() const { return crew_.any_alive() || keeper_.any_alive(); }
  void on_signal(int signal);
  void leave_fast(const char* signal);
  void leave_when_empty();
  void end_if_hopeless();
  void end_keeper_behind_workers();
  ControlAnswer reopen_logs();
  void use_logs(LogHandover fresh);
  void start_tickets();
  void rotate_tickets();
  void plan_rotation();
  TimerId arm(uint64_t delay_ms, unsigned which);
  void remove_pid_file() const;
  // What the control socket asks for.
  void reload(ControlTicket ticket) override;
  void stop() override { on_signal(SIGTERM); }
  void quit() override { on_signal(SIGQUIT); }
  ControlAnswer reopen() override { return reopen_logs(); }
  void tell_status(Json& status) override;
  ControlAnswer drain(const DrainRequest& request) override;
  ControlAnswer undrain(const NamedPart& part) override;
  void sessions(ControlTicket ticket, const SessionsRequest& request) override;
  void close_session(ControlTicket ticket, const CloseRequest& request) override;
  void trace(ControlTicket ticket, const TraceRequest& request) override;
  void on_taken(ControlTicket ticket) override {
    if (!traces_.on_taken(ticket)) lists_.on_taken(ticket);
  }
  void on_gone(ControlTicket ticket) override {
    if (!traces_.forget(ticket)) lists_.forget(ticket);
  }
  void send_drains();
  std::optional<uint64_t> sessions_left(const DrainOrder& order);
  // What lists of sessions and traces ask for.
  uint32_t worker_places() const override { return crew_.places(); }
  pid_t worker_pid(uint32_t number) const override { return crew_.pid(number); }
  bool ask_for_page(uint32_t number, const PageRequest& request) override;
  bool send_trace(uint32_t number, const TraceCommand& command) override;
  void tell(ControlTicket ticket, std::string lines) override;
  void answer(ControlTicket ticket, std::string text) override;

  // reload() in parts (master_reload.cc).
  struct Candidate;
  Candidate load_candidate();
  void open_for(Candidate& candidate);
  void use(Candidate& candidate);
  void hand_out();
  void refuse_reloads(const std::string& why);

  // Where servers' names lead (master_names.cc).
  bool on_answers(size_t bytes);
  void send_members();
  void watch_name_files();
  void open_name_files();
  void close_name_files();

  // What acme_dir holds (master_challenges.cc).
  bool send_challenges();

  ConfigRef config_;
  std::string conf_path_;
  ConfIds ids_;
  TlsStore tls_store_;
  LogHandover logs_;
  TicketKeys ticket_keys_;
  Log log_;
  WorkerUser user_;
  ListenerSet listeners_;
  AdminSocket admin_;
  CounterRows rows_;
  ListenerRateMemory rates_;
  PeerMemory peers_;
  ClientMemory clients_;
  PasswordMemory passwords_;
  Digest sticky_key_{};  // a secret
  Reactor reactor_;
  Reactor::HandlerId id_;
  DrainRegistry drains_;
  SessionLists lists_{*this};  // before the socket, which tells both at its end who is gone
  Traces traces_{reactor_, *this};
  ControlSocket control_;
  Notify notify_;
  CertificateNotices certificate_notices_{reactor_, log_};
  FileWatch file_watch_{reactor_, log_, "tls_reload_on_change", [this] {
                          if (leaving_ == Leaving::no) reload([](const ControlAnswer&) {});
                        }};
  FileWatch name_files_watch_{reactor_, log_, "resolver", [this] { open_name_files(); }};
  NameFiles name_files_;
  ChallengeWatch challenge_watch_{reactor_, log_, [this] { return send_challenges(); }};
  std::optional<MemoryText> challenges_text_;  // of the latest message to the crew
  AnswerMemory answer_memory_;
  Membership membership_;
  std::optional<MemoryText> members_text_;  // of the latest message to the crew
  bool members_owed_ = false;               // not all could be sent them
  Crew crew_;
  KeeperPlace keeper_{reactor_,
                      log_,
                      peers_,
                      [this](int control) { return live_as_keeper(control); },
                      [this] { on_crew_progress(); },
                      [this](size_t bytes) { return on_answers(bytes); }};
  std::optional<OwnUse> own_use_;  // none until it is prepared, and in children
  EverySecond own_use_told_{reactor_, [this] { own_use_->tell(); }};
  Watchdog watchdog_{reactor_, log_, config_, [this] { return watched(); }};
  std::optional<Rollout> rollout_;
  std::vector<ReloadDone> waiting_;  // reloads that begin when this one has ended
  uint32_t generation_ = 1;
  uint64_t started_ms_ = 0;
  int signals_ = -1;
  TimerId rotation_ = 0;
  Leaving leaving_ = Leaving::no;
  int exit_status_ = 0;
};

// Opens both logs of a conf. Returns what went wrong, or "". `warnings` gets what is not as it
// should be and may become so.
std::string open_logs(const Config& config, LogHandover& logs, std::vector<std::string>& warnings);

}  // namespace sluice
