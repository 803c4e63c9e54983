// Which of the connections get no more streams.
#include "core/session/http2_connections.h"

#include <utility>

namespace sluice {

Http2Connections::Http2Connections(WorkerContext& context, Http2Sink& sink)
    : Http2Table(context), sink_(sink) {}

void Http2Connections::adopt(Leg& leg, Http2Start start) {
  reserve();
  const Handle handle = connections_.create(context_, sink_, shared_, std::move(start));
  with(handle, [&](Http2Connection& connection) { connection.begin(leg, handle); });
}

void Http2Connections::shut_down(bool at_once) {
  connections_.for_each([&](Handle handle, Http2Connection&) {
    with(handle, [&](Http2Connection& connection) { connection.shut_down(at_once); });
  });
}

void Http2Connections::end_idle(size_t most) {
  connections_.for_each([&](Handle handle, Http2Connection& connection) {
    if (most == 0 || !connection.is_idle()) return;
    connection.close("its place was wanted", End::orderly);
    if (connection.is_over()) connections_.retire(handle);
    --most;
  });
}

}  // namespace sluice
