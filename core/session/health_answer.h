// What balancers hear that ask the traffic port whether this worker takes clients (healthz).
#pragma once

#include <string>
#include <string_view>

#include "protocol/head.h"

namespace sluice {

// Whether a request is a GET or HEAD of exactly that path, whatever query stands behind it; `path`
// "": none is. A request that a server must refuse for want of a Host (RFC 9112 3.2) is none
// either.
bool asks_for_health(const RequestHead& head, std::string_view path);

// The whole answer: 200, or 503 where the worker, or the listener, is drained.
std::string health_answer(bool takes_clients, bool head_only);

}  // namespace sluice
