// The table itself. Its order is that of the reference: what stands at the top, then each section's
// opener followed by what belongs to it.
#include "core/conf_directives.h"

#include <algorithm>
#include <vector>

#include "core/conf_setters.h"
#include "core/conf_suggest.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned listen = bit(Section::listen);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

constexpr Directive table[] = {
    {.name = "workers",
     .sections = top,
     .arguments = "N|auto",
     .set = setters::workers,
     .default_value = "auto",
     .help = "Worker processes, 1 to 512; auto is one for each processor."},
    {.name = "user",
     .sections = top,
     .arguments = "NAME",
     .set = setters::user,
     .default_value = "nobody",
     .help = "Whom the workers run as where sluice is started as root; else it has no effect."},
    {.name = "error_log",
     .sections = top,
     .arguments = "stderr|stdout|off|FILE [LEVEL]",
     .most_arguments = 2,
     .set = setters::error_log,
     .default_value = "stderr info",
     .help =
         "Where starts, ends and faults are logged, from LEVEL on: debug, info, notice, warn or "
         "error."},
    {.name = "access_log",
     .sections = top,
     .arguments = "off|stderr|stdout|FILE",
     .set = setters::access_log,
     .default_value = "off",
     .help = "Where a line goes for each session that opens, closes or is refused."},
    {.name = "log_query",
     .sections = top,
     .arguments = "on|off",
     .set = setters::log_query,
     .default_value = "off",
     .help = "Whether logs show the query of a request's target; it often holds tokens."},
    {.name = "pid_file",
     .sections = top,
     .arguments = "FILE",
     .set = setters::pid_file,
     .example = "sluice.pid",
     .help = "Holds the master's process id while sluice runs."},
    {.name = "ring_size",
     .sections = top,
     .arguments = "SIZE",
     .set = setters::ring_size,
     .default_value = "256k",
     .help = "Buffer of one direction while bytes are in it, 16k to 16m, a power of two. Idle "
             "sessions have none."},
    {.name = "worker_connections",
     .sections = top,
     .arguments = "N",
     .set = setters::worker_connections,
     .default_value = "(descriptor limit - 64) / 2",
     .example = "10000",
     .help = "Sessions that one worker holds, 1 to 1000000; further clients get 503."},
    {.name = "include",
     .sections = top | listen | upstream | route,
     .arguments = "FILE",
     .set = setters::include,
     .example = "extra/*.conf",
     .help = "Reads other files here, in the order of their names where FILE holds *, ? or [. "
             "Sections that they open end with them.",
     .repeatable = true},

    {.name = "listen",
     .sections = top,
     .arguments = "ADDRESS",
     .set = setters::listen,
     .example = "127.0.0.1:8080",
     .help = "Begins a listener: PORT (on 0.0.0.0), IP:PORT, [IPV6]:PORT or unix:/PATH. All routes "
             "serve all listeners.",
     .repeatable = true,
     .required = true,
     .opens = Section::listen},
    {.name = "client_header_timeout",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::client_header_timeout_ms>,
     .default_value = "10s",
     .help = "How long a client may take for its request's head; then 408."},
    {.name = "max_header_size",
     .sections = top | listen,
     .arguments = "SIZE",
     .set = setters::max_header_size,
     .default_value = "16k",
     .help = "The largest head of a request, 1k to 1m; beyond it 431."},

    {.name = "upstream",
     .sections = top,
     .arguments = "NAME",
     .set = setters::upstream,
     .example = "chat",
     .help = "Begins a named group of servers among which sessions are shared out in turn.",
     .repeatable = true,
     .opens = Section::upstream},
    {.name = "server",
     .sections = upstream,
     .arguments = "URI",
     .set = setters::server,
     .example = "ws://127.0.0.1:9001/socket",
     .help = "One server: ws://HOST[:PORT][/PATH] or ws://unix:/SOCKET[:/PATH]. Each address of a "
             "name is a peer.",
     .repeatable = true,
     .required = true},
    {.name = "connect_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::connect_timeout_ms>,
     .default_value = "5s",
     .help = "For each try to connect to a peer; then the next one is tried."},
    {.name = "handshake_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::handshake_timeout_ms>,
     .default_value = "10s",
     .help = "From connected to the end of the head of the upstream's answer; then 504."},
    {.name = "idle_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&Settings::idle_timeout_ms>,
     .default_value = "10m",
     .help = "Without a byte either way; then both sides get Close 1001."},
    {.name = "send_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::send_timeout_ms>,
     .default_value = "60s",
     .help = "How long a peer may take nothing of what waits for it; then the session is aborted."},
    {.name = "close_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::close_timeout_ms>,
     .default_value = "5s",
     .help = "How long a peer's Close is awaited once a session ends."},
    {.name = "max_message_size",
     .sections = top | upstream | route,
     .arguments = "SIZE|off",
     .set = setters::max_message_size,
     .default_value = "off",
     .help = "Payload bytes of one message over all its fragments, as they are on the wire; beyond "
             "it Close 1009."},
    {.name = "validate_utf8",
     .sections = top | upstream | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&Settings::validate_utf8>,
     .default_value = "off",
     .help = "Whether text messages that are not UTF-8 end the session with Close 1007."},

    {.name = "route",
     .sections = top,
     .arguments = "PATH",
     .set = setters::route,
     .example = "/socket",
     .help = "Begins a route for PATH and everything under it. Routes are tried in file order, the "
             "first match wins.",
     .repeatable = true,
     .required = true,
     .opens = Section::route},
    {.name = "match_host",
     .sections = route,
     .arguments = "HOST",
     .set = setters::match_host,
     .example = "*.example.org",
     .help = "Only requests for this host, in any case and with any port; *.DOMAIN is every host "
             "under DOMAIN."},
    {.name = "match_header",
     .sections = route,
     .arguments = "NAME [VALUE]",
     .most_arguments = 2,
     .set = setters::match_header,
     .example = "X-Region us-east",
     .help =
         "Only requests with this header field, and with exactly this value where one is given. "
         "All conditions must hold.",
     .repeatable = true},
    {.name = "proxy_pass",
     .sections = route,
     .arguments = "UPSTREAM|URI",
     .set = setters::proxy_pass,
     .example = "chat",
     .help = "Where the route leads: an upstream's name, or a server's URI.",
     .required = true},
    {.name = "host",
     .sections = top | route,
     .arguments = "client|server|NAME",
     .set = setters::host,
     .default_value = "client",
     .help = "The Host field that upstreams get: the client's, that of the server's URI, or NAME."},
    {.name = "set_header",
     .sections = top | route,
     .arguments = "NAME VALUE",
     .least_arguments = 2,
     .most_arguments = 2,
     .set = setters::set_header,
     .example = "X-Edge sluice",
     .help = "Sets a header field of the request that goes upstream, after remove_header. One in a "
             "route overrides the top's of that name.",
     .repeatable = true},
    {.name = "remove_header",
     .sections = top | route,
     .arguments = "NAME",
     .set = setters::remove_header,
     .example = "X-Debug",
     .help = "Removes the client's header field of that name, and in a route what the top sets.",
     .repeatable = true},
    {.name = "subprotocols",
     .sections = top | route,
     .arguments = "NAME...",
     .most_arguments = Directive::any_number,
     .set = setters::subprotocols,
     .example = "mqtt v12.stomp",
     .help = "Of the subprotocols that a client offers, only these travel on. Without it all do."},
};

}  // namespace

std::span<const Directive> directives() {
  return table;
}

const Directive* find_directive(std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [name](const Directive& row) { return row.name == name; });
  return found == std::end(table) ? nullptr : found;
}

std::string suggest_directive(std::string_view name, const Directive*& meant) {
  std::vector<std::string_view> names;
  for (const Directive& row : table) names.push_back(row.name);
  meant = find_directive(nearest(name, names));
  return suggestion(name, names);
}

}  // namespace sluice
