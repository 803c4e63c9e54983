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
     .arguments = "PATH | = PATH | ~ REGEX",
     .most_arguments = 2,
     .set = setters::route,
     .example = "/socket",
     .help = "Begins a route for PATH and everything under it; with = for PATH alone, with ~ for "
             "paths in which REGEX is found, in the syntax of RE2 (^ and $ are a path's beginning "
             "and end, (?i) ignores case). Routes are tried in file order, the first match wins, "
             "whichever form it has. Paths are matched in their normal form (needless escapes "
             "undone), with case; one that takes another route with all its escapes undone is "
             "refused.",
     .repeatable = true,
     .required = true,
     .opens = Section::route},
    {.name = "match_host",
     .sections = route,
     .arguments = "HOST...",
     .most_arguments = Directive::any_number,
     .set = setters::match_host,
     .example = "example.org *.example.org",
     .help = "Only requests for one of these hosts, in any case and with any port; *.DOMAIN is "
             "every host under DOMAIN, * alone is every host. All match_ lines of a route must "
             "hold."},
    {.name = "match_header",
     .sections = route,
     .arguments = "NAME [VALUE | ~ REGEX]",
     .most_arguments = 3,
     .set = setters::match_header,
     .example = "X-Region us-east",
     .help = "Only requests with this header field, and with exactly this value, or one in which "
             "REGEX is found, where either is given.",
     .repeatable = true},
    {.name = "match_query",
     .sections = route,
     .arguments = "NAME [VALUE | ~ REGEX]",
     .most_arguments = 3,
     .set = setters::match_query,
     .example = "room lobby",
     .help = "The same of a parameter of the query, whose name and value are compared with their "
             "escapes undone; + is a blank.",
     .repeatable = true},
    {.name = "match_cookie",
     .sections = route,
     .arguments = "NAME [VALUE | ~ REGEX]",
     .most_arguments = 3,
     .set = setters::match_cookie,
     .example = "beta 1",
     .help = "The same of a cookie, whose value is compared as it came.",
     .repeatable = true},
    {.name = "match_client",
     .sections = route,
     .arguments = "CIDR...|unix",
     .most_arguments = Directive::any_number,
     .set = setters::match_client,
     .example = "10.0.0.0/8 2001:db8::/32",
     .help = "Only requests of clients with one of these addresses, by the word of "
             "trusted_proxies where one of them stands between; unix: that came by a unix socket."},
    {.name = "match_listener",
     .sections = route,
     .arguments = "ADDRESS...",
     .most_arguments = Directive::any_number,
     .set = setters::match_listener,
     .example = "127.0.0.1:8080",
     .help = "Only requests that came to one of these listeners, by their addresses as they stand "
             "behind listen."},
    {.name = "match_method",
     .sections = route,
     .arguments = "METHOD...",
     .most_arguments = Directive::any_number,
     .set = setters::match_method,
     .example = "GET HEAD",
     .help = "Only requests with one of these methods; that of a WebSocket handshake is GET."},
    {.name = "proxy_pass",
     .sections = route,
     .arguments = "UPSTREAM|URI",
     .set = setters::proxy_pass,
     .example = "chat",
     .help =
         "Where the route leads: an upstream's name, which stands alone (nginx has http:// before "
         "it), or a server's URI. A route has this, upstream_by or return.",
     .required = true},
    {.name = "upstream_by",
     .sections = route,
     .arguments = "VARIABLE VALUE=UPSTREAM... [default=UPSTREAM]",
     .least_arguments = 2,
     .most_arguments = Directive::any_number,
     .set = setters::upstream_by,
     .example = "$http_x_region us=chat eu=chat default=chat",
     .help = "The route leads to one of several upstreams, by what VARIABLE, of those of "
             "set_header, is in the request: exactly VALUE, with case. With another value, or "
             "none, it is default's; without a default such requests are answered 404. Settings "
             "that an upstream has are those of the one that is chosen."},
    {.name = "strip_path",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::strip_path>,
     .inherit = inherit<&RouteSettings::strip_path>,
     .default_value = "off",
     .help = "Whether the route's path is left out of what goes to servers whose URI has no path: "
             "what stands under /chat goes there as if under /. Where a server's URI has a path, "
             "that takes the place of the route's anyway."},
    {.name = "rewrite_path",
     .sections = route,
     .arguments = "REGEX TO",
     .least_arguments = 2,
     .most_arguments = 2,
     .set = setters::rewrite_path,
     .example = "^/v[0-9]+/(.*)$ /$1",
     .help = "A path in which REGEX is found, in its normal form (needless escapes undone), goes "
             "upstream as TO, in which $1 to $9 are what REGEX's groups matched and $$ is a plain "
             "$. It is judged as a client's is: where it is no path, or has a dot segment, 400. Of "
             "several lines the first one whose REGEX is found counts. It goes behind the path of "
             "a server's URI; the query travels on.",
     .repeatable = true},
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
             "request, _ for -), $auth_http_NAME (of what auth_request was answered), "
             "$cookie_NAME, $query_NAME (of the "
             "query, as it came), $tls_client_subject (of a verified certificate, RFC "
             "2253), $tls_version, $tls_cipher, $tls_server_name and $remote_user (of auth_basic); "
             "$$ is a plain $, and what "
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
    {.name = "set_response_header",
     .sections = top | route,
     .arguments = "NAME VALUE",
     .least_arguments = 2,
     .most_arguments = 2,
     .set = setters::set_response_header,
     .example = "X-Served-By edge",
     .help = "Sets a header field of what the upstream answers, a 101 and any other, in place of "
             "the upstream's own; the variables are those of set_header. One in a route overrides "
             "the top's of that name. Answers of sluice's own stay as they are.",
     .repeatable = true},
    {.name = "remove_response_header",
     .sections = top | route,
     .arguments = "NAME",
     .set = setters::remove_response_header,
     .example = "X-Powered-By",
     .help = "Removes the field of that name from what the upstream answers, and in a route what "
             "the top sets.",
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

constinit const Directive& match_listener = row_named(rows, "match_listener");
constinit const Directive& proxy_pass = row_named(rows, "proxy_pass");
constinit const Directive& upstream_by = row_named(rows, "upstream_by");
constinit const Directive& reply = row_named(rows, "return");

}  // namespace directive

std::span<const Directive> route_rows() {
  return rows;
}

}  // namespace sluice
