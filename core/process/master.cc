// Master: its events are signals and the times at which something is due.
#include "core/process/master.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/process/keeper.h"
#include "core/process/run_folder.h"
#include "core/process/status.h"
#include "core/process/worker.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"
#include "protocol/handshake.h"
#include "tls/prepare.h"

namespace sluice {

namespace {

constexpr uint64_t fast_end_ms = 950;  // workers that are not gone by then are killed

constexpr unsigned rotate_timer = 0;
constexpr unsigned kill_timer = 1;
constexpr Handle own_handle{0, 1};

bool has_tls(const ListenConfig& listener) {
  return listener.tls != nullptr;
}

bool uses_tickets(const Config& config) {
  return config.tls_ticket_lifetime_ms > 0 &&
         std::any_of(config.listeners.begin(), config.listeners.end(), has_tls);
}

void complain(const std::string& text) {
  std::fprintf(stderr, "sluice: %s\n", text.c_str());
}

}  // namespace

Master::Master(ConfigRef config, std::string conf_path, ConfIds ids)
    : config_(std::move(config)),
      conf_path_(std::move(conf_path)),
      ids_(std::move(ids)),
      id_(reactor_.attach(*this)),
      control_(reactor_, log_, *this),
      notify_(reactor_),
      crew_(reactor_, log_, *this) {}

int Master::run() {
  if (!prepare()) return 1;
  crew_.start_missing();
  keeper_.crew().start_missing();
  watch_certificates();
  log_.flush();
  tell_ready();
  while (leaving_ == Leaving::no || any_alive()) reactor_.turn(-1);
  reactor_.turn(0);  // the last death may have brought answers
  remove_pid_file();
  control_.close();
  admin_.close();
  return exit_status_;
}

void Master::watch_certificates() {
  certificate_notices_.use(config_);
  if (config_->tls_reload_on_change) {
    file_watch_.watch(config_->tls_files);
  } else {
    file_watch_.close();
  }
}

void Master::tell_ready() {
  notify_.ready("Serving with " + std::to_string(crew_.size()) + " workers");
}

void Master::on_ready(Handle, unsigned, Readiness) {
  while (const int signal = sys::next_signal(signals_)) on_signal(signal);
  reap();
}

void Master::reap() {
  int status = 0;
  while (const pid_t pid = sys::reap(status)) {
    if (!crew_.take_in(pid, status)) keeper_.crew().take_in(pid, status);
  }
}

void Master::on_timer(Handle, unsigned which) {
  if (which == kill_timer) {
    crew_.kill_all();
    return keeper_.crew().kill_all();
  }
  rotation_ = 0;
  rotate_tickets();
}

// Reads the clock anew: this turn may have worked for long before (reload), and a deadline by its
// old clock would come early.
TimerId Master::arm(uint64_t delay_ms, unsigned which) {
  reactor_.update_clock();
  return reactor_.arm(reactor_.now_ms() + delay_ms, id_, own_handle, which);
}

// Steps that can fail for good come before the master listens, and tell why on stderr.
bool Master::prepare() {
  close_inherited();
  notify_.open();
  sys::raise_descriptor_limit();
  std::vector<std::string> warnings;
  if (const std::string wrong = open_logs(*config_, logs_, warnings); !wrong.empty()) {
    complain(wrong);
    return false;
  }
  log_.set_level(config_->error_log.level);
  log_.use_for_errors(logs_.error);
  for (const std::string& each : warnings) {
    complain(each);  // the log may be what nobody reads
    log_.error(LogLevel::warn, each);
  }
  if (!find_user()) return false;
  // OpenSSL reads its files at its first use, which must not be in a worker without privileges, and
  // a later conf may be the first to need it.
  accept_for_key("");
  prepare_tls();
  crew_.set_size(wanted_workers(*config_));
  keeper_.want(needs_keeper(*config_));
  Status opened = rows_.open(std::max(most_workers, crew_.size()));
  if (opened.ok()) opened = rates_.open();
  if (opened.ok()) opened = peers_.open(std::max(most_workers, crew_.size()));
  if (opened.ok()) {
    opened = clients_.open(std::max(most_workers, crew_.size()), config_->client_table_size);
  }
  if (opened.ok()) opened = passwords_.open();
  if (opened.ok()) opened = answer_memory_.open();
  if (!opened.ok()) {
    complain(opened.fault().text());
    return false;
  }
  const bool open = watch_signals() && bind_listeners() && open_admin() && open_control();
  if (!open || !write_pid_file()) return false;
  membership_.use_conf(*config_, generation_, true);
  watch_name_files();
  challenge_watch_.use(config_->acme_dir);
  started_ms_ = sys::monotonic_ms();
  MasterRow& told = rows_.master();
  told.started_ms.set(started_ms_);
  told.started_s.set(sys::wall_clock_ms() / 1000);
  told.last_reload_s.set(told.started_s.value());
  told.generation.set(generation_);
  sys::random_bytes(sticky_key_.data(), sticky_key_.size());
  start_tickets();
  own_use_.emplace(told.process);
  own_use_told_.want(config_->admin.has_value());
  watchdog_.begin();
  return true;
}

// Closes what the starter left open, so that no worker has it. Standard streams stay, and so do the
// descriptors that the service manager passes (sd_listen_fds(3)) or that the conf names as a log.
void Master::close_inherited() const {
  std::vector<int> spared = sys::passed_descriptors();
  for (const LogTarget* log : {&config_->error_log, &config_->access_log}) {
    if (const int fd = stream_of(log->path); fd > 2) spared.push_back(fd);
  }
  sys::close_descriptors(3, spared);
}

bool Master::find_user() {
  const Result<WorkerUser> found = find_worker_user(config_->user);
  if (!found.ok()) {
    complain(user_text(config_->user) + ": " + found.fault().text());
    return false;
  }
  user_ = found.value();
  if (const Status tried = try_confinement(user_, config_->sandbox); !tried.ok()) {
    const bool forbidden = tried.fault().error == EPERM && !user_.name.empty();
    complain((user_.name.empty() ? "" : "user " + user_.name + ": ") + tried.fault().text() +
             (forbidden ? "; root without the capabilities CAP_SETUID and CAP_SETGID cannot become "
                          "another user: start sluice as " +
                              user_.name + ", or say \"user root\" in the conf"
                        : ""));
    return false;
  }
  tell_weak_confinement(*config_, user_, log_);
  return true;
}

bool Master::watch_signals() {
  signals_ = sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
  Status watched = reactor_.open();
  if (watched.ok()) watched = reactor_.watch_listener(signals_, id_, own_handle, false);
  if (!watched.ok()) complain(watched.fault().text());
  return watched.ok();
}

bool Master::open_admin() {
  const std::string wrong = admin_.open(config_->admin);
  if (!wrong.empty()) complain(wrong);
  admin_.adopt(config_->admin, [](int) {});  // the keeper inherits it
  return wrong.empty();
}

bool Master::open_control() {
  const std::string wrong = config_->control ? control_.open(*config_->control) : "";
  if (!wrong.empty()) complain(wrong);
  return wrong.empty();
}

bool Master::write_pid_file() const {
  if (config_->pid_file.empty()) return true;
  const std::string pid = std::to_string(sys::process_id()) + "\n";
  make_run_folder(config_->pid_file);
  const int written = sys::write_whole_file(config_->pid_file.c_str(), pid);
  if (written < 0) {
    complain("pid_file " + config_->pid_file + ": " + sys::open_fault(written).text());
  }
  return written >= 0;
}

// The file stays where another instance has written its own pid to it.
void Master::remove_pid_file() const {
  std::string content;
  if (config_->pid_file.empty()) return;
  if (sys::read_whole_file(config_->pid_file.c_str(), 32, content) != 0) return;
  if (content == std::to_string(sys::process_id()) + "\n") {
    sys::remove_file(config_->pid_file.c_str());
  }
}

std::string open_logs(const Config& config, LogHandover& logs, std::vector<std::string>& warnings) {
  struct {
    const char* name;
    const LogTarget& target;
    LogOutput& output;
  } both[] = {{"error_log ", config.error_log, logs.error},
              {"access_log ", config.access_log, logs.access}};
  for (auto& [name, target, output] : both) {
    std::string warning;
    Result<LogOutput> opened = open_log(target, warning);
    if (!opened.ok()) {
      if (&output == &logs.access && logs.error.on()) sys::close(logs.error.descriptor.fd);
      return name + target.path + ": " + opened.fault().text();
    }
    output = std::move(opened.value());
    if (!warning.empty()) warnings.push_back(name + warning);
  }
  return "";
}

bool Master::bind_listeners() {
  const std::vector<std::string> complaints = listeners_.open(*config_, crew_.size());
  for (const std::string& each : complaints) complain(each);
  if (!complaints.empty()) return false;
  listeners_.adopt(*config_, crew_.size());
  for (const ListenConfig& listener : config_->listeners) {
    log_.error(LogLevel::info, "listening on " + listener.address.text());
  }
  return true;
}

uint32_t Master::wanted_workers(const Config& config) const {
  return config.workers != 0 ? config.workers : sys::processor_count();
}

std::vector<std::string> Master::prepare_start(uint32_t number) {
  peers_.note_worker(number);
  clients_.note_worker(number);
  rows_.note_worker(number);
  return listeners_.mend(number);
}

// In a child: what the master alone has. The crew that the child is of left its own before.
void Master::leave_to_parent() {
  own_use_.reset();
  control_.leave_to_parent();
  file_watch_.leave_to_parent();
  name_files_watch_.leave_to_parent();
  challenge_watch_.leave_to_parent();
  certificate_notices_.use(ConfigRef());
  crew_.leave_to_parent();
  keeper_.crew().leave_to_parent();
  if (rollout_) rollout_->bundle.leave_to_parent();
}

int Master::live_as_keeper(int control) {
  leave_to_parent();
  listeners_.leave_to_parent();
  KeeperSetup setup;
  setup.config = std::move(config_);
  setup.control = control;
  setup.logs = logs_;
  setup.user = &user_;
  setup.peers = peers_.memory();
  setup.known_peers = ids_.peers();
  setup.generation = generation_;
  setup.members = membership_.members();
  setup.name_files = name_files_;
  setup.answers = answer_memory_.bytes();
  setup.heartbeat = &answer_memory_.heartbeat();
  setup.rows = &rows_;
  setup.route_labels = ids_.route_labels();
  setup.listener_labels = ids_.listener_labels();
  setup.passwords = passwords_.queue();
  setup.admin = admin_.take();
  setup.tls_store = &tls_store_;
  const auto keeper = Keeper::start(std::move(setup));
  return keeper.ok() ? keeper.value()->run() : start_failure_status(keeper.fault());
}

int Master::live_as_worker(uint32_t number, uint64_t start_s, int control) {
  leave_to_parent();
  admin_.leave_to_parent();
  answer_memory_.close();
  close_name_files();
  WorkerSetup setup;
  setup.number = number;
  setup.start_s = start_s;
  setup.buffer_memory_bytes = buffer_memory();
  setup.config = std::move(config_);  // the worker's alone: a conf goes with its last session
  setup.control = control;
  setup.logs = logs_;
  setup.user = &user_;
  setup.row = &rows_.row(number);
  setup.labels = rows_.labels(number);
  setup.rates = rates_.rates();
  setup.peers = peers_.memory();
  setup.clients = clients_.memory();
  setup.passwords = passwords_.queue();
  setup.sticky_key = sticky_key_;
  setup.tls_store = &tls_store_;
  setup.sockets = listeners_.take(number);
  setup.drains = drains_.orders();
  setup.traces = traces_.orders();
  setup.generation = generation_;
  setup.members = membership_.members();
  setup.challenges = challenge_watch_.challenges();
  const auto worker = Worker::start(std::move(setup));
  return worker.ok() ? worker.value()->run() : start_failure_status(worker.fault());
}

// A worker's buffer_memory: what the conf says, else its share of an eighth of the machine's
// memory.
size_t Master::buffer_memory() const {
  if (config_->buffer_memory_bytes != 0) return config_->buffer_memory_bytes;
  const size_t share = sys::memory_bytes() / 8 / crew_.size();
  const size_t least = size_t{least_rings_in_buffer_memory} * config_->ring_bytes;
  return std::max(std::min(share, BufferPool::default_most_bytes), least);
}

std::optional<uint64_t> Master::sessions_lost(uint32_t number, uint64_t before) {
  bury(peers_.memory().rows_of(number));
  clients_.bury(number);
  rows_.bury(number);
  return living_sessions(rows_.row(number), before);
}

// The keeper first, whose place is always there.
std::vector<Watchdog::Watched> Master::watched() {
  std::vector<Watchdog::Watched> all = {{keeper_.pid(), &answer_memory_.heartbeat(), "the keeper"}};
  for (uint32_t number = 0; number < crew_.places(); ++number) {
    all.push_back({crew_.pid(number), &rows_.row(number).heartbeat, name_of(number)});
  }
  return all;
}

void Master::end_if_hopeless() {
  if (!crew_.hopeless() || leaving_ != Leaving::no) return;
  log_.error(LogLevel::error, "no worker can start: ending");
  leaving_ = Leaving::fast;
  dismiss();
  keeper_.crew().signal_all(SIGTERM);
  exit_status_ = 1;
}

// Nobody is started any more.
void Master::dismiss() {
  crew_.dismiss();
  keeper_.crew().dismiss();
}

void Master::signal_all(int signal) {
  crew_.signal_all(signal);
  keeper_.crew().signal_all(signal);
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
      return leave_fast("SIGTERM");
    case SIGINT:
      return leave_fast("SIGINT");
    case SIGQUIT:
      return leave_when_empty();
    case SIGHUP:
      return reload([](const ControlAnswer&) {});
    case SIGUSR1:
      reopen_logs();
      return;
    case SIGUSR2:
      return log_.error(LogLevel::warn, "SIGUSR2: changing the binary is not there yet");
    default:
      return;  // SIGCHLD: reap() follows
  }
}

