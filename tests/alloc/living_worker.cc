// The worker's report (SIGUSR2) is read back from its log, as an operator would.
#include "tests/alloc/living_worker.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string_view>

#include "net/check.h"
#include "net/listener.h"
#include "net/sys.h"
#include "tls/tickets.h"

namespace sluice::alloc {

namespace {

PeerConfig peer_at(uint32_t id, uint16_t port, const std::string& scheme = "ws") {
  PeerConfig peer;
  peer.id = PeerId{id};
  peer.address = Address::from_ip("127.0.0.1", port).value();
  peer.uri = parse_server_uri(scheme + "://127.0.0.1:" + std::to_string(port)).value();
  peer.name = peer.address.text();
  return peer;
}

std::unique_ptr<TlsServer> make_tls_server() {
  TlsServerSettings settings;
  settings.credentials.push_back(
      std::move(parse_certificates(testing::pem_of(identity())).value()));
  SLUICE_CHECK(
      parse_private_key(testing::key_pem_of(identity()), settings.credentials.back()).ok());
  settings.policy.resumption.lifetime_s = 3'600;
  use_ticket_keys(make_ticket_keys());
  return std::move(TlsServer::make(std::move(settings)).value());
}

std::unique_ptr<TlsClient> make_tls_client() {
  TlsClientSettings settings;
  settings.verify = false;
  settings.policy.resumption.lifetime_s = 3'600;
  return std::move(TlsClient::make(settings).value());
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Its id is its place.
void add_upstream(Config& config, const char* name, std::vector<PeerConfig> peers,
                  TlsClientRef tls = {}) {
  UpstreamConfig upstream;
  upstream.id = UpstreamId{static_cast<uint32_t>(config.upstreams.size())};
  upstream.name = name;
  upstream.peers = std::move(peers);
  upstream.tls = std::move(tls);
  config.upstreams.push_back(std::move(upstream));
}

}  // namespace

const testing::Identity& identity() {
  static const testing::Identity made = testing::make_identity({.common_name = "a.example"});
  return made;
}

int open_loopback() {
  const Result<int> fd = open_listener(Address::from_ip("127.0.0.1", 0).value(), false);
  SLUICE_CHECK(fd.ok());
  return fd.value();
}

uint16_t port_of(int listener) {
  return sys::local_address(listener).port();
}

ConfigRef make_config(uint16_t upstream_port, std::unique_ptr<TlsServer> tls) {
  // Bound for good and never listening: else somebody else could come to listen there.
  const int refusing = sys::stream_socket(AF_INET);
  SLUICE_CHECK(sys::bind(refusing, Address::from_ip("127.0.0.1", 0).value()) == 0);
  const PeerConfig dead_peer = peer_at(0, port_of(refusing));
  auto* config = new Config;
  config->user = "root";
  config->worker_connections = 100;
  config->listeners.resize(2);
  config->listeners[1].id = ListenerId{1};
  config->listeners[0].tls = std::move(tls);
  config->listeners[1].tls = make_tls_server();
  add_upstream(*config, "good", {peer_at(1, upstream_port)});
  add_upstream(*config, "dead", {dead_peer, dead_peer});
  add_upstream(*config, "secure", {peer_at(2, upstream_port, "wss")}, make_tls_client());
  RouteConfig secure;
  secure.path = "/secure";
  secure.upstream = UpstreamId{2};
  secure.close_timeout_ms = 500;
  RouteConfig dead;
  dead.path = "/dead";
  dead.upstream = UpstreamId{1};
  RouteConfig good;
  good.path = "/";
  good.match_hosts = {"a.example"};
  good.match_headers = {{"X-One", "1"}};
  good.set_headers = {{"X-Two", "2"}};
  good.close_timeout_ms = 500;
  RouteConfig idle = good;
  idle.path = "/idle";
  idle.idle_timeout_ms = 40;
  RouteConfig pings = good;
  pings.path = "/pings";
  pings.client_ping_interval_ms = pings.upstream_ping_interval_ms = 10;
  RouteConfig rare_pings = good;
  rare_pings.path = "/rare-pings";
  rare_pings.client_ping_interval_ms = rare_pings.upstream_ping_interval_ms = 3'600'000;
  RouteConfig guarded = good;
  guarded.path = "/guarded";
  guarded.set_headers = {{"X-User", HeaderValue()}};
  guarded.set_headers[0].value.add(Variable::auth_http, "x_user");
  guarded.auth_fields = {"x_user"};
  guarded.auth_cache_ms = 3'600'000;
  guarded.authorizer.emplace_back();
  guarded.authorizer[0].path = "/verify";
  guarded.authorizer[0].host = {HostPolicy::fixed, "a.example"};
  config->routes = {dead, secure, guarded, idle, pings, rare_pings, good};
  config->index_routes();
  return ConfigRef(config);
}

LivingWorker::LivingWorker(ConfigRef config, const std::function<void()>& on_thread, bool traced)
    : log_path_("/tmp/sluice-alloc." + std::to_string(::getpid())),
      access_path_(log_path_ + ".access") {
  WorkerSetup setup;
  setup.config = std::move(config);
  if (traced) {
    TraceOrder& order = setup.traces.emplace_back();
    order.number = 1;
    order.handshakes = order.lines = 1'000'000;
    order.until_ms = UINT64_MAX;
  }
  setup.row = &row_;
  setup.labels = labels_.rows();
  for (uint32_t i = 0; i < std::size(ports_); ++i) {
    setup.sockets.push_back({ListenerId{i}, 0, open_loopback()});
    ports_[i] = port_of(setup.sockets.back().fd);
  }
  setup.logs.error.descriptor.fd = sys::open_for_append(log_path_.c_str());
  setup.logs.access.descriptor.fd = sys::open_for_append(access_path_.c_str());
  thread_ = std::thread([this, setup, on_thread]() mutable {
    const auto worker = Worker::start(std::move(setup));
    SLUICE_CHECK(worker.ok());
    on_thread();
    serving_ = true;
    SLUICE_CHECK(worker.value()->run() == 0);
  });
  while (!serving_) ::usleep(100);
}

LivingWorker::~LivingWorker() {
  ::kill(::getpid(), SIGQUIT);
  thread_.join();
  ::unlink(log_path_.c_str());
  ::unlink(access_path_.c_str());
}

std::string LivingWorker::wait_until_empty() const {
  std::string last;
  for (size_t tries = 0; tries < 100; ++tries) {
    last = report(tries);
    if (last.starts_with(
            "sessions 0, relaying 0, rings lent 0, blocks lent 0, bytes lent 0, pipes lent 0, "
            "transits lent 0, timers 0")) {
      return "";
    }
    ::usleep(10'000);
  }
  return "left behind: " + last;
}

std::string LivingWorker::account_for(size_t sessions) const {
  static constexpr std::string_view dropped = "access log: ";
  size_t found = 0;
  const std::string access = text_of(access_path_);
  for (size_t at = 0; (at = access.find(" close id=", at)) != std::string::npos; ++at) ++found;
  const std::string error = text_of(log_path_);
  for (size_t at = 0; (at = error.find(dropped, at)) != std::string::npos; ++at) {
    found += std::stoul(error.substr(at + dropped.size()));
  }
  if (found >= sessions) return "";
  return std::to_string(sessions) + " clients had their 101, accounted for are " +
         std::to_string(found);
}

// What the worker says of itself, or "" after a while.
std::string LivingWorker::report(size_t earlier) const {
  ::kill(::getpid(), SIGUSR2);
  for (int tries = 0; tries < 5'000; ++tries) {
    const std::string all = text_of(log_path_);
    size_t seen = 0;
    for (size_t at = all.find("sessions "); at != std::string::npos;
         at = all.find("sessions ", at + 1)) {
      if (seen++ == earlier) return all.substr(at, all.find('\n', at) - at);
    }
    ::usleep(1'000);
  }
  return "";
}

}  // namespace sluice::alloc
