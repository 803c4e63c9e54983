// Master: one loop over its signals and the times at which dead workers are due again.
#include "core/process/master.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "core/conf/conf.h"
#include "core/conf/machine_inputs.h"
#include "core/process/worker.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"
#include "protocol/handshake.h"
#include "tls/prepare.h"

namespace sluice {

namespace {

constexpr uint64_t quick_death_ms = 10'000;  // one that lived longer starts at once again
constexpr uint64_t first_pause_ms = 100;
constexpr uint64_t most_pause_ms = 30'000;
constexpr uint64_t retry_owed_ms = 250;
constexpr uint64_t never_ms = UINT64_MAX;
constexpr uint64_t fast_end_ms = 950;  // workers that are not gone by then are killed

void complain(const std::string& text) {
  std::fprintf(stderr, "sluice: %s\n", text.c_str());
}

uint64_t pause_before_start(uint32_t quick_deaths) {
  if (quick_deaths <= 1) return 0;
  const uint32_t doublings = std::min(quick_deaths - 2, 16u);
  return std::min(first_pause_ms << doublings, most_pause_ms);
}

}  // namespace

Master::Master(ConfigRef config, std::string conf_path)
    : config_(std::move(config)), conf_path_(std::move(conf_path)) {}

int Master::run() {
  if (!prepare()) return 1;
  start_due_workers();
  log_.flush();
  while (leaving_ == Leaving::no || any_worker()) {
    wait();
    while (const int signal = sys::next_signal(signals_)) on_signal(signal);
    reap_workers();
    if (leaving_ == Leaving::no) start_due_workers();
    if (tickets_in_use() && sys::monotonic_ms() >= rotate_at_ms_) rotate_tickets();
    send_owed();
    if (leaving_ == Leaving::fast && sys::monotonic_ms() >= kill_at_ms_) kill_workers();
    if (leaving_ == Leaving::no && hopeless()) {
      log_.error(LogLevel::error, "no worker can start: ending");
      leaving_ = Leaving::fast;
      exit_status_ = 1;
    }
    log_.flush();
  }
  remove_pid_file();
  return exit_status_;
}

// Everything that may fail for good comes before anybody is listened to, or is told on stderr.
bool Master::prepare() {
  close_inherited();
  sys::raise_descriptor_limit();
  if (const std::string wrong = open_logs(logs_); !wrong.empty()) {
    complain(wrong);
    return false;
  }
  log_.set_level(config_->error_log.level);
  log_.error_sink.use(logs_.error);
  if (!find_user()) return false;
  // OpenSSL reads its files at first use: here, not in a worker without privileges.
  accept_for_key("");
  if (tls_in_use()) prepare_tls();
  signals_ = sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
  workers_.resize(config_->workers != 0 ? config_->workers : sys::processor_count());
  if (!bind_listeners() || !write_pid_file()) return false;
  start_tickets();
  return true;
}

// What the starter left open is nobody's business, least of all a worker's; but for standard
// streams, what the service manager passes (sd_listen_fds(3)) and what the conf names as a log.
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
  if (const Status tried = try_confinement(user_); !tried.ok()) {
    const bool forbidden = tried.fault().error == EPERM && !user_.name.empty();
    complain((user_.name.empty() ? "" : "user " + user_.name + ": ") + tried.fault().text() +
             (forbidden ? "; root without the capabilities CAP_SETUID and CAP_SETGID cannot become "
                          "another user: start sluice as " +
                              user_.name + ", or say \"user root\" in the conf"
                        : ""));
    return false;
  }
  if (config_->user.empty() && user_.name == fallback_user) {
    log_.error(LogLevel::notice, std::string("workers run as ") + fallback_user +
                                     ", as other programs may do; a user " + preferred_user +
                                     " or the directive \"user\" keeps them apart");
  }
  return true;
}

bool Master::write_pid_file() const {
  if (config_->pid_file.empty()) return true;
  const std::string pid = std::to_string(sys::process_id()) + "\n";
  const int written = sys::write_whole_file(config_->pid_file.c_str(), pid);
  if (written < 0) {
    complain("pid_file " + config_->pid_file + ": " + sys::open_fault(written).text());
  }
  return written >= 0;
}

