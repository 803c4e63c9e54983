// The request in which an authorizer is asked about a client's: its fields as far as they say who
// the client is, and what it asks for.
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/session_context.h"
#include "core/session/upstream_request.h"
#include "tls/digest.h"

namespace sluice {

// A GET without a body, as HTTP/1.1. `way` is RouteConfig::authorizer's.
std::string auth_request_text(const SessionContext& lent, const RouteConfig& way,
                              const ClientRequest& client);
// The same for a connection that ends with the answer.
std::string with_connection_close(std::string text);

// Whether a client's field of that name stays away from the authorizer: it concerns the body, the
// copy that the client has, or changes with each request and says nothing of who sends it.
bool is_withheld(std::string_view name);

// What a verdict is kept by: all that was sent, the client, and the route as it stands in its conf.
Digest auth_cache_key(const SessionContext& lent, const RouteConfig& route, std::string_view text);

}  // namespace sluice
