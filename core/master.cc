// Master: one loop over its signals and the times at which dead workers are due again.
#include "core/master.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "core/conf.h"
#include "core/conf_expand.h"
#include "core/worker.h"
#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "protocol/handshake.h"
#include "tls/prepare.h"

namespace sluice {

namespace {

constexpr uint64_t quick_death_ms = 10'000;  // one that lived longer starts at once again
constexpr uint64_t first_pause_ms = 100;
constexpr uint64_t most_pause_ms = 30'000;
constexpr uint64_t fast_end_ms = 950;  // workers that are not gone by then are killed

uint64_t clock_ms() {
  return sys::monotonic_ns() / 1'000'000;
}

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

Master::~Master() {
  close_listeners();
}

void Master::close_listeners() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    for (const int fd : listeners_[i]) sys::close(fd);
    // At once, before another instance may have put its own there.
    const Address& address = config_->listeners[i].address;
    if (address.is_unix()) sys::remove_socket_file(address.unix_path().c_str());
  }
  listeners_.clear();
}

int Master::run() {
  sys::raise_descriptor_limit();
  if (!open_logs(logs_)) return 1;
  log_.set_level(config_->error_log.level);
  log_.error_sink.use(logs_.error);
  // OpenSSL reads its files at first use: here, not in a worker without privileges.
  accept_for_key("");
  if (tls_in_use()) prepare_tls();
  signals_ = sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
  const uint32_t count = config_->workers != 0 ? config_->workers : sys::processor_count();
  workers_.resize(count);
  if (!bind_listeners()) return 1;
  if (!config_->pid_file.empty()) {
    const std::string pid = std::to_string(sys::process_id()) + "\n";
    if (const int written = sys::write_whole_file(config_->pid_file.c_str(), pid); written < 0) {
      complain("pid_file " + config_->pid_file + ": " + Fault{"open", -written}.text());
      return 1;
    }
  }
  start_tickets();
  start_due_workers();
  log_.flush();
  while (leaving_ == Leaving::no || any_worker()) {
    sys::wait_readable(signals_, next_wait_ms());
    while (const int signal = sys::next_signal(signals_)) on_signal(signal);
    reap_workers();
    if (leaving_ == Leaving::no) start_due_workers();
    if (tickets_in_use() && clock_ms() >= rotate_at_ms_) rotate_tickets();
    if (leaving_ == Leaving::fast && clock_ms() >= kill_at_ms_) signal_workers(SIGKILL);
    log_.flush();
  }
  remove_pid_file();
  return 0;
}

// Unless it is another instance's by now.
void Master::remove_pid_file() const {
  std::string content;
  if (config_->pid_file.empty() || read_whole_file(config_->pid_file, 32, content) != 0) return;
  if (content == std::to_string(sys::process_id()) + "\n") {
    sys::remove_file(config_->pid_file.c_str());
  }
}

bool Master::open_logs(LogHandover& logs) {
  const Result<sys::LogDescriptor> error = open_log(config_->error_log);
  if (!error.ok()) {
    complain("error_log " + config_->error_log.path + ": " + error.fault().text());
    return false;
  }
  const Result<sys::LogDescriptor> access = open_log(config_->access_log);
  if (!access.ok()) {
    if (error.value().fd >= 0) sys::close(error.value().fd);
    complain("access_log " + config_->access_log.path + ": " + access.fault().text());
    return false;
  }
  logs = LogHandover{error.value(), access.value()};
  return true;
}

bool Master::bind_listeners() {
  bool good = true;
  for (const ListenConfig& listener : config_->listeners) {
    good = bind_address(listener.address, listeners_.emplace_back()) && good;
  }
  if (!good) return false;
  for (const ListenConfig& listener : config_->listeners) {
    log_.error(LogLevel::info, "listening on " + listener.address.text());
  }
  return true;
}

// One listener a worker, kept here, so that no queued connection is lost when a worker goes. Unix
// sockets have no SO_REUSEPORT: one for all.
bool Master::bind_address(const Address& address, std::vector<int>& fds) {
  Status free = probe_address(address);
  const size_t count = address.is_unix() ? 1 : workers_.size();
  for (size_t i = 0; i < count && free.ok(); ++i) {
    const Result<int> fd = open_listener(address, !address.is_unix());
    if (fd.ok()) {
      fds.push_back(fd.value());
    } else {
      free = fd.fault();
    }
  }
  if (free.ok()) return true;
  complain("listen " + address.text() + ": " + free.fault().text());
  return false;
}

