// Worker: wiring of reactor, acceptor and sessions, and how it leaves.
#include "core/process/worker.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "core/observe/access_log.h"
#include "core/process/descriptors.h"
#include "core/session/client_seats.h"
#include "net/sys.h"
#include "net/sys_trace.h"
#include "protocol/error_answer.h"
#include "protocol/frame_codec.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

// How long a fast end waits for Close frames and queued bytes to go out (core/DESIGN.md 7: exit
// within a second).
constexpr uint64_t leave_ms = 700;
constexpr uint64_t stall_look_ms = 250;
// A peer that took something within this time is not ended to free buffer_memory.
constexpr uint32_t least_stall_to_end_ms = 1'000;
// The list of stalled sessions has this much room from the start, so that relaying does not
// allocate.
constexpr size_t expected_stalls = 1024;

// Whether the next start may succeed after this errno value: the machine may get back what it lacks
// as a whole. A process's own limits and rights stay as they are.
bool may_pass(int error) {
  return error == ENOMEM || error == ENFILE || error == ENOBUFS || error == EAGAIN ||
         error == ENOSPC;
}

std::string id_prefix(const WorkerSetup& setup) {
  static constexpr char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string start;
  for (uint64_t rest = setup.start_s; rest > 0 || start.empty(); rest /= 36) {
    start.insert(start.begin(), digits[rest % 36]);
  }
  return std::to_string(setup.number) + "-" + start + "-";
}

}  // namespace

class Worker::Signals final : public EventHandler {
 public:
  explicit Signals(Worker& worker)
      : worker_(worker),
        id_(worker.reactor_.attach(*this)),
        pipe_(sys::signal_pipe({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2})) {}

  Status watch() { return worker_.reactor_.watch_listener(pipe_, id_, Handle{0, 1}, false); }

  void on_ready(Handle, unsigned, Readiness) override {
    while (const int signal = sys::next_signal(pipe_)) {
      attempt([&] { worker_.on_signal(signal); });
    }
  }
  void on_timer(Handle, unsigned) override {}
  void on_run(Handle) override {}

 private:
  Worker& worker_;
  Reactor::HandlerId id_;
  int pipe_;  // owned by sys: a process has one
};

Worker::Worker(const WorkerSetup& setup)
    : upstreams_(setup.peers, setup.number, setup.sticky_key),
      buffers_(setup.config->ring_bytes, setup.buffer_memory_bytes),
      transits_(buffers_),
      row_(setup.row != nullptr ? *setup.row : own_row_),
      context_{.reactor = reactor_,
               .handler = reactor_.attach(*this),
               .sessions = sessions_,
               .transits = transits_,
               .log = log_,
               .row = row_,
               .labels = setup.row != nullptr ? setup.labels : own_labels_.rows(),
               .upstreams = upstreams_,
               .config = setup.config,
               .id_prefix = id_prefix(setup),
               .challenges = setup.challenges,
               .clients = setup.clients.rates.empty() ? ClientLimits()
                                                      : ClientLimits(setup.clients, setup.number),
               .passwords = setup.passwords},
      http2_peers_(context_),
      http2_(context_, *this),
      drains_(context_),
      sockets_(reactor_, *this, setup.rates ? setup.rates : ListenerRates(own_rates_)),
      generation_(setup.generation),
      number_(setup.number),
      reload_(reactor_, *this, setup.tls_store != nullptr ? *setup.tls_store : own_store_),
      signals_(std::make_unique<Signals>(*this)) {
  context_.http2 = &http2_;
  context_.http2_peers = &http2_peers_;
  if (setup.control >= 0) master_ = std::make_unique<MasterLink>(reactor_, *this, setup.control);
  add_upstreams(*setup.config, setup.members);
  note_routes(*setup.config);
  members_ = setup.members;
  drains_.use(setup.drains);
  for (const TraceOrder& each : setup.traces) context_.tracer.begin(each);
  drains_.watch_health(watches_health(*setup.config));
  context_.stalled.reserve(expected_stalls);
  buffers_.pipes().set_limit(setup.config->splice ? PipePool::most_pipes : 0);
  prepare_frame_codec();
  log_.set_level(setup.config->error_log.level);
  reactor_.tell_turns(row_.heartbeat);
  log_.name_process("worker " + std::to_string(setup.number));
  log_.use_for_errors(setup.logs.error);
  log_.use_for_access(setup.logs.access);
}

Result<std::unique_ptr<Worker>> Worker::start(WorkerSetup setup) {
  std::unique_ptr<Worker> worker(new Worker(setup));
  const Status opened = worker->open(setup);
  if (opened.ok()) return worker;
  worker->log_.error(LogLevel::error, "worker " + std::to_string(setup.number) +
                                          " cannot start: " + opened.fault().text());
  worker->log_.flush();
  return opened.fault();
}

