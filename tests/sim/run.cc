// Run: the stage on which worker and peers meet, and what must be true of all of them together.
#include "tests/sim/run.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/process/worker.h"
#include "tests/sim/rate_judge.h"
#include "tests/sim/tls_plan.h"

namespace sluice::sim {

namespace {

// Beyond this a run does not end by itself.
constexpr uint64_t longest_ns = 3'000 * second;
// Accepting goes on within a second of descriptors being there again (tests/FAULTS.md).
constexpr uint64_t accept_within_ns = second;
constexpr uint64_t command_again_ns = 2 * ms;
constexpr int most_reports = 6;

// The key that the proxy has chosen for a request that came without one.
std::string key_in(const std::string& head) {
  constexpr std::string_view name = "\r\nsec-websocket-key: ";
  const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(),
                                 [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  const std::string_view rest = std::string_view(head).substr(
      std::min<size_t>(static_cast<size_t>(found - head.begin()) + name.size(), head.size()));
  return std::string(rest.substr(0, rest.find('\r')));
}

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
      tls_(in_tls(kind)),
      tls_plans_(seed ^ 0x715),
      kept_plans_(seed ^ 0x4e97),
      http2_(in_http2(kind)),
      http2_plans_(seed ^ 0x4277),
      guards_(seed),
      openssl_random_(seed ^ 0x0551),
      scenery_(prepared_scenery()),
      config_(*scenery_.config),
      reloads_(seed ^ 0xc0f),
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
  return make_scenery(plans_, tls_ ? &tls_plans_ : nullptr, http2_ ? &http2_plans_ : nullptr,
                      kind_ == RunKind::splice,
                      world_.seed() >= first_storm_seed && world_.seed() < first_guarded_seed,
                      world_.seed() >= first_guarded_seed);
}

// Which session dials is not known before its request is read, so all of them share one network.
void Run::plan_sessions() {
  kernel_.upstream_link = make_link(plans_, scenery_);
  Random introductions(world_.seed() ^ 0xb10);
  Random visits(world_.seed() ^ 0x477);
  for (uint32_t number = 0; number < scenery_.sessions; ++number) {
    auto session = std::make_unique<Session>();
    session->plan = make_plan(plans_, config_, number, scenery_.room);
    session->plan.introduction = make_introduction(introductions, config_.listeners[0], number);
    session->client_link = make_link(plans_, scenery_);
    if (tls_) secure_plan(tls_plans_, scenery_, session->plan);
    if (http2_) plan_stream(*session);
    session->plan.strict = permits_strict(*session);
    session->record = std::make_unique<Record>(session->plan, config_, scenery_.climate);
    if (session->record->limited()) session->plan.strict = false;
    if (!session->http2) plan_visit(visits, *session);
    sessions_.push_back(std::move(session));
  }
}

// Whether what is on its way gets through before close_timeout, by a wide margin.
bool Run::permits_strict(const Session& session) const {
  const RouteConfig& route = config_.routes[session.plan.route];
  const uint64_t bytes = sealed_bytes(session.plan.client) + sealed_bytes(session.plan.upstream);
  return way_ns(session, bytes) + 60 * ms < route.close_timeout_ms * ms / 3;
}

// How long so many bytes may be on their way through the proxy.
uint64_t Run::way_ns(const Session& session, uint64_t bytes) const {
  uint64_t sum = 0;
  for (const Link* link : {&session.client_link, &kernel_.upstream_link}) {
    const size_t window = std::min({link->proxy_receive_bytes, link->proxy_send_bytes,
                                    link->peer_receive_bytes, link->segment_bytes});
    sum += (8 + bytes / window) * 2 * (link->latency_ns + link->jitter_ns);
  }
  return sum;
}

void Run::connect(Session& session) {
  if (!listening_) {
    session.missed = true;
    return;
  }
  if (session.http2) return connect_stream(session);
  const auto from =
      Address::from_ip(balancer_host, static_cast<uint16_t>(20'000 + session.plan.number));
  Connection& connection = kernel_.connect_client(listener_, session.client_link, from.value());
  connection.introduction_bytes = session.plan.introduction.bytes();
  attach_client(session, wire_to(session, connection));
  session.record->dial_statuses = dial_statuses(scenery_, session.record->route());
  session.record->guard_status =
      guards_.status_of(session.record->route(), std::to_string(session.plan.number));
  session.waits_since_ns = world_.now_ns();
  world_.note("session %lld: client #%lld connects", session.plan.number, connection.number());
  introduce(session.plan.introduction, connection, [this, &session] { begin(session); });
}

// The balancer's PROXY header, where it sends one, then the client.
void Run::introduce(const Introduction& introduction, Connection& connection,
                    const std::function<void()>& begin) {
  uint64_t delay_ns = 0;
  for (const Introduction::Part& part : introduction.parts) {
    delay_ns += part.delay_ns;
    world_.after(delay_ns, [&connection, &part] { connection.write(part.bytes); });
  }
  if (introduction.parts.empty()) return begin();
  world_.after(delay_ns, [&connection, begin] {
    if (connection.state() != Connection::State::dead) begin();
  });
}

void Run::begin(Session& session) {
  if (session.client_tls != nullptr && !session.plan.mute) session.client_tls->start();
  if (session.visit != nullptr) return session.visit->start();
  session.client->start();
}

Wire& Run::wire_to(Session& session, Connection& connection) {
  const PeerPlan& plan = session.plan.client;
  if (!plan.tls || session.plan.speaks_plain_http) {
    return *wires_.emplace_back(std::make_unique<Wire>(connection));
  }
  session.client_tls = &secure_wire(*plan.tls, connection, /*http2=*/false);
  return *session.client_tls;
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
  if (Guards::at(address)) return guards_.on_connect(connection);
  const Dialling& dialling = scenery_.diallings[address.port() - first_server_port];
  const auto doorman = [this, &connection, &dialling] {
    if (connection.state() == Connection::State::dead) return;
    doormen_.push_back(
        std::make_unique<Doorman>(wire_from(connection, dialling), dialling.introduced,
                                  [this, &dialling](Doorman& found) { greet(found, dialling); }));
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
void Run::greet(Doorman& doorman, const Dialling& dialling) {
  Dialling::Deaf deaf = dialling.deaf;
  const std::string& received = doorman.received();
  const size_t end = received.find("\r\n\r\n") + 4;
  if (received.find("\r\nX-Request: ") < end) {
    return greet_plain(doorman, dialling, deaf, /*kept=*/false);
  }
  const size_t at = std::min(received.find("\r\nX-Session: "), received.find("\r\nx-session: "));
  if (at > end) world_.fail("a request without X-Session reached an upstream");
  const size_t number = std::stoul(received.substr(at + 13));
  if (number >= sessions_.size()) world_.fail("a request of nobody's reached an upstream");
  Session& session = *sessions_[number];
  guards_.check(session.record->route(), guarded_id(received));
  check_named(doorman, dialling, session.plan.introduction.forwarded_for);
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
  if (session.http2) adopt_key(session.plan, key_in(received));
  session.upstream =
      std::make_unique<UpstreamPeer>(doorman.wire(), session.plan.upstream, false, plans_.next());
  world_.note("session %lld: upstream #%lld", session.plan.number, doorman.wire().number());
  session.upstream->start(received, end);
  session.record->attach_upstream(*session.upstream);
}

// --- the run
// ------------------------------------------------------------------------------------------

bool Run::on_turn_end() {
  bool has_work = false;
  if (worker_ != nullptr) {
    const uint32_t adopted = reloads_.adopted();
    reloads_.adopt_due(world_, *worker_, config_, scenery_.buffer_memory_bytes);
    if (reloads_.adopted() != adopted) expect_goaway();
    has_work = drain_due_ || command_due_;
    if (std::exchange(drain_due_, false)) drain();
    if (std::exchange(command_due_, false)) command();
  }
  for (const auto& session : sessions_) {
    session->record->check_turn();
    if (session->visit != nullptr) session->visit->check_turn();
  }
  for (const auto& line : lines_) line->tap->check_turn();
  check_kept(/*quiet=*/false);
  check_counters();
  check_accepting();
  if (scenery_.climate.leaving_ns != 0 &&
      world_.now_ns() > scenery_.climate.leaving_ns + second + 5 * ms) {
    world_.fail("SIGTERM was a second ago");
  }
  return has_work;
}

void Run::drain() {
  Climate& climate = scenery_.climate;
  climate.drain_ns = world_.now_ns();
  worker_->drain_all(climate.drain_window_ns / ms, static_cast<CloseCode>(climate.drain_code));
}

// Ends every other session that nothing else ends, then those that have begun meanwhile.
void Run::command() {
  constexpr uint16_t code = 4'123;  // nobody else's
  for (size_t i = 0; i < sessions_.size(); i += 2) {
    Record& record = *sessions_[i]->record;
    const bool lives =
        record.relaying() && record.live() && !record.closing() && !record.commanded();
    if (!lives || record.route().max_session_age_ms != 0) continue;
    if (config_.listeners[0].proxy_protocol) continue;  // several may be told to be one client
    PageRequest request;
    request.closes = true;
    request.filter = {SessionFilter::By::client, record.connection(0)->remote.text()};
    request.code = code;
    request.reason = scenery_.command_reason;
    record.on_command(code, request.reason);
    if (worker_->page(request).closed != 1) world_.fail("a session is not found");
  }
  if (--commands_left_ > 0) world_.after(command_again_ns, [this] { command_due_ = true; });
}

void Run::check_accepting() {
  for (const auto& session : sessions_) {
    if (session->client == nullptr || session->accepted() || session->http2) continue;
    if (!kernel_.descriptors_left() || !listening_) {
      session->waits_since_ns = world_.now_ns();
    } else if (world_.now_ns() > session->waits_since_ns + accept_within_ns + queue_ns()) {
      world_.fail("session " + std::to_string(session->plan.number) + " is not accepted");
    }
  }
}

// What a client may wait for handshake_rate beyond that, until it is accepted or refused.
uint64_t Run::queue_ns() const {
  return scenery_.climate.storm ? config_.listeners[0].handshake_queue_time_ms * ms : 0;
}

void Run::check_rate() {
  if (!scenery_.climate.storm || reloads_.any() || http2_) return;
  std::vector<uint64_t> let_in;
  for (const auto& session : sessions_) {
    if (!session->record->relaying()) continue;
    let_in.push_back(session->record->connection(0)->handed_ns);
  }
  judge_rate(config_.listeners[0].handshake_rate, std::move(let_in));
}

void Run::on_quiet() {
  for (const auto& session : sessions_) {
    session->record->check_quiet();
    if (session->visit != nullptr) session->visit->check_quiet();
  }
  for (const auto& line : lines_) line->tap->check_quiet();
  check_kept(/*quiet=*/true);
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
    return session->missed || session->in_vain() || (session->client != nullptr && session->over());
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
  if (scenery_.drain_at_ns != 0) {
    world_.after(scenery_.drain_at_ns, [this] { drain_due_ = true; });
  }
  if (scenery_.command_ns != 0) {
    world_.after(scenery_.command_ns, [this] { command_due_ = true; });
  }
  reloads_.plan(world_);
  work();
  check_left_behind();
  check_last_counters();
  check_rate();
  for (const auto& session : sessions_) {
    if (session->client == nullptr) continue;
    session->record->judge();
    if (session->visit != nullptr) session->visit->judge();
  }
  add_to(totals);
}

void Run::work() {
  WorkerSetup setup;
  setup.config = copy_of(config_);
  setup.sockets = {{scenery_.config->listeners[0].id, 0, listener_}};
  setup.logs.error.descriptor = sys::LogDescriptor{error_log_, false};
  setup.logs.access.descriptor = sys::LogDescriptor{access_log_, false};
  setup.buffer_memory_bytes = scenery_.buffer_memory_bytes;
  setup.row = &row_;
  setup.labels = labels_.rows();
  setup.clients.counts = {client_counts_, client_counts_.size(), &client_workers_};
  setup.clients.rates = client_rates_;
  setup.passwords = passwords_.queue();
  const auto worker = Worker::start(std::move(setup));
  if (!worker.ok()) return world_.fail("no worker can start: " + worker.fault().text());
  worker_ = worker.value().get();
  const int status = worker_->run();
  worker_ = nullptr;
  if (status != 0) world_.fail("the worker ended with status " + std::to_string(status));
}

void Run::add_to(Totals& totals) const {
  ++totals.runs;
  totals.reused += reused_;
  totals.turns += world_.turn;
  for (const auto& session : sessions_) {
    Record& record = *session->record;
    ++totals.sessions;
    totals.relayed += record.relaying();
    totals.streams += session->http2 && record.relaying();
    if (const Visit* const visit = session->visit.get()) {
      totals.plain += visit->sent().answered();
      totals.told += visit->sent().own_status() != 0;
      totals.behind += visit->handed_over();
    }
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
  char text[500];
  std::snprintf(text, sizeof text,
                "seed %llu%s: %zu sessions, %zu routes, ring %u bytes, descriptors up to "
                "%d%s%s%s%s%s%s%s%s%s, "
                "%llu turns, %.3f s of simulated time",
                static_cast<unsigned long long>(world_.seed()), option_of(kind_), sessions_.size(),
                config_.routes.size(), config_.ring_bytes, scenery_.kernel.descriptor_limit,
                scenery_.room == Room::small   ? ", small buffers"
                : scenery_.room == Room::large ? ", large buffers"
                                               : "",
                scenery_.slow_network ? ", slow network" : "",
                scenery_.climate.overload ? ", few connections" : "",
                scenery_.climate.storm ? ", handshake_rate" : "",
                scenery_.command_ns != 0 ? ", closed by command" : "",
                scenery_.drain_at_ns != 0 ? ", drained" : "",
                scenery_.leave_ns != 0 ? ", SIGTERM" : "", scenery_.quit_ns != 0 ? ", SIGQUIT" : "",
                reloads_.text().c_str(), static_cast<unsigned long long>(world_.turn),
                static_cast<double>(world_.now_ns() - world_.begin_ns()) / 1e9);
  return text;
}

}  // namespace sluice::sim
