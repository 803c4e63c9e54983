// Run: the stage on which worker and peers meet, and what must be true of all of them together.
#include "tests/sim/run.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "core/process/worker.h"
#include "tests/sim/tls_plan.h"

namespace sluice::sim {

namespace {

// Beyond this a run does not end by itself.
constexpr uint64_t longest_ns = 3'000 * second;
// Accepting goes on within a second of descriptors being there again (tests/FAULTS.md).
constexpr uint64_t accept_within_ns = second;
constexpr int most_reports = 6;

// More than TLS makes of what a peer writes, its handshake included.
uint64_t sealed_bytes(const PeerPlan& plan) {
  const uint64_t bytes = plan.total_bytes();
  if (!plan.tls) return bytes;
  const uint64_t flood = plan.trouble().kind == TlsTrouble::Kind::key_flood ? 150'000 : 0;
  return 5'000 + flood + 60 * plan.pieces.size() +
         bytes * (plan.tls->most_record_bytes == 1    ? 30
                  : plan.tls->most_record_bytes == 64 ? 4
                                                      : 2);
}

}  // namespace

Run::Run(uint64_t seed, RunKind kind, bool print_trace)
    : world_(seed, kind, print_trace),
      plans_(seed ^ 0x5eed),
      kind_(kind),
      tls_(kind == RunKind::tls),
      tls_plans_(seed ^ 0x715),
      openssl_random_(seed ^ 0x0551),
      scenery_(prepared_scenery()),
      config_(*scenery_.config),
      kernel_(scenery_.kernel) {
  kernel_.dialled = this;
  kernel_.watcher = this;
  kernel_.on_signal_read = [this](int signal) { on_signal(signal); };
  listener_ = kernel_.make_listener(scenery_.config->listeners[0].address);
  error_log_ = kernel_.make_log([this](std::string_view bytes) { return on_error_log(bytes); });
  if (scenery_.access_log) {
    access_log_ = kernel_.make_log([this](std::string_view bytes) { return on_access_log(bytes); });
  }
  plan_sessions();
}

Run::~Run() = default;

Scenery Run::prepared_scenery() {
  if (tls_) feed_openssl(openssl_random_);
  return make_scenery(plans_, tls_ ? &tls_plans_ : nullptr, kind_ == RunKind::splice);
}

// Which session dials is not known before its request is read, so all of them share one network.
void Run::plan_sessions() {
  kernel_.upstream_link = make_link(plans_, scenery_);
  for (uint32_t number = 0; number < scenery_.sessions; ++number) {
    auto session = std::make_unique<Session>();
    session->plan = make_plan(plans_, config_, number, scenery_.room);
    session->client_link = make_link(plans_, scenery_);
    if (tls_) secure_plan(tls_plans_, scenery_, session->plan);
    session->plan.strict = permits_strict(*session);
    session->record = std::make_unique<Record>(session->plan, config_, scenery_.climate);
    sessions_.push_back(std::move(session));
  }
}

// Whether what is on its way gets through before close_timeout, by a wide margin.
bool Run::permits_strict(const Session& session) const {
  const RouteConfig& route = config_.routes[session.plan.route];
  uint64_t sum = 0;
  for (const Link* link : {&session.client_link, &kernel_.upstream_link}) {
    const size_t window = std::min({link->proxy_receive_bytes, link->proxy_send_bytes,
                                    link->peer_receive_bytes, link->segment_bytes});
    const uint64_t rounds =
        8 + (sealed_bytes(session.plan.client) + sealed_bytes(session.plan.upstream)) / window;
    sum += rounds * 2 * (link->latency_ns + link->jitter_ns);
  }
  return sum + 60 * ms < route.close_timeout_ms * ms / 3;
}

void Run::connect(Session& session) {
  if (!listening_) {
    session.missed = true;
    return;
  }
  const auto from =
      Address::from_ip("10.1.0.1", static_cast<uint16_t>(20'000 + session.plan.number));
  Connection& connection = kernel_.connect_client(listener_, session.client_link, from.value());
  session.client = std::make_unique<ClientPeer>(wire_to(session, connection), session.plan.client,
                                                true, plans_.next());
  session.record->attach_client(*session.client);
  session.record->dial_statuses = dial_statuses(scenery_, session.record->route());
  session.waits_since_ns = world_.now_ns();
  world_.note("session %lld: client #%lld connects", session.plan.number, connection.number());
  if (session.client_tls != nullptr && !session.plan.mute) session.client_tls->start();
  session.client->start();
}

Wire& Run::wire_to(Session& session, Connection& connection) {
  const PeerPlan& plan = session.plan.client;
  if (!plan.tls || session.plan.speaks_plain_http) {
    return *wires_.emplace_back(std::make_unique<Wire>(connection));
  }
  SslPtr ssl = TlsGround::get().new_client(plan.tls->certified, &resumable_);
  if (plan.tls->resumes && resumable_ != nullptr) SSL_set_session(ssl.get(), resumable_.get());
  const bool refusable = scenery_.certificates_needed && !plan.tls->certified;
  auto wire = std::make_unique<TlsWire>(connection, std::move(ssl), *plan.tls, refusable,
                                        tls_plans_.next());
  session.client_tls = wire.get();
  return *wires_.emplace_back(std::move(wire));
}

// Whose it is turns out with the request.
Wire& Run::wire_from(Connection& connection, const Dialling& dialling) {
  if (!dialling.tls.secure) return *wires_.emplace_back(std::make_unique<Wire>(connection));
  TlsHabits habits;
  habits.trouble = dialling.tls.trouble;
  if (connection.number() % 5 == 0) habits.hello_requests = 100;  // more than one turn takes
  return *wires_.emplace_back(
      std::make_unique<TlsWire>(connection, TlsGround::get().new_server(dialling.tls.shown), habits,
                                dialling.tls.refused, tls_plans_.next()));
}

int Run::on_connect(Connection& connection, const Address& address) {
  const Dialling& dialling = scenery_.diallings[address.port() - first_server_port];
  const auto doorman = [this, &connection, &dialling] {
    if (connection.state() == Connection::State::dead) return;
    doormen_.push_back(std::make_unique<Doorman>(
        wire_from(connection, dialling),
        [this, &dialling](Doorman& found) { greet(found, dialling.deaf); }));
    connection.establish();
  };
  switch (dialling.kind) {
    case Dialling::Kind::accept_at_once:
      doorman();
      return 0;
    case Dialling::Kind::refuse_at_once:
      return -ECONNREFUSED;
    case Dialling::Kind::accept:
    case Dialling::Kind::too_late:
      world_.after(dialling.delay_ns, doorman);
      return -EINPROGRESS;
    case Dialling::Kind::refuse:
      world_.after(dialling.delay_ns, [&connection] { connection.refuse(ECONNREFUSED); });
      return -EINPROGRESS;
    case Dialling::Kind::unreachable:
      world_.after(dialling.delay_ns, [&connection] { connection.refuse(EHOSTUNREACH); });
      return -EINPROGRESS;
    case Dialling::Kind::hang:
      return -EINPROGRESS;
  }
  return -EINVAL;
}

// A whole request has come: the session that it names goes on here, unless this server is deaf or
// another one has the session and gave no answer: then this one gives none either.
void Run::greet(Doorman& doorman, Dialling::Deaf deaf) {
  const std::string& received = doorman.received();
  const size_t end = received.find("\r\n\r\n") + 4;
  const size_t at = received.find("\r\nX-Session: ");
  if (at > end) world_.fail("a request without X-Session reached an upstream");
  const size_t number = std::stoul(received.substr(at + 13));
  if (number >= sessions_.size()) world_.fail("a request of nobody's reached an upstream");
  Session& session = *sessions_[number];
  if (session.upstream != nullptr) {
    if (!session.record->may_ask_again()) world_.fail("a request reached two upstreams");
    deaf = Dialling::Deaf::silent;
  }
  if (deaf == Dialling::Deaf::ends) doorman.wire().close_both();
  if (deaf == Dialling::Deaf::resets) doorman.wire().reset();
  if (deaf != Dialling::Deaf::no) return;
  if (session.plan.upstream.tls) {
    static_cast<TlsWire&>(doorman.wire()).adopt(*session.plan.upstream.tls);
  }
  session.upstream =
      std::make_unique<UpstreamPeer>(doorman.wire(), session.plan.upstream, false, plans_.next());
  world_.note("session %lld: upstream #%lld", session.plan.number, doorman.wire().number());
  session.upstream->start(received, end);
  session.record->attach_upstream(*session.upstream);
}

// --- what the worker says
// -----------------------------------------------------------------------------

void Run::on_signal(int signal) {
  if (signal == SIGUSR2) expected_ = expect_report();
  if (signal == SIGTERM || signal == SIGQUIT) listening_ = false;
  if (signal != SIGTERM) return;
  scenery_.climate.leaving_ns = world_.now_ns();
  for (const auto& session : sessions_) session->record->on_leaving();
}

ssize_t Run::on_error_log(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    take_report(bytes.substr(at, end - at));
    at = end + 1;
  }
  return static_cast<ssize_t>(bytes.size());
}

ssize_t Run::on_access_log(std::string_view bytes) {
  if (scenery_.broken_access_log) {
    if (world_.random.chance(50)) return -EAGAIN;
    return static_cast<ssize_t>(world_.random.between(1, bytes.size()));
  }
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = bytes.substr(at, end - at);
    opens_logged_ += line.find(" open id=") != std::string_view::npos;
    closes_logged_ += line.find(" close id=") != std::string_view::npos;
    at = end + 1;
  }
  return static_cast<ssize_t>(bytes.size());
}

void Run::take_report(std::string_view line) {
  const size_t at = line.find("sessions ");
  if (!report_asked_ || at == std::string_view::npos) return;
  unsigned long long v[8] = {};
  const int found = std::sscanf(std::string(line.substr(at)).c_str(),
                                "sessions %llu, relaying %llu, rings lent %llu, blocks lent %llu, "
                                "bytes lent %llu, pipes lent %llu, transits lent %llu, timers %llu",
                                &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
  if (found != 8) return;
  report_asked_ = false;
  check_report(Report{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]});
}

Run::Expected Run::expect_report() const {
  Expected expected;
  for (const auto& session : sessions_) {
    Record& record = *session->record;
    if (!record.live()) continue;
    ++expected.live;
    if (!record.relaying()) continue;
    for (const int side : {0, 1}) {
      const Lane& lane = record.lane_from(side);
      const bool waits = lane.undelivered() > 0 || record.closing();
      expected.rings += waits;
      const bool partial = lane.in().size() > lane.judge.accepted();
      expected.blocks += waits || partial;
      expected.transits += waits || partial || lane.judge.in_frame() || lane.judge.in_message();
    }
  }
  return expected;
}

// An idle session holds no ring and one timer; what nobody owns is lost.
void Run::check_report(const Report& report) {
  const uint64_t live = expected_.live;
  const std::string text =
      std::to_string(report.sessions) + " sessions, " + std::to_string(report.rings) + " rings, " +
      std::to_string(report.blocks) + " blocks, " + std::to_string(report.pipes) + " pipes, " +
      std::to_string(report.transits) + " transits, " + std::to_string(report.timers) + " timers";
  if (report.sessions != live) {
    world_.fail("the worker has " + text + ", live are " + std::to_string(live));
  }
  // Besides the sessions': stalls, leaving, a paused listener.
  if (report.timers < live || report.timers > live + 3) {
    world_.fail("the worker has " + text + " for " + std::to_string(live));
  }
  if (report.rings + report.pipes > expected_.rings || report.blocks > expected_.blocks ||
      report.transits > expected_.transits) {
    world_.fail("idle sessions hold memory: " + text + ", " + std::to_string(expected_.rings) +
                " rings and " + std::to_string(expected_.transits) + " transits may be held");
  }
  if (final_report_ && report.timers != 0) world_.fail("a timer is left: " + text);
}

// --- the run
// ------------------------------------------------------------------------------------------

void Run::on_turn_end() {
  for (const auto& session : sessions_) session->record->check_turn();
  check_accepting();
  if (scenery_.climate.leaving_ns != 0 &&
      world_.now_ns() > scenery_.climate.leaving_ns + second + 5 * ms) {
    world_.fail("SIGTERM was a second ago");
  }
}

void Run::check_accepting() {
  for (const auto& session : sessions_) {
    if (session->client == nullptr || session->record->accepted()) continue;
    if (!kernel_.descriptors_left() || !listening_) {
      session->waits_since_ns = world_.now_ns();
    } else if (world_.now_ns() > session->waits_since_ns + accept_within_ns) {
      world_.fail("session " + std::to_string(session->plan.number) + " is not accepted");
    }
  }
}

void Run::on_quiet() {
  for (const auto& session : sessions_) session->record->check_quiet();
  if (world_.now_ns() > world_.begin_ns() + longest_ns) world_.fail("the run does not end");
  if (!report_asked_ && reports_ < most_reports && world_.random.chance(4)) {
    ++reports_;
    report_asked_ = true;
    kernel_.raise_signal(SIGUSR2);
  }
  try_end();
}

void Run::on_wake() {
  for (const auto& session : sessions_) session->record->on_wake();
}

void Run::on_end_of_time() {
  try_end();
  if (kernel_.waiting_signals() == 0 && !world_.next_ns())
    world_.fail("nothing will ever happen again");
}

bool Run::all_over() const {
  return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
    return session->missed || (session->client != nullptr && session->record->over());
  });
}

