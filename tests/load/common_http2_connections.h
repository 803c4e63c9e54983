// Http2Connections: the HTTP/2 connections of one thread, each with its descriptor, TLS or not. It
// moves their bytes and tells its user what their streams have to say; what streams carry is the
// user's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/pool.h"
#include "net/reactor.h"
#include "tests/load/common_http2.h"
#include "tests/load/common_link.h"

namespace sluice::load {

//   connecting -> securing -> open --GOAWAY, FIN, error--> retired
struct Http2Connection {
  enum class Stage : uint8_t { connecting, securing, open };

  Http2Connection(Link&& from, Stage first, Http2Session::Role role, uint32_t most_streams)
      : link(std::move(from)), session(role, most_streams), stage(first) {}

  Link link;
  Http2Session session;
  Stage stage;
  bool queued = false;   // on the run queue
  bool settled = false;  // the user was told
};

// None of these is called from inside another one of them, or from inside a stream's call.
class Http2User {
 public:
  virtual ~Http2User() = default;
  // A request came, on a server's connection.
  virtual void on_request(std::unique_ptr<Http2Stream> /*stream*/) {}
  // Something is new on the stream with that owner.
  virtual void on_stream(Handle owner, Readiness ready) = 0;
  // A client's: the TLS handshake is done; the peer's SETTINGS came; or the connection is gone, by
  // an errno of connecting, else for what `why` says. Its streams were told before.
  virtual void on_secured(const Link& /*link*/) {}
  virtual void on_settled(Handle /*connection*/, Http2Session& /*session*/) {}
  virtual void on_lost(Handle /*connection*/, int /*connect_error*/, const std::string& /*why*/) {}
};

class Http2Connections final : public EventHandler {
 public:
  Http2Connections(Reactor& reactor, Http2User& user, Http2Session::Role role,
                   uint32_t most_streams);

  // A client's, on its way to be connected; it is not watched yet. A default handle, and the fault,
  // where it cannot be watched.
  Result<Handle> connect(Link&& link);
  // A server's, watched for somebody else until now, whose first bytes were received by him.
  void adopt(Link&& link, std::span<const uint8_t> received);
  Http2Connection* get(Handle handle) { return connections_.get(handle); }

  // Sends what streams were given. Happens by itself at a turn's end.
  void flush_all();
  // Takes leave of all of them.
  void end_all();

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle, unsigned) override {}
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  Handle create(Link&& link, Http2Connection::Stage stage);
  void pump(Handle handle, Http2Connection& connection);
  bool connected(Handle handle, Http2Connection& connection);
  bool secured(Handle handle, Http2Connection& connection);
  bool receive(Handle handle, Http2Connection& connection);
  bool take(Handle handle, Http2Connection& connection, std::span<const uint8_t> bytes);
  void tell(Handle handle, Http2Connection& connection);
  void flush(Handle handle, Http2Connection& connection);
  void queue(Handle handle, Http2Connection& connection);
  void lose(Handle handle, Http2Connection& connection, int connect_error, const std::string& why);

  Reactor& reactor_;
  Http2User& user_;
  Http2Session::Role role_;
  uint32_t most_streams_;
  Reactor::HandlerId id_;
  std::vector<uint8_t> in_;
  std::vector<Handle> outputs_;  // with bytes for the peer, perhaps
  Pool<Http2Connection> connections_;
};

}  // namespace sluice::load
