// Worker: sessions of clients whose connections speak HTTP/2, one for each stream.
#include <memory>
#include <new>
#include <utility>

#include "core/process/worker.h"

namespace sluice {

// A stream without a session ends with it: reset.
void Worker::on_stream(std::unique_ptr<Http2ClientStream> stream) {
  Http2Connection& connection = stream->connection();
  make_room();
  row_.http2_streams.add(1);
  const ListenerId listener = connection.listener().id;
  if (!admission_.has_place(places_taken())) {
    attempt([&] { note_overload(); });
    count_turned_away(static_cast<uint32_t>(listener), TurnedAway::no_place);
    return connection.reset(*stream, Http2Code::refused_stream);
  }
  Handle handle;
  try {
    handle = sessions_.create(context_, connection.config(), connection.client(),
                              connection.listener_place());
  } catch (const std::bad_alloc&) {
    count_turned_away(static_cast<uint32_t>(listener), TurnedAway::memory);
    return connection.reset(*stream, Http2Code::refused_stream);
  }
  const Refusal* refused = connection.refused();
  if (refused == nullptr) refused = context_.drained.refusal(listener);
  if (refused == nullptr) {
    refused = admission_.refusal(places_taken(), context_.lingering_now);
    if (refused != nullptr) attempt([&] { note_overload(); });
  }
  with_session(handle, [&](Session& session) { session.start(std::move(stream), refused); });
}

}  // namespace sluice