int start_failure_status(const Fault& fault) {
  return may_pass(fault.error) ? 1 : worker_hopeless;
}

Status Worker::open(const WorkerSetup& setup) {
  if (const Status opened = reactor_.open(); !opened.ok()) return opened;
  if (const Status watched = signals_->watch(); !watched.ok()) return watched;
  if (master_ != nullptr) {
    if (const Status watched = master_->watch(); !watched.ok()) return watched;
  }
  std::vector<WorkerSocket> sockets = setup.sockets;
  note_listeners(*setup.config, listener_places_);
  if (const Status added = sockets_.add(sockets, *setup.config); !added.ok()) return added;
  if (master_ != nullptr) own_use_ = std::make_unique<OwnUse>(row_.process);
  // Once all that the worker holds for itself is open, and while it may still look into /proc.
  descriptor_limit_ = sys::raise_descriptor_limit();
  own_descriptors_ = sys::held_descriptors() - sockets_.size();
  if (const Status bounded = bound_sessions(*setup.config); !bounded.ok()) return bounded;
  if (setup.user != nullptr) {
    const Status confined = confine(*setup.user, setup.config->sandbox);
    if (!confined.ok()) return confined;
  }
  row_.starts.add(1);
  row_.pid.set(static_cast<uint64_t>(sys::process_id()));
  row_.confs.set(1);
  want_gauges();
  return Done{};
}

Status Worker::bound_sessions(const Config& config) {
  const uint64_t limit = descriptor_limit_;
  const uint64_t held = own_descriptors_ + sockets_.size();
  const uint32_t most = most_sessions(limit, held);
  if (most == 0) return Fault{"the descriptor limit (ulimit -n) leaves none for sessions", 0};
  const uint32_t wanted = config.worker_connections;
  admission_ = Admission(wanted != 0 ? std::min(wanted, most) : most);
  if (wanted > most && number_ == 0) {  // its siblings would say the same
    log_.error(LogLevel::warn, "worker_connections " + std::to_string(wanted) + " is more than " +
                                   std::to_string(limit) + " descriptors permit, " +
                                   std::to_string(held) +
                                   " of them the worker's own: " + std::to_string(most));
  }
  return Done{};
}

Worker::~Worker() = default;

int Worker::run() {
  reactor_.run();
  sessions_.for_each([](Handle, Session& session) { session.end_now(shutting_down); });
  sessions_.sweep();
  http2_.flush();
  http2_.close_all();
  http2_peers_.flush();
  http2_peers_.close_all();
  log_.flush_all();
  return exit_status_;
}

void Worker::begin_session(int fd, const Address& client, uint32_t listener, const Refusal* refused,
                           bool counted) {
  Handle handle;
  try {
    handle = sessions_.create(context_, client, listener_places_[listener]);
  } catch (const std::bad_alloc&) {
    count_turned_away(listener, TurnedAway::memory);
    log_.recurring(LogLevel::error, out_of_memory, "a client was turned away: out of memory");
    sys::close(fd);
    if (counted) {
      leave_counts(context_.clients, counted_at_listener, ClientAddress(client),
                   this->listener(listener), nullptr);
    }
    return;
  }
  with_session(handle, [&](Session& session) {
    if (counted) session.own_listener_count();
    session.start(fd, refused);
  });
}

// The client has its answer already; it loses only the time to read it.
void Worker::end_oldest_lingering() {
  std::deque<Handle>& queue = context_.lingering;
  while (!queue.empty()) {
    Session* const oldest = sessions_.get(queue.front());
    queue.pop_front();
    if (oldest != nullptr) return oldest->close({});
  }
}

// The master opens the listener anew before it starts this worker's successor.
void Worker::on_listener_lost(uint32_t listener) {
  if (leaving_) return;
  exit_status_ = 1;
  attempt([&] {
    log_.error(LogLevel::error, "listen " + this->listener(listener).address.text() +
                                    ": somebody shut the socket down; ending");
  });
  leave_fast();
}

void Worker::turn_away(int fd, const Address& client, const ListenConfig& listener,
                       const Refusal& refusal) {
  attempt([&] {
    SessionRecord record;
    record.id = context_.id_text(context_.next_session++);
    record.client = client.text();
    record.reason = refusal.reason;
    log_.recurring(LogLevel::info, "turned away", turned_away_line(record));
    if (listener.tls != nullptr) return;
    const ErrorAnswer told =
        build_error_answer(refusal.status, refusal.reason, record.id, refusal.retry_after_s);
    const std::string answer = write_http1(told.head) + told.body;
    // Closing with the request unread sends a RST, which may destroy the answer at the client.
    static std::array<char, 4096> dropped;
    for (int i = 0; i < 4 && sys::recv(fd, dropped.data(), dropped.size()) > 0; ++i) continue;
    sys::send(fd, answer.data(), answer.size());
    sys::shutdown_write(fd);
  });
  sys::close(fd);
}

