// Rows of the directive table: an upstream and what belongs to it.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
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
     .help = "One server: ws://HOST[:PORT][/PATH] or ws://unix:/SOCKET[:/PATH], with wss:// for "
             "TLS. Each address of a name is a peer.",
     .repeatable = true,
     .required = true},
    {.name = "connect_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::connect_timeout_ms>,
     .inherit = inherit<&RouteSettings::connect_timeout_ms>,
     .default_value = "5s",
     .help = "For each try to connect to a peer; then the next one is tried, and 504 where all "
             "took too long."},
    {.name = "handshake_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::handshake_timeout_ms>,
     .inherit = inherit<&RouteSettings::handshake_timeout_ms>,
     .default_value = "10s",
     .help =
         "For each peer, from connected to the end of the head of its answer. Where no byte of it "
         "came, the next peer is tried; else, and where all took too long, 504. So a client waits "
         "at most connect_timeout and handshake_timeout for each peer."},
    {.name = "next_peer_on",
     .sections = top | upstream | route,
     .arguments = "STATUS...|off",
     .most_arguments = Directive::any_number,
     .set = setters::next_peer_on,
     .inherit = inherit<&RouteSettings::next_peer_on>,
     .default_value = "off",
     .example = "502 503 504",
     .help = "Statuses, 400 to 599, at which the next peer is asked instead of passing the answer "
             "on, while there is one. A peer that cannot be reached, or that ends or is silent "
             "before the first byte of an answer, always leads to the next."},
    {.name = "max_answer_header_size",
     .sections = top | upstream | route,
     .arguments = "SIZE",
     .set = setters::header_size<&RouteSettings::max_answer_header_bytes>,
     .inherit = inherit<&RouteSettings::max_answer_header_bytes>,
     .default_value = "32k",
     .help = "The largest head of an upstream's answer, together with the interim answers (1xx) "
             "before it, 1k to 1m; beyond it 502. Extensions of a chunk and trailers may be as "
             "large; beyond it the answer breaks off."},
    {.name = "idle_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::idle_timeout_ms>,
     .inherit = inherit<&RouteSettings::idle_timeout_ms>,
     .default_value = "10m",
     .help = "Without a byte either way; then both sides get Close 1001."},
    {.name = "send_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::send_timeout_ms>,
     .inherit = inherit<&RouteSettings::send_timeout_ms>,
     .default_value = "60s",
     .help =
         "How long a peer may take nothing of what waits for it; then the session is aborted. An "
         "upstream's answer other than 101 may also take 12 times as long in all, however it "
         "moves; then it breaks off."},
    {.name = "tcp_keepalive",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::tcp_keepalive_ms>,
     .inherit = inherit<&RouteSettings::tcp_keepalive_ms>,
     .default_value = "5m",
     .help =
         "After so much silence the kernel probes both peers, so that NAT boxes and balancers on "
         "the way do not forget the connection (many do after 350 s), and a peer that vanished "
         "without a word is found out even where idle_timeout is off. Whole seconds, at most "
         "32767."},
    {.name = "close_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::close_timeout_ms>,
     .inherit = inherit<&RouteSettings::close_timeout_ms>,
     .default_value = "5s",
     .help =
         "How long a peer's Close is awaited once a session ends; anew while a message is on its "
         "way, at most twelve times in all. Also how long nothing may move where one side has "
         "ended its sending half without a Close."},
    {.name = "lost_close_code",
     .sections = top | upstream | route,
     .arguments = "CODE|off",
     .set = setters::lost_close_code,
     .inherit = inherit<&RouteSettings::lost_close_code>,
     .default_value = "off",
     .help = "The Close that a client gets when its upstream is lost; off: none, its connection "
             "ends as the upstream's did (1006 to its application)."},
    {.name = "max_message_size",
     .sections = top | upstream | route,
     .arguments = "SIZE|off",
     .set = setters::max_message_size,
     .inherit = inherit<&RouteSettings::max_message_bytes>,
     .default_value = "off",
     .help = "Payload bytes of one message over all its fragments, as they are on the wire; beyond "
             "it Close 1009."},
    {.name = "max_small_fragments",
     .sections = top | upstream | route,
     .arguments = "N|off",
     .set = setters::max_small_fragments,
     .inherit = inherit<&RouteSettings::max_small_fragments>,
     .default_value = "1024",
     .help = "Fragments of one message with less than 64 bytes of payload, 1 to 1000000; beyond it "
             "Close 1008. Larger fragments are not counted."},
    {.name = "control_frame_rate",
     .sections = top | upstream | route,
     .arguments = "N [burst=M]|off",
     .most_arguments = 2,
     .set = setters::control_frame_rate,
     .inherit = inherit<&RouteSettings::control_frame_rate>,
     .default_value = "100 burst=1000",
     .help = "Pings and pongs that each side may send in a second, and M of them at once after a "
             "pause, both 1 to 1000000; beyond it Close 1008. Without burst M is ten times N."},
    {.name = "validate_utf8",
     .sections = top | upstream | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::validate_utf8>,
     .inherit = inherit<&RouteSettings::validate_utf8>,
     .default_value = "off",
     .help = "Whether text messages that are not UTF-8 end the session with Close 1007."},
    {.name = "tls_verify",
     .sections = top | upstream,
     .arguments = "on|off",
     .set = setters::on_or_off<&TlsSettings::verify>,
     .inherit = inherit<&TlsSettings::verify>,
     .default_value = "on",
     .help = "Whether the certificate of a wss:// server must be trusted and carry its name; off "
             "is only for tests and warned about."},
    {.name = "tls_ca",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::authorities<&TlsSettings::authorities>,
     .inherit = inherit<&TlsSettings::authorities>,
     .default_value = "(the system's)",
     .example = "ca.pem",
     .help = "Authorities that wss:// servers' certificates are verified with, in PEM form."},
    {.name = "tls_server_name",
     .sections = top | upstream,
     .arguments = "NAME",
     .set = setters::tls_server_name,
     .inherit = inherit<&TlsSettings::server_name>,
     .default_value = "(the host of the server's URI)",
     .example = "broker.internal",
     .help = "The name that wss:// servers are asked for (SNI) and that their certificate must "
             "carry."},
    {.name = "tls_client_certificate",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::tls_client_certificate,
     .example = "client.pem",
     .help = "What is shown to wss:// servers that ask for a certificate, in PEM form with its "
             "chain."},
    {.name = "tls_client_key",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::tls_client_key,
     .example = "client.key",
     .help = "The private key of tls_client_certificate, readable as a tls_key may be."},
};

}  // namespace

namespace directive {

constinit const Directive& tls_verify = row_named(rows, "tls_verify");
constinit const Directive& tls_ca = row_named(rows, "tls_ca");
constinit const Directive& tls_client_certificate = row_named(rows, "tls_client_certificate");
constinit const Directive& tls_client_key = row_named(rows, "tls_client_key");

}  // namespace directive

std::span<const Directive> upstream_rows() {
  return rows;
}

}  // namespace sluice