// Once all sessions are over and the worker has had time to look at its lists: what is left?
void Run::try_end() {
  if (!listening_ || !all_over()) return;
  if (over_ns_ == 0) {
    over_ns_ = world_.now_ns();
    world_.after(2 * second, [] {});
    return;
  }
  if (world_.now_ns() < over_ns_ + second || report_asked_) return;
  if (!final_report_) {
    final_report_ = report_asked_ = true;
    kernel_.raise_signal(SIGUSR2);
    return;
  }
  if (quit_) return;
  quit_ = true;
  kernel_.raise_signal(SIGQUIT);
}

void Run::go(Totals& totals) {
  for (const auto& session : sessions_) {
    world_.after(session->plan.start_ns, [this, &session] { connect(*session); });
    if (plans_.chance(3)) {
      world_.after(session->plan.start_ns, [this] {
        if (listening_) kernel_.abort_client(listener_);
      });
    }
  }
  if (scenery_.leave_ns != 0) {
    world_.after(scenery_.leave_ns, [this] { kernel_.raise_signal(SIGTERM); });
  }
  if (scenery_.quit_ns != 0) {
    world_.after(scenery_.quit_ns, [this] { kernel_.raise_signal(SIGQUIT); });
  }
  work();
  check_left_behind();
  for (const auto& session : sessions_) {
    if (session->client != nullptr) session->record->judge();
  }
  add_to(totals);
}

