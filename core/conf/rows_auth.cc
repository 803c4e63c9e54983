// Rows of the directive table: whom an authorizer lets in.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
    {.name = "auth_request",
     .sections = top | route,
     .arguments = "URI|off",
     .set = setters::auth_request,
     .default_value = "off",
     .example = "http://127.0.0.1:9000/verify",
     .help =
         "Before a request goes on, handshake or plain, and before `return` answers, a GET asks "
         "this server about it: http[s]://HOST:PORT/PATH, a query included. It gets the client's "
         "header fields without those of the handshake, the body, conditions (If-*, Range) and "
         "tracing (X-Request-Id, Traceparent and the like), with X-Original-Method, "
         "X-Original-URI and X-Forwarded-For, -Proto and -Host. An answer of 2xx lets the client "
         "in; 401 and 403 go to the client with their fields and bodies, as upstreams' answers "
         "do; after anything else, and after none, the client gets 503, and the log says what "
         "came. A body of the client's waits until then."},
    {.name = "auth_timeout",
     .sections = top | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::auth_timeout_ms>,
     .inherit = inherit<&RouteSettings::auth_timeout_ms>,
     .default_value = "5s",
     .help = "How long the server of auth_request may take to answer, once it is connected (for "
             "which it has connect_timeout); then 503."},
    {.name = "auth_cache",
     .sections = top | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::auth_cache_ms>,
     .inherit = inherit<&RouteSettings::auth_cache_ms>,
     .default_value = "off",
     .help = "How long a worker goes by what auth_request was answered, where the same client "
             "sends the same header fields for the same target: 2xx, 401 and 403, but none with "
             "Set-Cookie or Cache-Control: no-store, nor one larger than 8k. Whom the server "
             "would refuse by now has access for so long at most. A reload forgets all."},
};

}  // namespace

namespace directive {

constinit const Directive& auth_cache = row_named(rows, "auth_cache");

}  // namespace directive

std::span<const Directive> auth_rows() {
  return rows;
}

}  // namespace sluice
