// Http2Connections: a worker's clients that speak HTTP/2.
#pragma once

#include <cstddef>

#include "core/session/http2_connection.h"
#include "core/session/http2_table.h"
#include "core/session/worker_context.h"

namespace sluice {

// One a worker; both references outlive it.
class Http2Connections final : public Http2Table<Http2Connection> {
 public:
  Http2Connections(WorkerContext& context, Http2Sink& sink);

  // Takes over the connection of a client whose preface says HTTP/2. `leg` is not open any more
  // afterwards. Throws std::bad_alloc, and the leg is still its owner's then.
  void adopt(Leg& leg, Http2Start start);

  // All of them get no further streams (GOAWAY); those that live go on.
  void shut_down(bool at_once);
  // Ends so many of those that wait for a request, as clients know that a kept connection may end.
  void end_idle(size_t most);

 private:
  Http2Sink& sink_;
};

}  // namespace sluice