void Run::work() {
  WorkerSetup setup;
  setup.config = scenery_.config;
  setup.listeners = {listener_};
  setup.logs.error = sys::LogDescriptor{error_log_, false};
  setup.logs.access = sys::LogDescriptor{access_log_, false};
  setup.worker_connections = scenery_.worker_connections;
  setup.buffer_memory_bytes = scenery_.buffer_memory_bytes;
  const auto worker = Worker::start(setup);
  if (!worker.ok()) return world_.fail("no worker can start: " + worker.fault().text());
  if (const int status = worker.value()->run(); status != 0) {
    world_.fail("the worker ended with status " + std::to_string(status));
  }
}

void Run::check_left_behind() {
  // What the proxy said in its last moments still arrives.
  world_.advance(world_.now_ns() + second);
  if (kernel_.open_descriptors() != 0) {
    world_.fail("descriptors are left open:" + kernel_.describe_descriptors());
  }
  if (kernel_.mappings != 0) {
    world_.fail(std::to_string(kernel_.mappings) + " mappings are left, " +
                std::to_string(kernel_.mapped_bytes) + " bytes");
  }
  if (config_.references != 1) world_.fail("the Config is still referred to");
  if (access_log_ >= 0 && !scenery_.broken_access_log) {
    const auto relayed = static_cast<size_t>(
        std::count_if(sessions_.begin(), sessions_.end(),
                      [](const auto& session) { return session->record->relaying(); }));
    if (opens_logged_ != relayed || closes_logged_ != relayed) {
      world_.fail(std::to_string(relayed) + " sessions were relayed, logged are " +
                  std::to_string(opens_logged_) + " open and " + std::to_string(closes_logged_) +
                  " close lines");
    }
  }
}

