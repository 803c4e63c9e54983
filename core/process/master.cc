// Master: its events are signals, the workers' channels, and the times at which something is due.
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

constexpr uint64_t control_retry_ms = 250;
constexpr uint64_t fast_end_ms = 950;  // workers that are not gone by then are killed

constexpr unsigned control_leg = 1;  // of the place that the index numbers; 0: signals

constexpr unsigned start_timer = 0;  // of such a place, too
constexpr unsigned rotate_timer = 1;
constexpr unsigned kill_timer = 2;
constexpr unsigned retry_timer = 3;

// Of a place, or of the master itself, as number 0.
Handle handle_of(uint32_t number) {
  return Handle{number, 1};
}

void complain(const std::string& text) {
  std::fprintf(stderr, "sluice: %s\n", text.c_str());
}

}  // namespace

Master::Master(ConfigRef config, std::string conf_path)
    : config_(std::move(config)), conf_path_(std::move(conf_path)), id_(reactor_.attach(*this)) {}

int Master::run() {
  if (!prepare()) return 1;
  for (uint32_t number = 0; number < places_.size(); ++number) start_worker(number);
  log_.flush();
  while (leaving_ == Leaving::no || any_worker()) reactor_.turn(-1);
  remove_pid_file();
  return exit_status_;
}

void Master::on_ready(Handle handle, unsigned leg, Readiness) {
  if (leg == control_leg) return on_control(handle.index);
  while (const int signal = sys::next_signal(signals_)) on_signal(signal);
  reap_workers();
  end_if_hopeless();
}

void Master::on_timer(Handle handle, unsigned which) {
  switch (which) {
    case start_timer:
      if (leaving_ == Leaving::no) start_worker(handle.index);
      return;
    case rotate_timer:
      return rotate_tickets();
    case kill_timer:
      return kill_workers();
    default:
      return retry_sending();
  }
}

// Reads the clock anew: this turn may have worked for long before (check_conf), and a deadline by
// its old clock would come early.
void Master::arm(uint64_t delay_ms, Handle handle, unsigned which) {
  reactor_.update_clock();
  reactor_.arm(reactor_.now_ms() + delay_ms, id_, handle, which);
}

// Steps that can fail for good come before the master listens, and tell why on stderr.
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
  // OpenSSL reads its files at its first use, which must not be in a worker without privileges.
  accept_for_key("");
  if (tls_in_use()) prepare_tls();
  places_.resize(config_->workers != 0 ? config_->workers : sys::processor_count());
  if (const Status opened = rows_.open(static_cast<uint32_t>(places_.size())); !opened.ok()) {
    complain(opened.fault().text());
    return false;
  }
  if (!watch_signals() || !bind_listeners() || !write_pid_file()) return false;
  start_tickets();
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

bool Master::watch_signals() {
  signals_ = sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
  Status watched = reactor_.open();
  if (watched.ok()) watched = reactor_.watch_listener(signals_, id_, handle_of(0), false);
  if (!watched.ok()) complain(watched.fault().text());
  return watched.ok();
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

// The file stays where another instance has written its own pid to it.
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
      listeners_.open(*config_, static_cast<uint32_t>(places_.size()));
  for (const std::string& each : complaints) complain(each);
  if (!complaints.empty()) return false;
  for (const ListenConfig& listener : config_->listeners) {
    log_.error(LogLevel::info, "listening on " + listener.address.text());
  }
  return true;
}

void Master::start_worker(uint32_t number) {
  Place& place = places_[number];
  place.start_s = std::max(sys::wall_clock_ms() / 1000, place.start_s + 1);
  const std::vector<std::string> complaints = listeners_.mend(number);
  for (const std::string& each : complaints) log_.error(LogLevel::error, each);
  if (!complaints.empty()) return start_later(number, place.pause.after_failed_start_ms());
  const Result<pid_t> forked = fork_worker(number);
  if (!forked.ok()) {
    log_.error(LogLevel::error,
               "worker " + std::to_string(number) + " cannot start: " + forked.fault().text());
    return start_later(number, place.pause.after_failed_start_ms());
  }
  place.pid = forked.value();
  place.started_ms = sys::monotonic_ms();
  log_.error(LogLevel::info,
             "worker " + std::to_string(number) + " started, pid " + std::to_string(place.pid));
}