// Unless it is another instance's by now.
void Master::remove_pid_file() const {
  std::string content;
  if (config_->pid_file.empty()) return;
  if (sys::read_whole_file(config_->pid_file.c_str(), 32, content) != 0) return;
  if (content == std::to_string(sys::process_id()) + "\n") {
    sys::remove_file(config_->pid_file.c_str());
  }
}

// Returns what went wrong, or "".
std::string Master::open_logs(LogHandover& logs) const {
  const Result<sys::LogDescriptor> error = open_log(config_->error_log);
  if (!error.ok()) return "error_log " + config_->error_log.path + ": " + error.fault().text();
  const Result<sys::LogDescriptor> access = open_log(config_->access_log);
  if (!access.ok()) {
    if (error.value().fd >= 0) sys::close(error.value().fd);
    return "access_log " + config_->access_log.path + ": " + access.fault().text();
  }
  logs = LogHandover{error.value(), access.value()};
  return "";
}

bool Master::bind_listeners() {
  const std::vector<std::string> complaints =
      listeners_.open(*config_, static_cast<uint32_t>(workers_.size()));
  for (const std::string& each : complaints) complain(each);
  if (!complaints.empty()) return false;
  for (const ListenConfig& listener : config_->listeners) {
    log_.error(LogLevel::info, "listening on " + listener.address.text());
  }
  return true;
}

void Master::start_due_workers() {
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    if (workers_[number].pid == 0 && sys::monotonic_ms() >= workers_[number].start_at_ms) {
      start_worker(number);
    }
  }
}

void Master::start_worker(uint32_t number) {
  WorkerProcess& worker = workers_[number];
  worker.start_s = std::max(sys::wall_clock_ms() / 1000, worker.start_s + 1);
  worker.owed_logs = worker.owed_keys = false;  // it inherits the latest
  const std::vector<std::string> complaints = listeners_.mend(number);
  for (const std::string& each : complaints) log_.error(LogLevel::error, each);
  if (!complaints.empty()) {
    worker.start_at_ms = sys::monotonic_ms() + pause_before_start(++worker.quick_deaths + 1);
    return;
  }
  int ends[2];
  const char* failing = "socketpair";
  pid_t pid = sys::pair(ends);
  if (pid == 0) {
    failing = "fork";
    log_.flush();  // or the child would write what is buffered a second time
    sys::block_signals();
    pid = sys::fork();
    if (pid != 0) sys::unblock_signals();
    if (pid == 0) {
      sys::close(ends[0]);
      become_worker(number, ends[1]);
    }
    sys::close(ends[1]);
    if (pid < 0) sys::close(ends[0]);
  }
  worker.started_ms = sys::monotonic_ms();
  if (pid < 0) {
    log_.error(LogLevel::error, "worker " + std::to_string(number) + " cannot start: " +
                                    Fault{failing, static_cast<int>(-pid)}.text());
    worker.start_at_ms = worker.started_ms + pause_before_start(++worker.quick_deaths + 1);
    return;
  }
  worker.pid = pid;
  worker.control = ends[0];
  log_.error(LogLevel::info,
             "worker " + std::to_string(number) + " started, pid " + std::to_string(pid));
}

void Master::become_worker(uint32_t number, int control) {
  WorkerSetup setup;
  setup.number = number;
  setup.start_s = workers_[number].start_s;
  setup.config = config_;
  setup.control = control;
  setup.logs = logs_;
  setup.worker_connections = config_->worker_connections;
  setup.buffer_memory_bytes = buffer_memory();
  setup.user = &user_;
  setup.listeners = listeners_.take(number);
  for (const WorkerProcess& sibling : workers_) {
    if (sibling.control >= 0) sys::close(sibling.control);
  }
  int status = 0;
  {
    Worker worker(setup);
    status = worker.run();
  }
  sys::exit_now(status);
}