void Run::add_to(Totals& totals) const {
  ++totals.runs;
  totals.turns += world_.turn;
  for (const auto& session : sessions_) {
    Record& record = *session->record;
    ++totals.sessions;
    totals.relayed += record.relaying();
    for (const int side : {0, 1}) {
      totals.bytes += record.lane_from(side).out().size();
      totals.strict += record.relaying() && record.strict_side(side);
    }
    if (!record.relaying()) {
      ++totals.refused;
      continue;
    }
    if (record.incidents().empty()) continue;
    switch (record.incidents().front().kind) {
      case Incident::Kind::closed:
        ++totals.closed;
        break;
      case Incident::Kind::bad:
        ++totals.bad;
        break;
      case Incident::Kind::idle:
        ++totals.idle;
        break;
      case Incident::Kind::leaving:
        ++totals.leaving;
        break;
      default:
        ++totals.left;
    }
  }
}

std::string Run::describe() const {
  char text[400];
  std::snprintf(
      text, sizeof text,
      "seed %llu%s: %zu sessions, %zu routes, ring %u bytes, descriptors up to %d%s%s%s%s%s, "
      "%llu turns, %.3f s of simulated time",
      static_cast<unsigned long long>(world_.seed()), option_of(kind_), sessions_.size(),
      config_.routes.size(), config_.ring_bytes, scenery_.kernel.descriptor_limit,
      scenery_.room == Room::small   ? ", small buffers"
      : scenery_.room == Room::large ? ", large buffers"
                                     : "",
      scenery_.slow_network ? ", slow network" : "",
      scenery_.climate.overload ? ", few connections" : "",
      scenery_.leave_ns != 0 ? ", SIGTERM" : "", scenery_.quit_ns != 0 ? ", SIGQUIT" : "",
      static_cast<unsigned long long>(world_.turn),
      static_cast<double>(world_.now_ns() - world_.begin_ns()) / 1e9);
  return text;
}

}  // namespace sluice::sim
