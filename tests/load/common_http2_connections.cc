// Http2Connections: readiness in, bytes through TLS and nghttp2, news out.
#include "tests/load/common_http2_connections.h"

#include <string_view>
#include <utility>

#include "net/connector.h"

namespace sluice::load {

namespace {

constexpr int rounds_a_pump = 4;  // then others get their turn
constexpr size_t in_bytes = 256 * 1024;

using Stage = Http2Connection::Stage;
using Role = Http2Session::Role;

}  // namespace

Http2Connections::Http2Connections(Reactor& reactor, Http2User& user, Role role,
                                   uint32_t most_streams)
    : reactor_(reactor),
      user_(user),
      role_(role),
      most_streams_(most_streams),
      id_(reactor.attach(*this)),
      in_(in_bytes) {}

Handle Http2Connections::create(Link&& link, Stage stage) {
  const Handle handle = connections_.create(std::move(link), stage, role_, most_streams_);
  connections_.get(handle)->session.report_output(outputs_, handle);
  return handle;
}

Result<Handle> Http2Connections::connect(Link&& link) {
  const Handle handle = create(std::move(link), Stage::connecting);
  const int fd = connections_.get(handle)->link.fd();
  if (const Status watched = reactor_.watch(fd, id_, handle, 0); !watched.ok()) {
    connections_.retire(handle);
    return watched.fault();
  }
  return handle;
}

void Http2Connections::adopt(Link&& link, std::span<const uint8_t> received) {
  const Handle handle = create(std::move(link), Stage::open);
  Http2Connection& connection = *connections_.get(handle);
  if (!reactor_.rewatch(connection.link.fd(), id_, handle, 0).ok()) {
    return lose(handle, connection, 0, "");
  }
  if (!received.empty() && !take(handle, connection, received)) return;
  queue(handle, connection);  // TLS may hold bytes of which nobody tells any more
}

void Http2Connections::on_ready(Handle handle, unsigned, Readiness ready) {
  Http2Connection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->link.note(ready);
  pump(handle, *connection);
}

void Http2Connections::on_run(Handle handle) {
  Http2Connection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->queued = false;
  tell(handle, *connection);
  pump(handle, *connection);
}

void Http2Connections::on_turn_end() {
  flush_all();
  connections_.sweep();
}

void Http2Connections::pump(Handle handle, Http2Connection& connection) {
  if (connection.queued) return;
  if (connection.stage == Stage::connecting && !connected(handle, connection)) return;
  if (connection.stage == Stage::securing && !secured(handle, connection)) return;
  for (int round = 0; round < rounds_a_pump && connection.link.readable(); ++round) {
    if (!receive(handle, connection)) return;
  }
  if (connection.link.readable()) queue(handle, connection);
  flush(handle, connection);
}

bool Http2Connections::connected(Handle handle, Http2Connection& connection) {
  if (!connection.link.writable()) return false;
  if (const int error = connect_outcome(connection.link.fd()); error != 0) {
    lose(handle, connection, error, "");
    return false;
  }
  connection.stage = Stage::securing;
  return true;
}

bool Http2Connections::secured(Handle handle, Http2Connection& connection) {
  using Handshake = TlsTransport::Handshake;
  Link& link = connection.link;
  const Handshake outcome = link.handshake();
  if (outcome == Handshake::waiting) return false;
  if (outcome != Handshake::done) {
    lose(handle, connection, 0, "TLS: " + link.failure(Io{}));
    return false;
  }
  if (link.is_secure()) user_.on_secured(link);
  if (link.is_secure() && link.protocol() != "h2") {
    lose(handle, connection, 0,
         "the server does not choose HTTP/2 (ALPN h2): set http2 on there, or leave out --http2");
    return false;
  }
  connection.stage = Stage::open;
  return true;
}

// False where the connection is gone.
bool Http2Connections::receive(Handle handle, Http2Connection& connection) {
  const Io io = connection.link.recv(in_.data(), in_.size());
  if (io.state == Io::State::blocked) return true;
  if (io.state == Io::State::open) return take(handle, connection, {in_.data(), io.bytes});
  const std::string when = connection.session.settled()
                               ? "the HTTP/2 connection ended: "
                               : "the connection ended before the server's SETTINGS: ";
  lose(handle, connection, 0,
       when + (io.state == Io::State::ended ? "FIN" : connection.link.failure(io)));
  return false;
}

bool Http2Connections::take(Handle handle, Http2Connection& connection,
                            std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (role_ == Role::client && !connection.session.settled() && text.starts_with("HTTP/1.")) {
    lose(handle, connection, 0,
         "the server answers in HTTP/1.1: set http2 on there, or leave out --http2");
    return false;
  }
  const bool good = connection.session.feed(bytes);
  tell(handle, connection);
  if (good) return true;
  flush(handle, connection);  // GOAWAY says why
  if (connections_.get(handle) != nullptr) {
    lose(handle, connection, 0, connection.session.reason());
  }
  return false;
}

void Http2Connections::tell(Handle handle, Http2Connection& connection) {
  Http2Session& session = connection.session;
  for (auto& stream : session.take_requests()) user_.on_request(std::move(stream));
  if (session.settled() && !std::exchange(connection.settled, true)) {
    user_.on_settled(handle, session);
  }
  session.for_news([this](const Http2Stream& stream, Readiness ready) {
    if (stream.owner) user_.on_stream(stream.owner, ready);
  });
}

void Http2Connections::flush(Handle handle, Http2Connection& connection) {
  if (connection.stage != Stage::open) return;
  Link& link = connection.link;
  Http2Session& session = connection.session;
  std::span<const uint8_t> bytes = session.unsent();
  while (!bytes.empty() && link.writable()) {
    const Io io = link.send(bytes.data(), bytes.size());
    if (io.state == Io::State::failed) break;  // receive() tells why
    session.sent(io.bytes);
    bytes = session.unsent();
  }
  if (bytes.empty() && session.over()) return lose(handle, connection, 0, session.reason());
  if (session.has_news() || link.readable()) queue(handle, connection);
}

void Http2Connections::flush_all() {
  std::vector<Handle> marked;
  marked.swap(outputs_);
  for (const Handle handle : marked) {
    Http2Connection* connection = connections_.get(handle);
    if (connection != nullptr) flush(handle, *connection);
  }
}

void Http2Connections::queue(Handle handle, Http2Connection& connection) {
  if (std::exchange(connection.queued, true)) return;
  reactor_.enqueue(id_, handle);
}

void Http2Connections::lose(Handle handle, Http2Connection& connection, int connect_error,
                            const std::string& why) {
  connection.session.lose();
  tell(handle, connection);
  reactor_.unwatch(connection.link.fd());
  connections_.retire(handle);
  user_.on_lost(handle, connect_error, why);
}

void Http2Connections::end_all() {
  connections_.for_each([this](Handle handle, Http2Connection& connection) {
    connection.session.end();
    flush(handle, connection);
    if (connections_.get(handle) == nullptr) return;
    connection.link.shutdown_write();
    lose(handle, connection, 0, "");
  });
  connections_.sweep();
}

}  // namespace sluice::load
