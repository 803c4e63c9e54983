// Rows of the directive table: a route and what belongs to it.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
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
     .help =
         "Where the route leads: an upstream's name, which stands alone (nginx has http:// before "
         "it), or a server's URI. A route has this or return.",
     .required = true},
    {.name = "return",
     .sections = route,
     .arguments = "STATUS [LOCATION|TEXT|file:PATH]",
     .most_arguments = 2,
     .set = setters::reply,
     .example = "301 https://$host$request_uri",
     .help =
         "The route answers all requests by itself: 301, 302, 303, 307 and 308 with a LOCATION, "
         "in which stand the variables of set_header; others of 200 to 599 with TEXT, or the "
         "content of a file of at most 1m, which is read with the conf."},
    {.name = "host",
     .sections = top | route,
     .arguments = "client|server|NAME",
     .set = setters::host,
     .inherit = inherit<&RouteSettings::host>,
     .default_value = "(client toward ws://, server toward wss://)",
     .example = "client",
     .help = "The Host field that upstreams get: the client's, that of the server's URI, or NAME."},
    {.name = "set_header",
     .sections = top | route,
     .arguments = "NAME VALUE",
     .least_arguments = 2,
     .most_arguments = 2,
     .set = setters::set_header,
     .example = "X-Edge sluice",
     .help = "Sets a header field of the request that goes upstream, after remove_header. One in a "
             "route overrides the top's of that name. In VALUE stand $remote_addr and $remote_port "
             "of the client, $host (in lower case, without port), $path and $query as they came, "
             "$request_uri (both, with the ? where there is a query), "
             "$scheme (http or https), $request_id (as in the logs), $http_NAME (a field of the "
             "request, _ for -), $cookie_NAME, $query_NAME (of the "
             "query, as it came), $tls_client_subject (of a verified certificate, RFC "
             "2253), $tls_version, $tls_cipher and $tls_server_name; $$ is a plain $, and what "
             "${env:} and ${file:} bring in is text. Where a variable has no value, or the whole "
             "would be empty or hold a control byte, the field is removed.",
     .repeatable = true},
    {.name = "remove_header",
     .sections = top | route,
     .arguments = "NAME",
     .set = setters::remove_header,
     .example = "X-Debug",
     .help = "Removes the client's header field of that name, and in a route what the top sets.",
     .repeatable = true},
    {.name = "keep_header",
     .sections = top | route,
     .arguments = "NAME",
     .set = setters::keep_header,
     .example = "X-Real-IP",
     .help = "Passes on the client's header field of that name though it is one in which strangers "
             "lie about who they are (Forwarded, X-Forwarded-*, X-Real-IP, True-Client-IP, "
             "CF-Connecting-IP and the like), or its name holds other bytes than letters, digits "
             "and -. To the client's X-Forwarded-For its address is then appended; its "
             "X-Forwarded-Proto and -Host stand in place of ours.",
     .repeatable = true},
    {.name = "forwarded",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::forwarded>,
     .inherit = inherit<&RouteSettings::forwarded>,
     .default_value = "off",
     .help = "Whether the field Forwarded (RFC 7239) is written beside X-Forwarded-For, -Proto and "
             "-Host. To what one of trusted_proxies sent our part is appended; where that one "
             "sent X-Forwarded-For alone, its addresses are named first."},
    {.name = "underscore_headers",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::underscore_headers>,
     .inherit = inherit<&RouteSettings::underscore_headers>,
     .default_value = "off",
     .help = "Whether header fields travel on whose names hold _ or other bytes than letters, "
             "digits and -. Many servers read X_A and X.A as X-A, so that a client could set with "
             "them what set_header and remove_header decide. What is dropped is told at info."},
    {.name = "subprotocols",
     .sections = top | route,
     .arguments = "NAME...",
     .most_arguments = Directive::any_number,
     .set = setters::subprotocols,
     .inherit = inherit<&RouteSettings::subprotocols>,
     .example = "mqtt v12.stomp",
     .help = "Of the subprotocols that a client offers, only these travel on. Without it all do."},
};

}  // namespace

namespace directive {

constinit const Directive& proxy_pass = row_named(rows, "proxy_pass");
constinit const Directive& reply = row_named(rows, "return");

}  // namespace directive

std::span<const Directive> route_rows() {
  return rows;
}

}  // namespace sluice