void Worker::on_ready(Handle handle, unsigned leg, Readiness ready) {
  with_session(handle, [&](Session& session) {
    if (leg == rival_leg) return session.on_rival_ready(ready);
    session.on_ready(static_cast<Side>(leg), ready);
  });
}

void Worker::on_timer(Handle handle, unsigned which) {
  if (which == own_timer) return on_own_timer(static_cast<OwnTimer>(handle.index));
  with_session(handle, [](Session& session) { session.on_timer(); });
}

void Worker::on_own_timer(OwnTimer timer) {
  switch (timer) {
    case OwnTimer::stalls:
      return look_at_stalls();
    case OwnTimer::leave:
      return reactor_.stop();
    case OwnTimer::confs:
      conf_timer_armed_ = false;
      return drop_old_confs();
  }
}

void Worker::on_run(Handle handle) {
  with_session(handle, [](Session& session) { session.on_run(); });
}

void Worker::on_turn_end() {
  http2_.flush();
  sessions_.sweep();
  attempt([this] {
    if (sockets_.pauses() != pauses_told_) note_pause();
    if ((!context_.stalled.empty() || buffers_.may_trim()) && !stall_timer_armed_) {
      arm(stall_look_ms, OwnTimer::stalls);
      stall_timer_armed_ = true;
    }
  });
  attempt([this] { tell_refused_calls(log_); });
  if (context_.tracer.on()) attempt([this] { tell_traces(); });
  log_.flush();
  if ((leaving_ || retired_) && is_empty()) reactor_.stop();
}

void Worker::arm(uint64_t delay_ms, OwnTimer timer) {
  reactor_.arm(reactor_.now_ms() + delay_ms, context_.handler,
               Handle{static_cast<uint32_t>(timer), 0}, own_timer);
}

void Worker::on_logs(LogHandover logs) {
  log_.flush();
  for (const int fd : {log_.error_sink.descriptor().fd, log_.access_sink.descriptor().fd}) {
    if (fd >= 0) sys::close(fd);
  }
  log_.use_for_errors(std::move(logs.error));
  log_.use_for_access(std::move(logs.access));
}

void Worker::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
    case SIGINT:
      return leave_fast();
    case SIGQUIT:
      return leave_drained();
    case SIGUSR2:
      return report_buffers();
    default:
      return;  // the master acts on HUP and USR1
  }
}

void Worker::leave_fast() {
  leaving_ = true;
  context_.leaving = true;
  row_.pid.set(0);
  sockets_.stop();
  arm(leave_ms, OwnTimer::leave);
  http2_.shut_down(/*at_once=*/true);
  sessions_.for_each([this](Handle handle, Session&) {
    with_session(handle, [](Session& session) {
      session.leave(CloseCode::going_away, shutting_down, Boundary::frame);
    });
  });
}

void Worker::leave_when_empty() {
  if (leaving_) return;
  leaving_ = true;
  context_.leaving = true;
  row_.pid.set(0);
  // The master has closed its copies; with these closed the kernel refuses clients, where it would
  // queue them otherwise.
  sockets_.drain_and_close();
  end_idle_connections(SIZE_MAX);
  http2_.shut_down(/*at_once=*/false);
  http2_peers_.retire_all();
  context_.upstream_pool.close_all();
}

// Also where it leaves already, because its master is gone.
void Worker::leave_drained() {
  leave_when_empty();
  const Config& config = *context_.config;
  if (config.drain_timeout_ms == 0) return;
  drains_.drain_all(config.drain_timeout_ms, static_cast<CloseCode>(config.drain_code));
}

// The sessions live on, but the worker gives up its listeners, so that the next instance can bind
// (tests/FAULTS.md). Signals still reach it.
void Worker::on_master_gone() {
  if (leaving_) return;
  log_.error(LogLevel::error, "the master is gone: listening no more, serving " +
                                  std::to_string(sessions_.live()) + " sessions to their end");
  leave_when_empty();
}

// The master lives and keeps the listeners: a successor serves them.
void Worker::on_nonsense() {
  if (leaving_) return;
  exit_status_ = 1;
  log_.error(LogLevel::error, "the master sent what is no control message: ending");
  leave_fast();
}

