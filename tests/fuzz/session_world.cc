// SessionWorld over unix sockets: a pair for the client, a listener of the process's for upstreams.
#include "tests/fuzz/session_world.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "core/session/admission.h"
#include "net/check.h"
#include "net/listener.h"
#include "net/sys.h"
#include "protocol/frame_codec.h"

namespace sluice::fuzz {

namespace {

constexpr int small_buffer_bytes = 4'608;  // the least that Linux grants
constexpr int most_turns = 2'000;          // to settle, and to end

std::string socket_path() {
  static const std::string path = "/tmp/sluice-fuzz." + std::to_string(::getpid());
  return path;
}

int upstream_listener() {
  static const int listener = [] {
    const Result<int> fd = open_listener(Address::from_unix_path(socket_path()).value(), false);
    SLUICE_CHECK(fd.ok());
    std::atexit([] { ::unlink(socket_path().c_str()); });
    return fd.value();
  }();
  return listener;
}

// Both logs; empty at a world's beginning.
int log_file() {
  static const int fd = ::memfd_create("sluice-fuzz-log", MFD_CLOEXEC);
  return fd;
}

void make_small(int fd) {
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small_buffer_bytes, sizeof small_buffer_bytes);
}

PeerConfig peer_at(const std::string& path) {
  PeerConfig peer;
  peer.address = Address::from_unix_path(path).value();
  peer.uri = parse_server_uri("ws://unix:" + path).value();
  peer.name = peer.address.text();
  return peer;
}

ConfigRef make_config(const WorldChoices& choices) {
  auto* config = new Config;
  config->ring_bytes = 16 * 1024;
  config->log_query = true;
  config->listeners.emplace_back();
  if (choices.header_limits) config->listeners[0].max_header_bytes = 512;
  UpstreamConfig upstream;
  upstream.name = "fuzz";
  if (choices.dead_peer_first) upstream.peers.push_back(peer_at("/tmp/sluice-fuzz.nobody"));
  upstream.peers.push_back(peer_at(socket_path()));
  upstream.peers.back().id = PeerId{1};
  config->upstreams.push_back(std::move(upstream));
  RouteConfig route;
  route.path = "/";
  route.set_headers = {{"X-Set", "1"}};
  route.validate_utf8 = choices.validate_utf8;
  if (choices.limit_messages) route.max_message_bytes = SessionWorld::most_message_bytes;
  if (choices.tell_losses) route.lost_close_code = 1012;
  config->routes.push_back(route);
  config->index_routes();
  return ConfigRef(config);
}

int lowest_free_descriptor() {
  const int fd = ::dup(0);
  ::close(fd);
  return fd;
}

}  // namespace

SessionWorld::SessionWorld(const WorldChoices& choices)
    : choices_(choices),
      config_(make_config(choices)),
      buffers_(config_->ring_bytes),
      transits_(buffers_),
      context_{.reactor = reactor_,
               .handler = reactor_.attach(*this),
               .sessions = sessions_,
               .transits = transits_,
               .log = log_,
               .row = row_,
               .labels = labels_.rows(),
               .upstreams = upstreams_,
               .config = config_,
               .id_prefix = "0-0-"} {
  upstreams_.add(config_->upstreams[0], 0);
  prepare_frame_codec();
  upstream_listener();
  SLUICE_CHECK(reactor_.open().ok() && ::ftruncate(log_file(), 0) == 0);
  ::lseek(log_file(), 0, SEEK_SET);
  log_.set_level(LogLevel::debug);
  log_.error_sink.use({log_file(), false});
  log_.access_sink.use({log_file(), false});
  lowest_free_fd_ = lowest_free_descriptor();
  int fds[2];
  SLUICE_CHECK(sys::pair(fds) == 0);
  if (choices_.small_socket_buffers) {
    make_small(fds[0]);
    make_small(fds[1]);
  }
  client.attach(fds[0]);
  leg_fds_[0] = fds[1];
  session_ = sessions_.create(context_, Address::from_ip("192.0.2.1", 1234).value(), 0u);
  sessions_.get(session_)->start(fds[1],
                                 choices_.overloaded ? Admission(0).refusal(1, 0) : nullptr);
}