void Master::leave_fast(const char* signal) {
  if (leaving_ == Leaving::fast) return;
  leaving_ = Leaving::fast;
  rows_.master().ending.set(1);
  log_.error(LogLevel::notice, std::string(signal) + ": ending, sessions get Close 1001");
  notify_.stopping("Ending");
  dismiss();
  listeners_.close();
  arm(fast_end_ms, kill_timer);
  signal_all(SIGTERM);
}

void Master::leave_when_empty() {
  if (leaving_ != Leaving::no) return;
  leaving_ = Leaving::when_empty;
  rows_.master().ending.set(1);
  const uint32_t over_ms = config_->drain_timeout_ms;
  const std::string how = over_ms == 0 ? "listening no more, ending with the last session"
                                       : "listening no more, ending the sessions (" +
                                             time_setting_text("drain_timeout", over_ms) + ")";
  log_.error(LogLevel::notice, "SIGQUIT: " + how);
  notify_.stopping(how);
  dismiss();
  // The master closes its copies first. A worker closes its own after its last accept, which
  // then ends the listener, so that no client queues where nobody accepts any more.
  listeners_.close();
  crew_.signal_all(SIGQUIT);
  end_keeper_behind_workers();
}

ControlAnswer Master::reopen_logs() {
  LogHandover fresh;
  ControlAnswer outcome;
  if (const std::string wrong = open_logs(*config_, fresh, outcome.warnings); !wrong.empty()) {
    log_.error(LogLevel::error, "logs could not be reopened, the old ones stay in use: " + wrong);
    return refusal(wrong);
  }
  use_logs(std::move(fresh));
  for (const std::string& each : outcome.warnings) log_.error(LogLevel::warn, each);
  log_.error(LogLevel::info, "logs reopened");
  return outcome;
}

