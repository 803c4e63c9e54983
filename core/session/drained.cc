// Drained: few parts at most, and mostly none.
#include "core/session/drained.h"

#include <algorithm>

#include "protocol/error_answer.h"

namespace sluice {

std::optional<Refusal> Drained::refusal(const RouteConfig& route) const {
  for (const Part& each : parts_) {
    if (each.kind == Part::Kind::route && route.is_called(each.text)) {
      return Refusal{503, drained_reason, "route " + route.name()};
    }
    if (each.kind == Part::Kind::upstream && each.upstream == route.upstream) {
      return Refusal{503, drained_reason, "the upstream of route " + route.name()};
    }
  }
  return std::nullopt;
}

const Refusal* Drained::refusal(ListenerId listener) const {
  static const Refusal drained{503, drained_reason, "the listener"};
  const bool found = std::any_of(parts_.begin(), parts_.end(), [listener](const Part& each) {
    return each.kind == Part::Kind::listener && each.listener == listener;
  });
  return found ? &drained : nullptr;
}

}  // namespace sluice