// A worker's buffer_memory: the conf's, else an eighth of the machine's memory, shared out.
size_t Master::buffer_memory() const {
  if (config_->buffer_memory_bytes != 0) return config_->buffer_memory_bytes;
  const size_t share = sys::memory_bytes() / 8 / workers_.size();
  const size_t least = size_t{least_rings_in_buffer_memory} * config_->ring_bytes;
  return std::max(std::min(share, BufferPool::default_most_bytes), least);
}

void Master::reap_workers() {
  int status = 0;
  while (const pid_t pid = sys::reap(status)) {
    for (uint32_t number = 0; number < workers_.size(); ++number) {
      if (workers_[number].pid == pid) on_worker_death(number, status);
    }
  }
}

void Master::on_worker_death(uint32_t number, int status) {
  WorkerProcess& worker = workers_[number];
  sys::close(worker.control);
  worker.control = -1;
  worker.pid = 0;
  const std::string name = "worker " + std::to_string(number);
  if (leaving_ != Leaving::no) {
    if (sys::exit_status(status) == 0 || killed_) return;
    return log_.error(LogLevel::error, name + " " + sys::describe_exit(status) + " while ending");
  }
  if (sys::exit_status(status) == worker_hopeless) {
    worker.start_at_ms = never_ms;
    return log_.error(LogLevel::error, name + " can never start, so it is not tried again");
  }
  const uint64_t now = sys::monotonic_ms();
  const bool quick = now - worker.started_ms < quick_death_ms;
  worker.quick_deaths = quick ? worker.quick_deaths + 1 : 0;
  const uint64_t pause = pause_before_start(worker.quick_deaths);
  worker.start_at_ms = now + pause;
  log_.error(LogLevel::error, name + " " + sys::describe_exit(status) + ", starting it again in " +
                                  std::to_string(pause) + " ms");
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
    case SIGINT:
      if (leaving_ == Leaving::fast) return;
      leaving_ = Leaving::fast;
      log_.error(LogLevel::notice, std::string(signal == SIGTERM ? "SIGTERM" : "SIGINT") +
                                       ": ending, sessions get Close 1001");
      listeners_.close();
      kill_at_ms_ = sys::monotonic_ms() + fast_end_ms;
      return signal_workers(SIGTERM);
    case SIGQUIT:
      if (leaving_ != Leaving::no) return;
      leaving_ = Leaving::when_empty;
      log_.error(LogLevel::notice, "SIGQUIT: listening no more, ending with the last session");
      // Ours first: each worker's close, behind its last accept, is then the listener's end, and
      // nobody queues where nobody accepts any more.
      listeners_.close();
      return signal_workers(SIGQUIT);
    case SIGHUP:
      return check_conf();
    case SIGUSR1:
      return reopen_logs();
    case SIGUSR2:
      return log_.error(LogLevel::warn, "SIGUSR2: changing the binary is not there yet");
    default:
      return;  // SIGCHLD only wakes
  }
}

void Master::signal_workers(int signal) {
  for (const WorkerProcess& worker : workers_) {
    if (worker.pid > 0) sys::kill(worker.pid, signal);
  }
}

void Master::kill_workers() {
  killed_ = true;
  signal_workers(SIGKILL);
}

void Master::reopen_logs() {
  LogHandover fresh;
  if (const std::string wrong = open_logs(fresh); !wrong.empty()) {
    log_.error(LogLevel::error, "logs could not be reopened, the old ones stay in use: " + wrong);
    return;
  }
  log_.flush();
  for (const int fd : {logs_.error.fd, logs_.access.fd}) {
    if (fd >= 0) sys::close(fd);
  }
  logs_ = fresh;
  log_.error_sink.use(logs_.error);
  for (WorkerProcess& worker : workers_) worker.owed_logs = true;
  log_.error(LogLevel::info, "logs reopened");
}

// Channels are full where a worker stands still: what it is owed goes out when there is room.
void Master::send_owed() {
  if (sys::monotonic_ms() < retry_owed_at_ms_) return;
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    WorkerProcess& worker = workers_[number];
    if (worker.owed_logs) worker.owed_logs = !send(number, logs_, "logs");
    if (worker.owed_keys) worker.owed_keys = !send(number, ticket_keys_, "ticket keys");
  }
}

