// Keeper: wiring of reactor, master's channel and checks, and how it ends.
#include "core/process/keeper.h"

#include <signal.h>

#include <algorithm>
#include <new>
#include <utility>

#include "core/process/worker.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "net/sys_trace.h"
#include "protocol/frame_codec.h"

namespace sluice {

bool needs_keeper(const Config& config) {
  return config.admin || !config.password_files.empty() || asks_for_checks(config) ||
         !questions_of(config).empty();
}

Keeper::Keeper(const KeeperSetup& setup)
    : id_(reactor_.attach(*this)),
      config_(setup.config),
      checks_(reactor_, log_, setup.peers.health, setup.known_peers),
      names_(reactor_, log_, *this),
      pages_(setup.rows, setup.peers, setup.route_labels, setup.listener_labels, &names_.counts()),
      admin_(reactor_, log_, pages_),
      answer_memory_(setup.answers),
      generation_(setup.generation),
      members_(setup.members),
      reload_(reactor_, *this, setup.tls_store != nullptr ? *setup.tls_store : own_store_),
      signals_(sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2})) {
  if (setup.control >= 0) master_ = std::make_unique<MasterLink>(reactor_, *this, setup.control);
  prepare_frame_codec();
  log_.set_level(config_->error_log.level);
  if (setup.heartbeat != nullptr) reactor_.tell_turns(*setup.heartbeat);
  log_.name_process("keeper");
  log_.use_for_errors(setup.logs.error);
  log_.use_for_access(setup.logs.access);
}

Keeper::~Keeper() = default;

Result<std::unique_ptr<Keeper>> Keeper::start(KeeperSetup setup) {
  std::unique_ptr<Keeper> keeper(new Keeper(setup));
  const Status opened = keeper->open(setup);
  if (opened.ok()) return keeper;
  keeper->log_.error(LogLevel::error, "the keeper cannot start: " + opened.fault().text());
  keeper->log_.flush();
  return opened.fault();
}

Status Keeper::open(const KeeperSetup& setup) {
  if (const Status opened = reactor_.open(); !opened.ok()) return opened;
  if (const Status watched = reactor_.watch_listener(signals_, id_, Handle{0, 1}, false);
      !watched.ok()) {
    return watched;
  }
  if (master_ != nullptr) {
    if (const Status watched = master_->watch(); !watched.ok()) return watched;
  }
  if (const Status opened = names_.open(); !opened.ok()) return opened;
  on_name_files(setup.name_files);
  if (setup.rows != nullptr) {
    own_use_.emplace(setup.rows->keeper().process);
  }
  if (const Status begun = passwords_.start(setup.passwords); !begun.ok()) return begun;
  if (setup.user != nullptr) {
    const Status confined = confine(*setup.user, setup.config->sandbox, sys::Confined::keeper);
    if (!confined.ok()) return confined;
  }
  use_conf(*setup.config, setup.generation);
  admin_.listen(setup.admin);
  return Done{};
}

int Keeper::run() {
  reactor_.run();
  log_.flush_all();
  return exit_status_;
}

void Keeper::on_conf_part(const ConfPart& part, uint32_t sequence) {
  reload_.take(part, sequence, config_);
  if (part.bundle < 0) master_->answer_conf(sequence, ControlChannel::Answer::taken);
}

bool Keeper::adopt(LoadedConf& loaded) {
  use_conf(*loaded.config, loaded.terms.generation);
  config_ = loaded.config;
  log_.set_level(config_->error_log.level);
  if (!needs_keeper(*config_)) reactor_.stop();  // at the end of the turn: it acknowledges first
  return true;
}

void Keeper::use_conf(const Config& config, uint32_t generation) {
  const Members none;
  const Members& members = members_.generation == generation ? members_ : none;
  checks_.use(config, members);
  const std::vector<NameQuestion> questions = questions_of(config);
  std::erase_if(answers_, [&questions](const auto& each) {
    return std::find(questions.begin(), questions.end(), each.first) == questions.end();
  });
  names_.use(questions, config.resolver);
  // Last: a conf that could not be used for want of memory is gone, and comes again.
  pages_.use(config, members);
  admin_.use(config.admin_rules);
  generation_ = generation;
  moments_.want(config.admin.has_value());
}

// Once a second while anybody may ask: what was, and those who watch are told what is.
void Keeper::note_moment() {
  if (own_use_) own_use_->tell();
  try {
    pages_.note_moment();
    admin_.tell_watchers();
  } catch (const std::bad_alloc&) {
    log_.recurring(LogLevel::error, "moment",
                   "out of memory: who watches the admin address misses a second");
  }
}

void Keeper::on_members(const Members& members) {
  if (members.generation == generation_) {
    checks_.use(*config_, members);
    pages_.use(*config_, members);
  }
  members_ = members;
}

void Keeper::on_name_files(const NameFiles& files) {
  names_.use_files(files.hosts, files.resolv_conf);
}

void Keeper::on_targets(const NameQuestion& question, const NameTargets& targets) {
  answers_.insert_or_assign(question, targets);
  answers_new_ = true;
}

// All that is known goes each time: the master may have lost nothing, but a successor of ours has.
void Keeper::tell_answers() {
  if (!answers_new_ || master_ == nullptr || !master_->may_tell_answers()) return;
  const std::string bytes = bytes_of(answers_);
  if (bytes.size() > answer_memory_.size()) {
    return log_.recurring(LogLevel::error, "answers without room",
                          "names lead to too many addresses to tell them: a smaller "
                          "resolve_max_addresses makes room");
  }
  std::copy(bytes.begin(), bytes.end(), answer_memory_.begin());
  if (master_->tell_answers(bytes.size())) answers_new_ = false;
}

// A conf that cannot be used now comes again: the master waits for it.
void Keeper::on_reload_end(uint32_t sequence, const std::string& why) {
  if (!why.empty()) {
    log_.recurring(LogLevel::error, "reload",
                   "the keeper keeps the old conf, and tries the new one again: " + why);
  }
  master_->answer_conf(
      sequence, why.empty() ? ControlChannel::Answer::taken : ControlChannel::Answer::not_now);
}

void Keeper::on_logs(LogHandover logs) {
  log_.flush();
  for (const int fd : {log_.error_sink.descriptor().fd, log_.access_sink.descriptor().fd}) {
    if (fd >= 0) sys::close(fd);
  }
  log_.use_for_errors(std::move(logs.error));
  log_.use_for_access(std::move(logs.access));
}

// Master and keeper are one binary: this is a fault of ours, and silence would hide it.
void Keeper::on_unknown(uint16_t kind) {
  log_.error(LogLevel::error,
             "the master's message of kind " + std::to_string(kind) + " was not understood");
}

void Keeper::on_nonsense() {
  exit_status_ = 1;
  log_.error(LogLevel::error, "the master sent what is no control message: ending");
  reactor_.stop();
}

// The master acts on HUP, USR1 and USR2.
void Keeper::on_ready(Handle, unsigned, Readiness) {
  while (const int signal = sys::next_signal(signals_)) {
    if (signal == SIGTERM || signal == SIGINT || signal == SIGQUIT) reactor_.stop();
  }
}

void Keeper::on_turn_end() {
  tell_answers();
  tell_refused_calls(log_);
  log_.flush();
}

}  // namespace sluice
