// Session pages: a list of sessions in bounded pieces, as a worker makes them for its master. The
// master asks for one after the other, so that neither holds more than one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/process/control_arguments.h"
#include "core/process/control_channel.h"
#include "core/session/worker_context.h"

namespace sluice {

// Which piece of which list.
struct PageRequest {
  uint32_t list = 0;    // the master's number of it
  uint32_t place = 0;   // of the worker's pool, where it begins
  uint32_t lines = 0;   // at most; further sessions are counted
  bool closes = false;  // the session that `filter` names is ended instead
  SessionFilter filter{};
  UpstreamId upstream{};  // filter.by upstream
  ListenerId listener{};  // filter.by listener
  uint16_t code = 0;      // of the Close, where it closes
  std::string reason{};   // of the same
};

struct Page {
  static constexpr uint32_t last = UINT32_MAX;
  static constexpr size_t most_text_bytes = ControlChannel::most_payload_bytes - 64;

  uint32_t list = 0;
  uint32_t next = last;   // place of the next page
  uint32_t lines = 0;     // in `text`
  uint32_t left_out = 0;  // sessions that match and have no line
  uint32_t closed = 0;
  std::string text{};  // a JSON object a line
};

// A page looks at so many places at most.
inline constexpr uint32_t places_a_page = 4096;

// Sessions that have begun to relay and have not ended. Throws std::bad_alloc.
Page make_page(WorkerContext& context, const PageRequest& request);

}  // namespace sluice
