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
     .help = "Worker processes, 1 to 512; auto is one for each processor that sluice may use, by "
             "its affinity and its cgroup's quota."},
    {.name = "user",
     .sections = top,
     .arguments = "NAME",
     .set = setters::user,
     .default_value = "(sluice where there is one, else nobody)",
     .example = "nobody",
     .help = "Whom the workers run as where sluice is started as root; else it has no effect. Who "
             "else runs as that user could signal the workers, so it should have no other use."},
    {.name = "error_log",
     .sections = top,
     .arguments = "stderr|stdout|off|FILE [LEVEL]",
     .most_arguments = 2,
     .set = setters::error_log,
     .default_value = "stderr info",
     .help =
         "Where starts, ends and faults are logged, from LEVEL on: debug, info, notice, warn or "
         "error. What recurs is told at a bounded rate: the first five of a kind at once, then one "
         "line a minute with a count. Where access_log is off, refusals are told here, at info."},
    {.name = "access_log",
     .sections = top,
     .arguments = "off|stderr|stdout|FILE",
     .set = setters::access_log,
     .default_value = "off",
     .help =
         "Where a line goes for each session that opens, closes or is refused. A close line says "
         "closed_by: client or upstream, which sent a Close (code, 1005 for one without a code) or "
         "left without one (no code); proxy, by a decision of its own or for what a peer did "
         "(fault). sent_client and sent_upstream are the codes of Closes of the proxy's own. "
         "reason is close; connection ended without a close; what the kernel or TLS said of a lost "
         "connection; idle_timeout; send_timeout; buffer_memory; shutting down; out of memory; "
         "else what was wrong with a frame."},
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
    {.name = "buffer_memory",
     .sections = top,
     .arguments = "SIZE|auto",
     .set = setters::buffer_memory,
     .default_value = "auto",
     .help = "What one worker may hold for bytes on their way: rings, pipes and TLS records that "
             "slow readers leave behind; 1m to 1024g. Auto is an eighth of the memory of machine "
             "or cgroup, shared out among the workers, at most 512m each. Once three quarters are "
             "held, sessions whose reader took nothing for longest (a second at least) are ended."},
    {.name = "splice",
     .sections = top,
     .arguments = "on|off",
     .set = setters::splice,
     .default_value = "on",
     .help =
         "Whether payload of frames of 64 KiB and more passes inside the kernel (splice(2)) where "
         "neither side is in TLS, at about half the cost."},
    {.name = "worker_connections",
     .sections = top,
     .arguments = "N",
     .set = setters::worker_connections,
     .default_value = "(what the descriptor limit permits)",
     .example = "10000",
     .help = "Sessions that one worker holds, 1 to 1000000; further clients get 503. Each takes "
             "two descriptors; permitted is half of what the limit (ulimit -n) leaves beside the "
             "worker's own, about 40 and one for each listener, and 35 for refusals."},
    {.name = "tls_ticket_lifetime",
     .sections = top,
     .arguments = "TIME|off",
     .set = setters::tls_ticket_lifetime,
     .default_value = "12h",
     .help = "How long a TLS session may be resumed, by clients and toward servers, counted from "
             "the TLS handshake in which certificates were verified, and never past a "
             "certificate's end. The keys of session tickets are shared by all workers, changed "
             "as often, and opened for one change more."},
    {.name = "tls_protocols",
     .sections = top | listen | upstream,
     .arguments = "TLSv1.2|TLSv1.3...",
     .most_arguments = 2,
     .set = setters::tls_protocols,
     .default_value = "TLSv1.2 TLSv1.3",
     .help = "Versions of TLS that are spoken, with clients in a listen section, with servers in "
             "an upstream section."},
    {.name = "tls_ciphers",
     .sections = top | listen | upstream,
     .arguments = "LIST",
     .set = setters::tls_ciphers,
     .default_value = "(Mozilla's intermediate suites)",
     .example = "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256",
     .help = "Suites by OpenSSL's names, joined by colons; those of TLS 1.3 begin with TLS_. Where "
             "only one version's are named, the other keeps its default."},
    {.name = "tls_crl",
     .sections = top | listen | upstream,
     .arguments = "FILE",
     .set = setters::tls_crl,
     .example = "revoked.pem",
     .help = "CRLs in PEM form, one of each authority in a chain: whom they name is refused, and "
             "everybody where one is missing or outdated. For clients' certificates in a listen "
             "section, for servers' in an upstream section."},
    {.name = "tls_verify_depth",
     .sections = top | listen | upstream,
     .arguments = "N",
     .set = setters::tls_verify_depth,
     .default_value = "4",
     .help =
         "Certificates, 0 to 100, that may stand between a peer's own and the authority that is "
         "trusted; with a longer chain it is refused."},
    {.name = "tls_max_certificate_chain",
     .sections = top | listen | upstream,
     .arguments = "SIZE",
     .set = setters::tls_max_certificate_chain,
     .default_value = "20k",
     .help = "Of the certificates that a peer shows, 1k to 16m. They are taken in before they are "
             "verified; with more it is refused."},
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
     .arguments = "ADDRESS [backlog=N] [mode=MODE] [owner=USER] [group=GROUP]",
     .most_arguments = 5,
     .set = setters::listen,
     .example = "127.0.0.1:8080",
     .help = "Begins a listener: PORT (on 0.0.0.0), IP:PORT, [IPV6]:PORT or unix:/PATH. All routes "
             "serve all listeners. Whoever may write to a unix socket may connect: without mode= "
             "(octal, 0666) everybody may. backlog= (4096) is how many connections each worker's "
             "socket holds before they are accepted, as far as the kernel's somaxconn permits; "
             "beyond it clients are kept waiting.",
     .repeatable = true,
     .required = true,
     .opens = Section::listen},
    {.name = "client_header_timeout",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::client_header_timeout_ms>,
     .default_value = "10s",
     .help = "How long a client may take for its request's head; then 408."},
    {.name = "lingering_timeout",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::lingering_timeout_ms>,
     .default_value = "5s",
     .help = "How long a refused client may take to read its answer, and then as long again to end "
             "its side; then it is closed. It holds no session's place by then, and where places "
             "run short the one that waits for longest goes at once."},
    {.name = "max_header_size",
     .sections = top | listen,
     .arguments = "SIZE",
     .set = setters::header_size<&Settings::max_header_bytes>,
     .default_value = "16k",
     .help = "The largest head of a request, its first line included, 1k to 1m; beyond it 431, or "
             "414 where the first line alone is larger."},
    {.name = "max_header_fields",
     .sections = top | listen,
     .arguments = "N|off",
     .set = setters::max_header_fields,
     .default_value = "100",
     .help = "The most header fields of a request, 5 to 1000000, and the most options that its "
             "Connection names; beyond it 431. With off, max_header_size alone bounds them."},
    {.name = "tls_certificate",
     .sections = listen,
     .arguments = "FILE",
     .set = setters::tls_certificate,
     .example = "site.pem",
     .help = "Makes it a TLS listener (wss://): a certificate in PEM form, followed by its chain. "
             "Of several, that with the name asked for is shown (SNI), else the first.",
     .repeatable = true},
    {.name = "tls_key",
     .sections = listen,
     .arguments = "FILE",
     .set = setters::tls_key,
     .example = "site.key",
     .help =
         "The private key of the tls_certificate before it, readable by its owner alone or by a "
         "group that is root, ssl-cert or one that sluice runs in.",
     .repeatable = true},
    {.name = "tls_stapling_file",
     .sections = listen,
     .arguments = "FILE",
     .set = setters::tls_stapling_file,
     .example = "site.ocsp",
     .help = "An OCSP response in DER form, stapled to the tls_certificate before it.",
     .repeatable = true},
    {.name = "tls_client_ca",
     .sections = top | listen,
     .arguments = "FILE",
     .set = setters::authorities<&Settings::tls_client_ca>,
     .example = "clients.pem",
     .help = "Authorities that clients' certificates are verified with (mTLS), in PEM form."},
    {.name = "tls_verify_client",
     .sections = top | listen,
     .arguments = "on|optional|off",
     .set = setters::tls_verify_client,
     .default_value = "off",
     .help =
         "Whether clients must show a certificate of tls_client_ca, or may. set_header can pass "
         "its subject on as $tls_client_subject."},

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
     .set = setters::timeout<&Settings::connect_timeout_ms>,
     .default_value = "5s",
     .help = "For each try to connect to a peer; then the next one is tried, and 504 where all "
             "took too long."},
    {.name = "handshake_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::handshake_timeout_ms>,
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
     .default_value = "off",
     .example = "502 503 504",
     .help = "Statuses, 400 to 599, at which the next peer is asked instead of passing the answer "
             "on, while there is one. A peer that cannot be reached, or that ends or is silent "
             "before the first byte of an answer, always leads to the next."},
    {.name = "max_answer_header_size",
     .sections = top | upstream | route,
     .arguments = "SIZE",
     .set = setters::header_size<&Settings::max_answer_header_bytes>,
     .default_value = "32k",
     .help = "The largest head of an upstream's answer, together with the interim answers (1xx) "
             "before it, 1k to 1m; beyond it 502. Extensions of a chunk and trailers may be as "
             "large; beyond it the answer breaks off."},
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
     .help =
         "How long a peer may take nothing of what waits for it; then the session is aborted. An "
         "upstream's answer other than 101 may also take 12 times as long in all, however it "
         "moves; then it breaks off."},
    {.name = "close_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&Settings::close_timeout_ms>,
     .default_value = "5s",
     .help =
         "How long a peer's Close is awaited once a session ends; anew while a message is on its "
         "way, at most twelve times in all. Also how long nothing may move where one side has "
         "ended its sending half without a Close."},
    {.name = "lost_close_code",
     .sections = top | upstream | route,
     .arguments = "CODE|off",
     .set = setters::lost_close_code,
     .default_value = "off",
     .help = "The Close that a client gets when its upstream is lost; off: none, its connection "
             "ends as the upstream's did (1006 to its application)."},
    {.name = "max_message_size",
     .sections = top | upstream | route,
     .arguments = "SIZE|off",
     .set = setters::max_message_size,
     .default_value = "off",
     .help = "Payload bytes of one message over all its fragments, as they are on the wire; beyond "
             "it Close 1009."},
    {.name = "max_small_fragments",
     .sections = top | upstream | route,
     .arguments = "N|off",
     .set = setters::max_small_fragments,
     .default_value = "1024",
     .help = "Fragments of one message with less than 64 bytes of payload, 1 to 1000000; beyond it "
             "Close 1008. Larger fragments are not counted."},
    {.name = "control_frame_rate",
     .sections = top | upstream | route,
     .arguments = "N [burst=M]|off",
     .most_arguments = 2,
     .set = setters::control_frame_rate,
     .default_value = "100 burst=1000",
     .help = "Pings and pongs that each side may send in a second, and M of them at once after a "
             "pause, both 1 to 1000000; beyond it Close 1008. Without burst M is ten times N."},
    {.name = "validate_utf8",
     .sections = top | upstream | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&Settings::validate_utf8>,
     .default_value = "off",
     .help = "Whether text messages that are not UTF-8 end the session with Close 1007."},
    {.name = "tls_verify",
     .sections = top | upstream,
     .arguments = "on|off",
     .set = setters::on_or_off<&Settings::tls_verify>,
     .default_value = "on",
     .help = "Whether the certificate of a wss:// server must be trusted and carry its name; off "
             "is only for tests and warned about."},
    {.name = "tls_ca",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::authorities<&Settings::tls_ca>,
     .default_value = "(the system's)",
     .example = "ca.pem",
     .help = "Authorities that wss:// servers' certificates are verified with, in PEM form."},
    {.name = "tls_server_name",
     .sections = top | upstream,
     .arguments = "NAME",
     .set = setters::tls_server_name,
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
             "$scheme (http or https), $request_id (as in the logs), $http_NAME (a field of the "
             "request, _ for -), $cookie_NAME, $tls_client_subject (of a verified certificate, RFC "
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
    {.name = "underscore_headers",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&Settings::underscore_headers>,
     .default_value = "off",
     .help = "Whether header fields travel on whose names hold _ or other bytes than letters, "
             "digits and -. Many servers read X_A and X.A as X-A, so that a client could set with "
             "them what set_header and remove_header decide. What is dropped is told at info."},
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
