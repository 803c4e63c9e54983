// EchoServer: what connections ask for, done with the reactor.
#include "tests/load/echo_server.h"

#include <utility>

#include "net/sys.h"

namespace sluice::load {

namespace {

constexpr uint64_t closing_ms = 5000;  // for a client that does not answer a Close or a FIN

enum Timer : unsigned { deadline, hold };

}  // namespace

EchoServer::EchoServer(const EchoOptions& options, const FloodBlock& flood, const TlsServer* tls)
    : tls_(tls),
      shared_{options, flood, counters_},
      id_(reactor_.attach(*this)),
      acceptor_(reactor_, *this),
      http2_(reactor_, *this, Http2Session::Role::server, options.http2_streams) {}

Status EchoServer::open(int listener, bool shared) {
  if (Status opened = reactor_.open(); !opened.ok()) return opened;
  return acceptor_.add(listener, 0, shared);
}

void EchoServer::run() {
  for (;;) reactor_.turn(-1);
}

void EchoServer::on_accept(int fd, const Address& client, uint32_t) {
  if (!client.is_unix()) sys::set_no_delay(fd);
  const Handle handle = connections_.create(fd);
  counters_.connections.add(1);
  if (tls_ != nullptr) connections_.get(handle)->link().secure(tls_->accept(fd));
  if (!reactor_.watch(fd, id_, handle, 0).ok()) connections_.retire(handle);
}

void EchoServer::on_request(std::unique_ptr<Http2Stream> stream) {
  Http2Stream& born = *stream;
  const Handle handle = connections_.create(std::move(stream));
  shared_.counters.streams.add(1);
  born.owner = handle;
  pump(handle, *connections_.get(handle));
}

void EchoServer::on_stream(Handle owner, Readiness ready) {
  on_ready(owner, 0, ready);
}

void EchoServer::on_ready(Handle handle, unsigned, Readiness ready) {
  EchoConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->link().note(ready);
  pump(handle, *connection);
}

void EchoServer::on_run(Handle handle) {
  EchoConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->queued = false;
  pump(handle, *connection);
}

void EchoServer::on_timer(Handle handle, unsigned which) {
  EchoConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  if (which == Timer::deadline) {
    connection->deadline = 0;
    return retire(handle, *connection);
  }
  connection->hold = 0;
  connection->release();
  pump(handle, *connection);
}

void EchoServer::on_turn_end() {
  connections_.sweep();
}

void EchoServer::pump(Handle handle, EchoConnection& connection) {
  if (connection.queued) return;
  const EchoConnection::Next next = connection.pump(shared_);
  if (next == EchoConnection::Next::gone) return retire(handle, connection);
  if (next == EchoConnection::Next::http2) return speak_http2(handle, connection);
  if (connection.held_ms() > 0 && connection.hold == 0) {
    const uint64_t until_ms = reactor_.now_ms() + connection.held_ms();
    connection.hold = reactor_.arm(until_ms, id_, handle, Timer::hold);
  }
  if (connection.closing() && connection.deadline == 0) {
    const uint64_t until_ms = reactor_.now_ms() + closing_ms;
    connection.deadline = reactor_.arm(until_ms, id_, handle, Timer::deadline);
  }
  if (next == EchoConnection::Next::run_again) {
    connection.queued = true;
    reactor_.enqueue(id_, handle);
  }
}

void EchoServer::speak_http2(Handle handle, EchoConnection& connection) {
  connections_.retire(handle);  // what it received stays until the turn's end
  http2_.adopt(std::move(connection.link()), connection.first_bytes());
}

void EchoServer::retire(Handle handle, EchoConnection& connection) {
  reactor_.cancel(connection.deadline);
  reactor_.cancel(connection.hold);
  if (connection.link().fd() >= 0) reactor_.unwatch(connection.link().fd());
  connections_.retire(handle);
}

}  // namespace sluice::load