void Master::start_later(uint32_t number, uint64_t delay_ms) {
  arm(delay_ms, handle_of(number), start_timer);
}

// Returns in the master only; the child becomes the worker.
Result<pid_t> Master::fork_worker(uint32_t number) {
  Place& place = places_[number];
  int ends[2];
  if (const int paired = sys::pair(ends); paired < 0) return Fault{"socketpair", -paired};
  place.channel = std::make_unique<ControlChannel>(ends[0]);
  if (const Status watched = reactor_.watch(ends[0], id_, handle_of(number), control_leg);
      !watched.ok()) {
    place.channel.reset();
    sys::close(ends[1]);
    return watched.fault();
  }
  log_.flush();  // else the child would write the buffered lines a second time
  sys::block_signals();
  const pid_t pid = sys::fork();
  if (pid == 0) become_worker(number, ends[1]);
  sys::unblock_signals();
  sys::close(ends[1]);
  if (pid > 0) return pid;
  close_channel(place);
  return Fault{"fork", static_cast<int>(-pid)};
}

// Closes this process's copies of the master's descriptors and unwatches none of them: the master
// goes on watching its own.
void Master::become_worker(uint32_t number, int control) {
  reactor_.leave_to_parent();
  for (Place& place : places_) place.channel.reset();
  WorkerSetup setup;
  setup.number = number;
  setup.start_s = places_[number].start_s;
  setup.config = config_;
  setup.control = control;
  setup.logs = logs_;
  setup.worker_connections = config_->worker_connections;
  setup.buffer_memory_bytes = buffer_memory();
  setup.user = &user_;
  setup.row = &rows_.row(number);
  setup.listeners = listeners_.take(number);
  int status = 0;
  {
    const auto worker = Worker::start(setup);
    status = worker.ok() ? worker.value()->run() : start_failure_status(worker.fault());
  }
  sys::exit_now(status);
}

// A worker's buffer_memory: what the conf says, else its share of an eighth of the machine's
// memory.
size_t Master::buffer_memory() const {
  if (config_->buffer_memory_bytes != 0) return config_->buffer_memory_bytes;
  const size_t share = sys::memory_bytes() / 8 / places_.size();
  const size_t least = size_t{least_rings_in_buffer_memory} * config_->ring_bytes;
  return std::max(std::min(share, BufferPool::default_most_bytes), least);
}

void Master::reap_workers() {
  int status = 0;
  while (const pid_t pid = sys::reap(status)) {
    for (uint32_t number = 0; number < places_.size(); ++number) {
      if (places_[number].pid == pid) on_worker_death(number, status);
    }
  }
}

void Master::on_worker_death(uint32_t number, int status) {
  Place& place = places_[number];
  close_channel(place);
  place.pid = 0;
  const std::string name = "worker " + std::to_string(number);
  if (leaving_ != Leaving::no) {
    if (sys::exit_status(status) == 0 || killed_) return;
    return log_.error(LogLevel::error, name + " " + sys::describe_exit(status) + " while ending");
  }
  if (sys::exit_status(status) == worker_hopeless) {
    place.hopeless = true;
    return log_.error(LogLevel::error, name + " can never start, so it is not tried again");
  }
  const uint64_t pause_ms = place.pause.after_death_ms(sys::monotonic_ms() - place.started_ms);
  log_.error(LogLevel::error, name + " " + sys::describe_exit(status) + ", starting it again in " +
                                  std::to_string(pause_ms) + " ms");
  start_later(number, pause_ms);
}