SessionWorld::~SessionWorld() = default;

void SessionWorld::turn() {
  reactor_.turn(0);
  meet_upstream();
}

void SessionWorld::meet_upstream() {
  Session* session = sessions_.get(session_);
  if (session != nullptr && session->leg(Side::upstream).is_open()) {
    const int fd = session->leg(Side::upstream).fd();
    if (choices_.small_socket_buffers && leg_fds_[1] != fd) make_small(fd);
    leg_fds_[1] = fd;
  }
  if (upstream.attached()) return;
  Address nobody;
  const int fd = sys::accept(upstream_listener(), nobody);
  if (fd < 0) return;
  if (choices_.small_socket_buffers) make_small(fd);
  upstream.attach(fd);
}

void SessionWorld::advance_ms(uint64_t ms) {
  clock_moved_ = true;
  seam_.advance_ms(ms);
}

void SessionWorld::check_stalls() {
  std::vector<Handle> stalled;
  stalled.swap(context_.stalled);
  for (const Handle handle : stalled) {
    Session* session = sessions_.get(handle);
    if (session != nullptr && session->check_stalls()) context_.stalled.push_back(handle);
  }
}

void SessionWorld::leave(Boundary boundary) {
  left_ = true;
  if (Session* session = sessions_.get(session_)) {
    const bool at_leisure = boundary == Boundary::message;
    session->leave(CloseCode::going_away, {EndKind::shutdown, "shutting down"}, boundary,
                   at_leisure ? leave_reason : "");
  }
}

void SessionWorld::settle() {
  int quiet = 0;
  for (int turns = 0; quiet < 3; ++turns) {
    SLUICE_CHECK(turns < most_turns);
    turn();
    const size_t moved = client.read(SIZE_MAX) + upstream.read(SIZE_MAX);
    quiet = moved == 0 && reactor_.run_queue_length() == 0 ? quiet + 1 : 0;
  }
  SLUICE_CHECK(buffers_.lent() == 0);  // everybody reads, so nothing waits but incomplete frames
  const Session* session = sessions_.get(session_);
  SLUICE_CHECK(reactor_.armed_timers() == (session == nullptr ? 0u : 1u));
  relaying_when_settled_ = session != nullptr && session->state() == Session::State::relaying;
  SLUICE_CHECK(context_.relaying <= 1 && (!relaying_when_settled_ || context_.relaying == 1));
}

void SessionWorld::end() {
  client.close();
  upstream.close();
  for (int turns = 0; turns < 10; ++turns) {
    turn();
    upstream.close();  // one that connected only now
  }
  SLUICE_CHECK(sessions_.live() == 0 && context_.relaying == 0);
  SLUICE_CHECK(buffers_.lent() == 0 && buffers_.lent_blocks() == 0 && buffers_.lent_bytes() == 0);
  SLUICE_CHECK(transits_.lent() == 0);
  SLUICE_CHECK(reactor_.armed_timers() == 0 && reactor_.run_queue_length() == 0);
  SLUICE_CHECK(lowest_free_descriptor() == lowest_free_fd_);
  check_log();
}

// Whatever strangers sent, a log line is one line of printable bytes.
void SessionWorld::check_log() {
  char block[4096];
  off_t at = 0;
  while (const ssize_t got = ::pread(log_file(), block, sizeof block, at)) {
    SLUICE_CHECK(got > 0);
    for (ssize_t i = 0; i < got; ++i) {
      SLUICE_CHECK(block[i] == '\n' || (block[i] >= 0x20 && block[i] < 0x7f));
    }
    at += got;
  }
}

void SessionWorld::on_ready(Handle handle, unsigned leg, Readiness ready) {
  if (Session* session = sessions_.get(handle)) session->on_ready(static_cast<Side>(leg), ready);
}

void SessionWorld::on_timer(Handle handle, unsigned) {
  if (Session* session = sessions_.get(handle)) session->on_timer();
}

void SessionWorld::on_run(Handle handle) {
  if (Session* session = sessions_.get(handle)) session->on_run();
}

void SessionWorld::on_turn_end() {
  sessions_.sweep();
  log_.flush();
}

}  // namespace sluice::fuzz
