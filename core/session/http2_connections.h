// Http2Connections: a worker's clients that speak HTTP/2, between the reactor and the sessions of
// their streams.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/session/http2_connection.h"
#include "core/session/worker_context.h"
#include "net/pool.h"
#include "net/reactor.h"

namespace sluice {

// One a worker; both references outlive it. Its sessions must be gone before it is: their legs are
// streams of its connections.
class Http2Connections final : public EventHandler {
 public:
  Http2Connections(WorkerContext& context, Http2Sink& sink);
  Http2Connections(const Http2Connections&) = delete;
  Http2Connections& operator=(const Http2Connections&) = delete;
  ~Http2Connections() override;

  // Takes over the connection of a client whose preface says HTTP/2. `leg` is not open any more
  // afterwards. Throws std::bad_alloc, and the leg is still its owner's then.
  void adopt(Leg& leg, Http2Start start);

  // Sends what the turn brought together. The turn's end does so, too; for who asks before that
  // whether any live.
  void flush();
  // All of them get no further streams (GOAWAY); those that live go on.
  void shut_down(bool at_once);
  // Ends so many of those that wait for a request, as clients know that a kept connection may end.
  void end_idle(size_t most);
  // Ends all at once, whatever is under way.
  void close_all();
  size_t live() const { return connections_.live(); }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override { flush(); }

 private:
  template <class Call>
  void with(Handle handle, Call call);

  WorkerContext& context_;
  Http2Sink& sink_;
  const Reactor::HandlerId handler_;
  Pool<Http2Connection> connections_;
  std::vector<Handle> busy_;        // to be flushed at the turn's end
  std::vector<std::string> spare_;  // output buffers; no more than there is room for
  std::vector<Handle> flushing_;    // those that are; kept for its room
};

}  // namespace sluice
