// Rows of the directive table: who may take a route.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned listen = bit(Section::listen);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

void inherit_auth_basic(const Settings& from, Settings& to) {
  to.password_file = from.password_file;
  to.auth_realm = from.auth_realm;
}

constexpr Directive rows[] = {
    {.name = "allowed_origins",
     .sections = top | route,
     .arguments = "ORIGIN...|same-origin|null|*|off",
     .most_arguments = Directive::any_number,
     .set = setters::allowed_origins,
     .inherit = inherit<&RouteSettings::allowed_origins>,
     .default_value = "off",
     .example = "same-origin https://app.example.org *.example.com",
     .help = "The pages that may open a WebSocket, by their origin, which browsers send as Origin: "
             "https://HOST or https://HOST:PORT; *.HOST is every host below HOST; without https:// "
             "or http:// both are meant. same-origin is a page of the scheme, host and port that "
             "are asked (those that one of trusted_proxies names in X-Forwarded-Proto and Host). "
             "null is a page without an origin, as a file or a sandboxed frame, and let in only "
             "where it is named. Others are answered 403. Who sends no Origin is no browser and "
             "passes; plain requests do, too. Without the line, or with *, a page from anywhere "
             "may use its visitors' cookies here. Lines add up.",
     .repeatable = true},
    {.name = "require_subprotocol",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::require_subprotocol>,
     .inherit = inherit<&RouteSettings::require_subprotocol>,
     .default_value = "off",
     .help = "Whether a handshake must offer a subprotocol, and one of `subprotocols` where that "
             "names some; else 400."},
    {.name = "limit_connections",
     .sections = top | listen | upstream | route,
     .arguments = "N per client|route, or off",
     .most_arguments = 3,
     .set = setters::limit_connections,
     .inherit = inherit<&RouteSettings::limit_connections>,
     .default_value = "off",
     .example = "10 per client",
     .help =
         "WebSockets that a route has at a time, over all workers, from the handshake to the "
         "session's end: of each client, 429 beyond it, or in all, 503; 1 to 1000000. Both may "
         "stand, and count for each route by itself. Plain requests are not counted. A client is "
         "an IPv4 address, or the /64 of an IPv6 one, as trusted_proxies and proxy_protocol name "
         "it; who comes by a unix socket has none, and is not limited as a client. Behind listen "
         "it is per client alone and counts connections from the moment they are accepted, "
         "whatever they ask: 429 beyond it, and from a TLS listener nothing but the end of the "
         "connection. There the client must be known at once: with trusted_proxies or "
         "proxy_protocol it is an error. At the same instant workers may refuse two where one "
         "more might have been, never the other way round.",
     .repeatable = true},
    {.name = "limit_handshakes",
     .sections = top | upstream | route,
     .arguments = "N/s|N/m [burst=M] per client, or off",
     .most_arguments = 4,
     .set = setters::limit_handshakes,
     .inherit = inherit<&RouteSettings::limit_handshakes>,
     .default_value = "off",
     .example = "10/s burst=20 per client",
     .help =
         "WebSocket handshakes that each client may make on a route in a second, or a minute, over "
         "all workers, and M of them at once after a pause, both 1 to 1000000; without burst M is "
         "N. Beyond it 429, with the seconds until the next one in Retry-After; who is refused "
         "owes nothing for it. Those count that are refused later, too, so that guesses at a "
         "password are slow. Plain requests are not counted. The client is limit_connections'."},
    {.name = "auth_basic",
     .sections = top | route,
     .arguments = "FILE|off [realm=TEXT]",
     .most_arguments = 2,
     .set = setters::auth_basic,
     .inherit = inherit_auth_basic,
     .default_value = "off",
     .example = "users.htpasswd \"realm=the team's\"",
     .help = "Lets in who names a user of FILE and its password (Basic authentication, RFC 7617); "
             "others are answered 401. FILE has lines as htpasswd -B writes them, USER:HASH with "
             "bcrypt's hash, and is read with the conf. Passwords travel in clear text: let it be "
             "behind TLS. They are checked outside of the workers, one after the other, by a "
             "thread of the keeper's. $remote_user is who it was; the Authorization field travels "
             "on."},
    {.name = "auth_basic_timeout",
     .sections = top | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::auth_basic_timeout_ms>,
     .inherit = inherit<&RouteSettings::auth_basic_timeout_ms>,
     .default_value = "10s",
     .help = "How long the check of a password may take, those before it included; then 503."},
};

}  // namespace

namespace directive {

constinit const Directive& limit_connections = row_named(rows, "limit_connections");

}  // namespace directive

std::span<const Directive> admission_rows() {
  return rows;
}

}  // namespace sluice