void Master::use_logs(LogHandover fresh) {
  log_.flush();
  for (const LogOutput* output : {&logs_.error, &logs_.access}) {
    if (output->on()) sys::close(output->descriptor.fd);
  }
  logs_ = std::move(fresh);
  log_.use_for_errors(logs_.error);
  crew_.send_to_all(
      "logs", [this](uint32_t, ControlChannel& channel) { return send_logs(channel, logs_); });
  keeper_.send_logs(logs_);
}

// Workers inherit the keys when they start, and get each later set as a message. So a ticket of one
// worker is good at all others, and at its successor. They are there before a conf needs them.
void Master::start_tickets() {
  ticket_keys_ = make_ticket_keys();
  use_ticket_keys(ticket_keys_);
  plan_rotation();
}

// From now, by the conf that is in use.
void Master::plan_rotation() {
  reactor_.cancel(std::exchange(rotation_, 0));
  if (uses_tickets(*config_)) rotation_ = arm(config_->tls_ticket_lifetime_ms, rotate_timer);
}

void Master::rotate_tickets() {
  rotate_ticket_keys(ticket_keys_);
  use_ticket_keys(ticket_keys_);
  plan_rotation();
  log_.error(LogLevel::debug, "ticket keys rotated");
  crew_.send_to_all("ticket keys", [this](uint32_t, ControlChannel& channel) {
    return send_ticket_keys(channel, ticket_keys_);
  });
}

}  // namespace sluice