void Master::start_due_workers() {
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    if (workers_[number].pid == 0 && clock_ms() >= workers_[number].start_at_ms) {
      start_worker(number);
    }
  }
}

void Master::start_worker(uint32_t number) {
  WorkerProcess& worker = workers_[number];
  worker.start_s = std::max(sys::wall_clock_ms() / 1000, worker.start_s + 1);
  int ends[2];
  pid_t pid = sys::pair(ends);
  if (pid == 0) {
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
  worker.started_ms = clock_ms();
  if (pid < 0) {
    log_.error(LogLevel::error, "worker " + std::to_string(number) + " cannot start: " +
                                    Fault{"fork", static_cast<int>(-pid)}.text());
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
  for (const std::vector<int>& fds : listeners_) {
    setup.listeners.push_back(fds.size() == 1 ? fds[0] : fds[number]);
    for (const int fd : fds) {
      if (fd != setup.listeners.back()) sys::close(fd);
    }
  }
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
  if (leaving_ != Leaving::no) return;
  const uint64_t now = clock_ms();
  const bool quick = now - worker.started_ms < quick_death_ms;
  worker.quick_deaths = quick ? worker.quick_deaths + 1 : 0;
  const uint64_t pause = pause_before_start(worker.quick_deaths);
  worker.start_at_ms = now + pause;
  log_.error(LogLevel::error, "worker " + std::to_string(number) + " " +
                                  sys::describe_exit(status) + ", starting it again in " +
                                  std::to_string(pause) + " ms");
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
    case SIGINT:
      if (leaving_ == Leaving::fast) return;
      leaving_ = Leaving::fast;
      close_listeners();
      kill_at_ms_ = clock_ms() + fast_end_ms;
      return signal_workers(SIGTERM);
    case SIGQUIT:
      if (leaving_ != Leaving::no) return;
      leaving_ = Leaving::when_empty;
      // Ours first: each worker's close, behind its last accept, is then the listener's end, and
      // nobody queues where nobody accepts any more.
      close_listeners();
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

void Master::reopen_logs() {
  LogHandover fresh;
  if (!open_logs(fresh)) {
    log_.error(LogLevel::error, "logs could not be reopened, the old ones stay in use");
    return;
  }
  log_.flush();
  for (const int fd : {logs_.error.fd, logs_.access.fd}) {
    if (fd >= 0) sys::close(fd);
  }
  logs_ = fresh;
  log_.error_sink.use(logs_.error);
  send_to_workers(logs_, "logs");
  log_.error(LogLevel::info, "logs reopened");
}

void Master::send_to_workers(const ControlMessage& message, const char* what) {
  for (const WorkerProcess& worker : workers_) {
    if (worker.pid <= 0) continue;
    if (const Status sent = send_control(worker.control, message); !sent.ok()) {
      log_.error(LogLevel::error, std::string(what) + " could not be handed to worker " +
                                      std::to_string(worker.pid) + ": " + sent.fault().text());
    }
  }
}

// Workers inherit the keys when they start and are sent each later set: a ticket of one is good at
// all others, and at one that took its place.
void Master::start_tickets() {
  if (!tickets_in_use()) return;
  ticket_keys_ = make_ticket_keys();
  use_ticket_keys(ticket_keys_);
  rotate_at_ms_ = clock_ms() + config_->tls_ticket_lifetime_ms;
}

void Master::rotate_tickets() {
  rotate_ticket_keys(ticket_keys_);
  use_ticket_keys(ticket_keys_);
  rotate_at_ms_ = clock_ms() + config_->tls_ticket_lifetime_ms;
  send_to_workers(ticket_keys_, "ticket keys");
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
  ConfOptions options;
  options.open_files = true;
  const ConfOutcome outcome = load_conf(conf_path_, options);
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

int Master::next_wait_ms() const {
  const uint64_t now = clock_ms();
  uint64_t until = now + 60'000;
  if (tickets_in_use()) until = std::min(until, rotate_at_ms_);
  if (leaving_ == Leaving::fast) until = std::min(until, kill_at_ms_);
  for (const WorkerProcess& worker : workers_) {
    if (worker.pid == 0 && leaving_ == Leaving::no) until = std::min(until, worker.start_at_ms);
  }
  // After the kill the children's ends wake us; this only bounds a lost wake-up.
  return until > now ? static_cast<int>(until - now) : 10;
}

}  // namespace sluice
