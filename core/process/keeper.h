// Keeper: the process that looks after peers, and tells how sluice is. It has no session, so that
// what it does costs no client anything, and happens once and not once a worker: health checks,
// where servers' names lead, and what the admin address says.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/keeper/health_checks.h"
#include "core/keeper/names.h"
#include "core/observe/log.h"
#include "core/peers/peer_board.h"
#include "core/process/admin_pages.h"
#include "core/process/admin_server.h"
#include "core/process/control_messages.h"
#include "core/process/counter_rows.h"
#include "core/process/every_second.h"
#include "core/process/master_link.h"
#include "core/process/own_use.h"
#include "core/process/password_thread.h"
#include "core/process/privileges.h"
#include "core/process/reload.h"
#include "net/reactor.h"

namespace sluice {

// Whether a conf gives a keeper anything to do; else there is none.
bool needs_keeper(const Config& config);

// What the master gives the keeper at its start. The keeper owns the descriptors.
struct KeeperSetup {
  ConfigRef config;
  int control = -1;  // the channel to the master; -1: there is none (tests)
  LogHandover logs;
  const WorkerUser* user = nullptr;  // outlives the keeper; null: it gives up nothing (tests)
  PeerBoard::Memory peers;           // outlives the keeper
  size_t known_peers = 0;            // ids of peers that confs have given so far
  uint32_t generation = 1;           // of the conf
  Members members;                   // where names lead, of that generation
  NameFiles name_files;
  std::span<char> answers;                     // shared with the master; outlives the keeper
  Heartbeat* heartbeat = nullptr;              // so is this; null: nobody looks
  TlsStore* tls_store = nullptr;               // outlives the keeper; null: it has one of its own
  const CounterRows* rows = nullptr;           // outlives the keeper; null: there are none
  std::vector<std::string> route_labels = {};  // of confs so far, by their ids
  std::vector<std::string> listener_labels = {};  // the same
  PasswordQueue passwords = {};                   // its memory outlives the keeper
  int admin = -1;                                 // the admin address's socket; -1: there is none
};

class Keeper final : public EventHandler,
                     public MasterLinkSink,
                     public ReloadSink,
                     private NamesSink {
 public:
  // Confined as a worker is. It has written a Fault to the error log before it returns it.
  static Result<std::unique_ptr<Keeper>> start(KeeperSetup setup);
  ~Keeper() override;

  // Until a signal ends it, its master is gone, or a conf comes that needs no keeper. Returns the
  // process's exit status.
  int run();

  // Ends behind it where the conf needs no keeper.
  bool adopt(LoadedConf& loaded) override;
  bool has(const WorkerSocket&) const override { return false; }
  void on_reload_end(uint32_t sequence, const std::string& why) override;

  void on_logs(LogHandover logs) override;
  void on_conf_part(const ConfPart& part, uint32_t sequence) override;
  void on_drains(std::span<const DrainOrder>) override {}
  void on_members(const Members& members) override;
  void on_challenges(Challenges) override {}
  void on_name_files(const NameFiles& files) override;
  void on_admin(int fd) override { admin_.listen(fd); }
  void on_link_progress() override { tell_answers(); }
  void on_page_request(const PageRequest&) override {}
  void on_trace_command(const TraceCommand&) override {}
  void on_unknown(uint16_t kind) override;
  void on_master_gone() override { reactor_.stop(); }
  void on_nonsense() override;

  void on_ready(Handle, unsigned, Readiness) override;
  void on_timer(Handle, unsigned) override {}
  void on_run(Handle) override {}
  void on_turn_end() override;

 private:
  explicit Keeper(const KeeperSetup& setup);

  Status open(const KeeperSetup& setup);
  void use_conf(const Config& config, uint32_t generation);
  void on_targets(const NameQuestion& question, const NameTargets& targets) override;
  void tell_answers();
  void note_moment();

  Reactor reactor_;
  Reactor::HandlerId id_;
  Log log_;
  ConfigRef config_;
  TlsStore own_store_;  // where the setup brings none
  HealthChecks checks_;
  Names names_;
  KeeperPages pages_;
  AdminServer admin_;
  NameAnswers answers_;       // that were found, of the conf's questions
  bool answers_new_ = false;  // since the master was told
  std::span<char> answer_memory_;
  uint32_t generation_;
  Members members_;  // the latest; in force where they are of that conf
  PasswordThread passwords_;
  Reload reload_;
  std::optional<OwnUse> own_use_;  // none where nobody looks
  EverySecond moments_{reactor_, [this] { note_moment(); }};
  std::unique_ptr<MasterLink> master_;  // null without a master
  int signals_;                         // owned by sys: a process has one
  int exit_status_ = 0;
};

}  // namespace sluice
