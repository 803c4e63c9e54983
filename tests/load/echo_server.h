// EchoServer: one thread of sluice-echo, with a reactor, a listener and its connections.
#pragma once

#include <cstdint>

#include "net/listener.h"
#include "net/pool.h"
#include "net/reactor.h"
#include "tests/load/common_http2_connections.h"
#include "tests/load/echo_connection.h"
#include "tls/client.h"
#include "tls/server.h"

namespace sluice::load {

// Lives until the process ends. The listener stays the caller's.
class EchoServer final : public EventHandler, public AcceptSink, public Http2User {
 public:
  // `tls` is null where clients speak plainly; it outlives the server.
  EchoServer(const EchoOptions& options, const FloodBlock& flood, const TlsServer* tls);

  Status open(int listener, bool shared);
  [[noreturn]] void run();
  const EchoCounters& counters() const { return counters_; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;
  void on_accept(int fd, const Address& client, uint32_t listener) override;
  void on_request(std::unique_ptr<Http2Stream> stream) override;
  void on_stream(Handle owner, Readiness ready) override;

 private:
  void pump(Handle handle, EchoConnection& connection);
  void speak_http2(Handle handle, EchoConnection& connection);
  void retire(Handle handle, EchoConnection& connection);

  EchoCounters counters_;
  const TlsServer* tls_;
  EchoShared shared_;
  Reactor reactor_;
  Reactor::HandlerId id_;
  Acceptor acceptor_;
  Http2Connections http2_;  // attached last: its turn ends behind that of the streams
  Pool<EchoConnection> connections_;
};

}  // namespace sluice::load