void Worker::look_at_stalls() {
  stall_timer_armed_ = false;
  auto& stalled = context_.stalled;
  size_t kept = 0;
  for (size_t i = 0; i < stalled.size(); ++i) {
    const Handle handle = stalled[i];
    bool keep = false;
    with_session(handle, [&](Session& session) { keep = session.check_stalls(); });
    if (keep) stalled[kept++] = handle;
  }
  stalled.resize(kept);
  attempt([this] { relieve_memory(); });
  buffers_.trim();
}

// Ends the sessions whose reader has taken nothing for longest, until a quarter of buffer_memory is
// free for the others. A session whose reader took something lately is spared.
void Worker::relieve_memory() {
  buffers_.set_elsewhere(tls_held_bytes() + Http2Input::held_elsewhere());
  if (!buffers_.crowded()) return;
  struct Stalled {
    uint32_t for_ms;
    Handle handle;
  };
  std::vector<Stalled> longest;
  for (const Handle handle : context_.stalled) {
    const Session* session = sessions_.get(handle);
    const uint32_t for_ms = session == nullptr ? 0 : session->stalled_for_ms();
    if (for_ms >= least_stall_to_end_ms) longest.push_back({for_ms, handle});
  }
  std::sort(longest.begin(), longest.end(),
            [](const Stalled& a, const Stalled& b) { return a.for_ms > b.for_ms; });
  size_t ended = 0;
  for (; ended < longest.size() && buffers_.crowded(); ++ended) {
    with_session(longest[ended].handle, [](Session& session) {
      session.end_slow({EndKind::buffer_memory, "buffer_memory"});
    });
    buffers_.set_elsewhere(tls_held_bytes() + Http2Input::held_elsewhere());
  }
  if (ended == 0) return;
  log_.recurring(LogLevel::warn, "buffer_memory",
                 "buffer_memory " + std::to_string(buffers_.most_bytes()) + " bytes: ended " +
                     std::to_string(ended) + " sessions whose reader took nothing for longest");
}

void Worker::note_pause() {
  context_.upstream_pool.close_all();  // their descriptors are wanted
  http2_peers_.end_idle();
  pauses_told_ = sockets_.pauses();
  log_.recurring(LogLevel::warn, "accepting pauses",
                 "accepting pauses: " + Fault{"accept", sockets_.pause_error()}.text());
}

void Worker::note_overload() {
  log_.recurring(LogLevel::warn, "worker_connections",
                 "worker_connections " + std::to_string(admission_.most()) +
                     " reached: further clients are told 503");
}

void Worker::on_page_request(const PageRequest& request) {
  master_->answer_page(page(request));
}

void Worker::on_trace_command(const TraceCommand& command) {
  switch (command.verb) {
    case TraceCommand::Verb::begin:
      return context_.tracer.begin(command.order);
    case TraceCommand::Verb::more:
      return context_.tracer.more(command.order.number);
    case TraceCommand::Verb::end:
      return context_.tracer.end(command.order.number);
  }
}

void Worker::tell_traces() {
  while (std::optional<TracePiece> piece = context_.tracer.next_piece(most_piece_bytes)) {
    if (master_ != nullptr && master_->tell_trace(*piece)) continue;
    return context_.tracer.put_back(std::move(*piece));
  }
}

// Master and workers are one binary: this is a fault of ours, and silence would hide it.
void Worker::on_unknown(uint16_t kind) {
  log_.error(LogLevel::error,
             "the master's message of kind " + std::to_string(kind) + " was not understood");
}

// SIGUSR2 to a worker writes what it lends and holds, until there is a status page. The timers
// of its gauges and of its pool, which no session has, are left out.
void Worker::report_buffers() {
  const size_t timers = reactor_.armed_timers() - (gauges_.armed() ? 1 : 0) -
                        (context_.upstream_pool.timer_armed() ? 1 : 0);
  log_.error(LogLevel::notice, "sessions " + std::to_string(sessions_.live()) + ", relaying " +
                                   std::to_string(context_.relaying) + ", rings lent " +
                                   std::to_string(buffers_.lent()) + ", blocks lent " +
                                   std::to_string(buffers_.lent_blocks()) + ", bytes lent " +
                                   std::to_string(buffers_.lent_bytes()) + ", pipes lent " +
                                   std::to_string(buffers_.pipes().lent()) + ", transits lent " +
                                   std::to_string(transits_.lent()) + ", timers " +
                                   std::to_string(timers) + ", bytes a session " +
                                   std::to_string(sizeof(Session)) + ", confs " +
                                   std::to_string(old_confs_.size() + 1) + ", longest turn us " +
                                   std::to_string(reactor_.take_longest_turn_ns() / 1'000) + ", " +
                                   text_of(row_, context_.labels));
}

}  // namespace sluice