// Whether nothing of it is owed any more.
bool Master::send(uint32_t number, const ControlMessage& message, const char* what) {
  const WorkerProcess& worker = workers_[number];
  if (worker.pid <= 0) return true;
  const Status sent = send_control(worker.control, message);
  if (sent.ok()) return true;
  const int error = sent.fault().error;
  if (error == EAGAIN) return false;
  // Too many descriptors or bytes are under way: no channel will say when that has changed.
  if (error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM) {
    retry_owed_at_ms_ = sys::monotonic_ms() + retry_owed_ms;
    return false;
  }
  log_.error(LogLevel::error, std::string(what) + " could not be handed to worker " +
                                  std::to_string(number) + ": " + sent.fault().text());
  return true;
}

// Workers inherit the keys when they start and are sent each later set: a ticket of one is good at
// all others, and at one that took its place.
void Master::start_tickets() {
  if (!tickets_in_use()) return;
  ticket_keys_ = make_ticket_keys();
  use_ticket_keys(ticket_keys_);
  rotate_at_ms_ = sys::monotonic_ms() + config_->tls_ticket_lifetime_ms;
}

void Master::rotate_tickets() {
  rotate_ticket_keys(ticket_keys_);
  use_ticket_keys(ticket_keys_);
  rotate_at_ms_ = sys::monotonic_ms() + config_->tls_ticket_lifetime_ms;
  for (WorkerProcess& worker : workers_) worker.owed_keys = true;
  log_.error(LogLevel::debug, "ticket keys rotated");
}

bool Master::tls_in_use() const {
  const auto has_tls = [](const auto& each) { return each.tls != nullptr; };
  return std::any_of(config_->listeners.begin(), config_->listeners.end(), has_tls) ||
         std::any_of(config_->upstreams.begin(), config_->upstreams.end(), has_tls);
}

bool Master::tickets_in_use() const {
  return config_->tls_ticket_lifetime_ms > 0 &&
         std::any_of(config_->listeners.begin(), config_->listeners.end(),
                     [](const ListenConfig& listener) { return listener.tls != nullptr; });
}

void Master::check_conf() {
  MachineInputs inputs;
  ConfOptions options;
  options.open_files = true;
  const ConfOutcome outcome = load_conf(conf_path_, options, inputs);
  for (const ConfError& error : outcome.errors) log_.error(LogLevel::error, error.text());
  for (const std::string& warning : outcome.warnings) log_.error(LogLevel::warn, warning);
  log_.error(LogLevel::notice, outcome.config != nullptr
                                   ? conf_path_ + " is good; it takes effect at the next start"
                                   : conf_path_ + " is bad; nothing changes");
}

bool Master::any_worker() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const WorkerProcess& worker) { return worker.pid > 0; });
}

bool Master::hopeless() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const WorkerProcess& worker) {
    return worker.pid == 0 && worker.start_at_ms == never_ms;
  });
}

void Master::wait() const {
  std::vector<int> full;
  for (const WorkerProcess& worker : workers_) {
    const bool owed = worker.owed_logs || worker.owed_keys;
    if (owed && sys::monotonic_ms() >= retry_owed_at_ms_) full.push_back(worker.control);
  }
  sys::wait_readable(signals_, next_wait_ms(), full);
}

int Master::next_wait_ms() const {
  const uint64_t now = sys::monotonic_ms();
  uint64_t until = now + 60'000;
  if (tickets_in_use()) until = std::min(until, rotate_at_ms_);
  if (leaving_ == Leaving::fast) until = std::min(until, kill_at_ms_);
  if (retry_owed_at_ms_ > now) until = std::min(until, retry_owed_at_ms_);
  for (const WorkerProcess& worker : workers_) {
    if (worker.pid == 0 && leaving_ == Leaving::no) until = std::min(until, worker.start_at_ms);
  }
  // After the kill the children's ends wake us; this only bounds a lost wake-up.
  return until > now ? static_cast<int>(until - now) : 10;
}

}  // namespace sluice