void Master::end_if_hopeless() {
  const bool hopeless = std::all_of(places_.begin(), places_.end(),
                                    [](const Place& place) { return place.hopeless; });
  if (!hopeless || leaving_ != Leaving::no) return;
  log_.error(LogLevel::error, "no worker can start: ending");
  leaving_ = Leaving::fast;
  exit_status_ = 1;
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
      arm(fast_end_ms, handle_of(0), kill_timer);
      return signal_workers(SIGTERM);
    case SIGQUIT:
      if (leaving_ != Leaving::no) return;
      leaving_ = Leaving::when_empty;
      log_.error(LogLevel::notice, "SIGQUIT: listening no more, ending with the last session");
      // The master closes its copies first. A worker closes its own after its last accept, which
      // then ends the listener, so that no client queues where nobody accepts any more.
      listeners_.close();
      return signal_workers(SIGQUIT);
    case SIGHUP:
      return check_conf();
    case SIGUSR1:
      return reopen_logs();
    case SIGUSR2:
      return log_.error(LogLevel::warn, "SIGUSR2: changing the binary is not there yet");
    default:
      return;  // SIGCHLD: reap_workers() follows
  }
}

void Master::signal_workers(int signal) {
  for (const Place& place : places_) {
    if (place.pid > 0) sys::kill(place.pid, signal);
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
  log_.error(LogLevel::info, "logs reopened");
  send_to_workers("logs", [this](ControlChannel& channel) { return send_logs(channel, logs_); });
}

// A worker that starts later inherits the latest logs and keys by fork().
template <class Send>
void Master::send_to_workers(const char* what, Send send) {
  for (uint32_t number = 0; number < places_.size(); ++number) {
    ControlChannel* const channel = places_[number].channel.get();
    if (channel == nullptr) continue;
    if (const Status sent = send(*channel); !sent.ok()) {
      log_.error(LogLevel::error, std::string(what) + " could not be handed to worker " +
                                      std::to_string(number) + ": " + sent.fault().text());
    }
    retry_later(*channel);
  }
}

// An event may come after its channel: its worker was reaped earlier in the same turn.
void Master::on_control(uint32_t number) {
  Place& place = places_[number];
  if (place.channel == nullptr) return;
  const bool spoke = place.channel->next().has_value();  // workers have nothing to say but receipts
  place.channel->flush();
  if (!spoke && !place.channel->malformed()) return retry_later(*place.channel);
  // It takes the channel's end for ours and accepts nobody any more: a successor does.
  log_.error(LogLevel::error, "worker " + std::to_string(number) +
                                  " sent what is no control message: killed, to be started again");
  close_channel(place);
  if (place.pid > 0) sys::kill(place.pid, SIGKILL);
}

void Master::close_channel(Place& place) {
  if (place.channel == nullptr) return;
  reactor_.unwatch(place.channel->fd());
  place.channel.reset();
}

void Master::retry_later(const ControlChannel& channel) {
  if (retry_armed_ || channel.waiting() != ControlChannel::Waiting::time) return;
  retry_armed_ = true;
  arm(control_retry_ms, handle_of(0), retry_timer);
}

void Master::retry_sending() {
  retry_armed_ = false;
  for (Place& place : places_) {
    if (place.channel == nullptr) continue;
    place.channel->retry();
    retry_later(*place.channel);
  }
}

// Workers inherit the keys when they start, and get each later set as a message. So a ticket of one
// worker is good at all others, and at its successor.
void Master::start_tickets() {
  if (!tickets_in_use()) return;
  ticket_keys_ = make_ticket_keys();
  use_ticket_keys(ticket_keys_);
  arm(config_->tls_ticket_lifetime_ms, handle_of(0), rotate_timer);
}

void Master::rotate_tickets() {
  rotate_ticket_keys(ticket_keys_);
  use_ticket_keys(ticket_keys_);
  arm(config_->tls_ticket_lifetime_ms, handle_of(0), rotate_timer);
  log_.error(LogLevel::debug, "ticket keys rotated");
  send_to_workers("ticket keys", [this](ControlChannel& channel) {
    return send_ticket_keys(channel, ticket_keys_);
  });
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
  return std::any_of(places_.begin(), places_.end(),
                     [](const Place& place) { return place.pid > 0; });
}

}  // namespace sluice
