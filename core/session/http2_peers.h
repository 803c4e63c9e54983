// Http2Peers: a worker's HTTP/2 connections to peers (upstream_http). A session that wants a stream
// joins one that has room, waits for one that is being made, or has one made; so sessions share
// connections, and who makes one is none of theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/session/http2_peer_connection.h"
#include "core/session/http2_table.h"

namespace sluice {

class Http2Peers final : public Http2Table<Http2PeerConnection> {
 public:
  explicit Http2Peers(WorkerContext& context) : Http2Table(context) {}

  enum class Joined : uint8_t {
    stream,   // the leg is open: a stream
    adopted,  // the leg is open: a connection of its own, secured, on which the peer chose HTTP/1.1
    waits,    // the session is run again when there is news
    http1,    // the peer is to be spoken to in HTTP/1.1
    full,     // h2_connections_per_peer
    failed,   // failure() says why
  };

  // What a session waits for, and where it is told. Void when join() returned anything but `waits`.
  struct Place {
    Handle connection{};
    bool waits = false;
    bool connected = false;  // the connection is, and TLS or the peer's settings are awaited
    bool extended = false;   // its session's deadline was, when that first was so
    uint32_t passed_over = 0;
  };
  struct Failure {
    const char* reason = "";  // static text
    std::string text = {};    // for the log
    int error = 0;            // errno of a connect
    bool is_first = true;     // nobody else was told of it: it counts
  };

  // `leg` is not open. `websocket`: the stream is to be one. Throws std::bad_alloc.
  Joined join(const Http2PeerTerms& terms, bool websocket, uint32_t most_head_bytes, Leg& leg,
              const Watch& watch, Place& place);
  // The session waits no longer.
  void leave(Handle session, Place& place);
  const Failure& failure() const { return failure_; }  // good until the next join()

  // None of them gets another stream; those without one end.
  void retire_all();
  // Those without a stream end: their descriptors are wanted.
  void end_idle();

 private:
  struct Known {
    std::vector<Handle> connections;
    TlsClientRef chose_http1_with = {};  // until then, in TLS of that kind
    uint64_t chose_http1_until_ms = 0;
  };

  Known& of(PeerId peer);
  Joined look(Http2PeerConnection& connection, const Watch& watch, Leg& leg, Place& place);
  Joined open(Http2PeerConnection& connection, bool websocket, uint32_t most_head_bytes, Leg& leg,
              const Watch& watch);
  Joined await(Http2PeerConnection& connection, Handle handle, const Watch& watch, Place& place);
  Joined fail(Http2PeerConnection& connection);

  std::vector<Known> by_peer_;  // by id
  Failure failure_;
};

}  // namespace sluice
