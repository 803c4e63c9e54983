// Rows of the directive table: a listener and what belongs to it.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned listen = bit(Section::listen);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
    {.name = "listen",
     .sections = top,
     .arguments = "ADDRESS [backlog=N] [mode=MODE] [owner=USER] [group=GROUP]",
     .most_arguments = 5,
     .set = setters::listen,
     .example = "127.0.0.1:8080",
     .help = "Begins a listener: PORT (on 0.0.0.0), IP:PORT, [IPV6]:PORT or unix:/PATH. All routes "
             "serve all listeners but where match_listener says otherwise. Whoever may write to a "
             "unix socket may connect: without mode= "
             "(octal, 0666) everybody may. backlog= (4096) is how many connections each worker's "
             "socket holds before they are accepted, as far as the kernel's somaxconn permits; "
             "beyond it clients are kept waiting.",
     .repeatable = true,
     .required = true,
     .opens = Section::listen},
    {.name = "client_header_timeout",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&ListenSettings::client_header_timeout_ms>,
     .inherit = inherit<&ListenSettings::client_header_timeout_ms>,
     .default_value = "10s",
     .help = "How long a client may take for its request's head; then 408."},
    {.name = "lingering_timeout",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&ListenSettings::lingering_timeout_ms>,
     .inherit = inherit<&ListenSettings::lingering_timeout_ms>,
     .default_value = "5s",
     .help = "How long a refused client may take to read its answer, and then as long again to end "
             "its side; then it is closed. It holds no session's place by then, and where places "
             "run short the one that waits for longest goes at once."},
    {.name = "keepalive_timeout",
     .sections = top | listen,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&ListenSettings::keepalive_timeout_ms>,
     .inherit = inherit<&ListenSettings::keepalive_timeout_ms>,
     .default_value = "75s",
     .help = "How long a client's connection is kept for its next request when a plain one was "
             "answered (http on). With off it ends with the answer."},
    {.name = "keepalive_requests",
     .sections = top | listen,
     .arguments = "N|off",
     .set = setters::keepalive_requests,
     .inherit = inherit<&ListenSettings::keepalive_requests>,
     .default_value = "1000",
     .help = "The most requests on one connection, 1 to 1000000; the answer to the last one ends "
             "it."},
    {.name = "http2",
     .sections = top | listen,
     .arguments = "on|cleartext|off",
     .set = setters::http2,
     .inherit = inherit<&ListenSettings::http2>,
     .default_value = "off",
     .help =
         "Whether clients may speak HTTP/2, and open WebSockets on streams of one connection "
         "(RFC 8441). With on, TLS listeners offer it by ALPN, before HTTP/1.1; with cleartext, "
         "clients of others may speak it without TLS as well, if they know. Each stream is a "
         "session like any other, in limits, logs and drains. A reload lets their connections "
         "end in order (GOAWAY); streams that live go on. It needs a ring_size of 64k."},
    {.name = "http2_max_concurrent_streams",
     .sections = top | listen,
     .arguments = "N",
     .set = setters::http2_max_streams,
     .inherit = inherit<&ListenSettings::http2_max_streams>,
     .default_value = "128",
     .help = "The most streams that an HTTP/2 connection may have open, 1 to 100000. A client "
             "that opens more is refused, and ended if it knew."},
    {.name = "http2_stream_window",
     .sections = top | listen,
     .arguments = "SIZE",
     .set = setters::http2_stream_window,
     .inherit = inherit<&ListenSettings::http2_stream_window_bytes>,
     .default_value = "65535",
     .help =
         "How many bytes a client may send on an HTTP/2 stream that its peer has not taken yet, "
         "4k to 16m and at most ring_size. Times http2_max_concurrent_streams it is what a "
         "connection can make sluice hold, within buffer_memory."},
    {.name = "http2_reset_rate",
     .sections = top | listen,
     .arguments = "N/s [burst=M]|off",
     .most_arguments = 2,
     .set = setters::http2_rate<&ListenSettings::http2_reset_rate>,
     .inherit = inherit<&ListenSettings::http2_reset_rate>,
     .default_value = "20/s burst=200",
     .example = "20/s burst=200",
     .help = "Streams that a client of HTTP/2 resets, or makes sluice reset by what it sends on "
             "them, in a second on one connection, and M of them at once after a pause. Beyond it "
             "the connection ends with GOAWAY, ENHANCE_YOUR_CALM, and the error log says so. "
             "Without burst M is ten times N."},
    {.name = "http2_control_frame_rate",
     .sections = top | listen,
     .arguments = "N/s [burst=M]|off",
     .most_arguments = 2,
     .set = setters::http2_rate<&ListenSettings::http2_control_frame_rate>,
     .inherit = inherit<&ListenSettings::http2_control_frame_rate>,
     .default_value = "100/s burst=1000",
     .example = "100/s burst=1000",
     .help = "The same for frames that bring neither a request nor a payload: SETTINGS, PING, "
             "PRIORITY, empty DATA, kinds that are not known, and updates of windows beyond what "
             "was sent."},
    {.name = "max_header_size",
     .sections = top | listen,
     .arguments = "SIZE",
     .set = setters::header_size<&ListenSettings::max_header_bytes>,
     .inherit = inherit<&ListenSettings::max_header_bytes>,
     .default_value = "16k",
     .help = "The largest head of a request, its first line included, 1k to 1m; beyond it 431, or "
             "414 where the first line alone is larger."},
    {.name = "max_header_fields",
     .sections = top | listen,
     .arguments = "N|off",
     .set = setters::max_header_fields,
     .inherit = inherit<&ListenSettings::max_header_fields>,
     .default_value = "100",
     .help = "The most header fields of a request, 5 to 1000000, and the most options that its "
             "Connection names; beyond it 431. With off, max_header_size alone bounds them."},
    {.name = "handshake_rate",
     .sections = top | listen,
     .arguments = "N/s [burst=M]|off",
     .most_arguments = 2,
     .set = setters::handshake_rate,
     .inherit = inherit<&ListenSettings::handshake_rate>,
     .default_value = "off",
     .example = "500/s burst=50",
     .help =
         "Connections, and so TLS handshakes, that a listener accepts in a second, over all "
         "workers, and M of them at once after a pause, both 1 to 1000000; at the top it is the "
         "default of each listener. Beyond it clients wait in the kernel's backlog (listen's "
         "backlog=) while the sessions that live go on, and beyond handshake_queue_time they are "
         "refused. Without burst M is a tenth of N. It should be what the machine can do beside "
         "its traffic: after an outage all clients come back at once."},
    {.name = "handshake_queue_time",
     .sections = top | listen,
     .arguments = "TIME",
     .set = setters::timeout<&ListenSettings::handshake_queue_time_ms>,
     .inherit = inherit<&ListenSettings::handshake_queue_time_ms>,
     .default_value = "1s",
     .help =
         "How long clients may wait for handshake_rate. Where some have waited on a listener "
         "without a break for so long, those who wait are refused until none is left, at most "
         "1,000 a second and worker, beside those that handshake_rate still lets in: with 503 and "
         "a Retry-After of 1 to 10 seconds, at random, on a plain listener, and by closing the "
         "connection before the TLS handshake on others."},
    {.name = "healthz",
     .sections = top | listen,
     .arguments = "PATH|off",
     .set = setters::healthz,
     .inherit = inherit<&ListenSettings::healthz>,
     .default_value = "off",
     .example = "/healthz",
     .help = "A path that balancers may ask, with GET or HEAD and whatever query, to learn whether "
             "clients are taken here: the worker itself answers 200, and 503 while it or the "
             "listener is drained. A TLS listener that is drained answers nobody. Such requests "
             "have no line in the logs; metrics count them as handshakes without a route. It goes "
             "before routes. Whether peers are well, /readyz of the admin address tells."},
    {.name = "trusted_proxies",
     .sections = top | listen,
     .arguments = "CIDR...|unix|off",
     .most_arguments = Directive::any_number,
     .set = setters::trusted_proxies,
     .inherit = inherit<&ListenSettings::trusted_proxies>,
     .default_value = "off",
     .example = "10.0.0.0/8 2001:db8::/32 unix",
     .help = "Balancers and CDNs in front of the listener, by their addresses or ranges of them; "
             "`unix` for all that come by a unix socket. They are believed when they say who the "
             "client is, nobody else is. Lines add up; those of a listener stand in place of the "
             "top's.",
     .repeatable = true},
    {.name = "real_ip_header",
     .sections = top | listen,
     .arguments = "NAME",
     .set = setters::real_ip_header,
     .inherit = inherit<&ListenSettings::real_ip_header>,
     .default_value = "X-Forwarded-For",
     .help =
         "The field in which trusted_proxies name the client; CDNs have fields of their own, as "
         "CF-Connecting-IP or True-Client-IP. Its addresses are walked from the right to the "
         "first one that is not trusted: that is the client, in logs, headers and limits. It "
         "travels on, and so do X-Forwarded-For (the hop's address is appended), "
         "X-Forwarded-Proto and X-Forwarded-Host; of others all of these are removed."},
    {.name = "proxy_protocol",
     .sections = top | listen,
     .arguments = "on|off",
     .set = setters::on_or_off<&ListenSettings::proxy_protocol>,
     .inherit = inherit<&ListenSettings::proxy_protocol>,
     .default_value = "off",
     .help = "Each connection begins with a PROXY header, version 1 or 2, before TLS and HTTP, in "
             "which one of trusted_proxies names the client: that is the client then, in logs, "
             "headers and limits. LOCAL and UNKNOWN name nobody: the connection's own address "
             "stands. Connections from elsewhere, and without a header, are closed, and the error "
             "log says so."},
    {.name = "allow",
     .sections = listen | route,
     .arguments = "CIDR...|unix|all",
     .most_arguments = Directive::any_number,
     .set = setters::allow,
     .example = "10.0.0.0/8 2001:db8::/32",
     .help =
         "Lets clients in by their addresses or ranges of them; unix: those that come by a unix "
         "socket. allow and deny lines are tried in their order, the first one that names the "
         "client decides; whom none names is let in, so that deny all closes a list. Behind "
         "listen it is about all that come there, in a route about its own requests. The client "
         "is the one that trusted_proxies and proxy_protocol name.",
     .repeatable = true},
    {.name = "deny",
     .sections = listen | route,
     .arguments = "CIDR...|unix|all",
     .most_arguments = Directive::any_number,
     .set = setters::deny,
     .example = "all",
     .help = "Keeps clients out by their addresses: 403, and from a TLS listener that knows them "
             "when they connect nothing but the end of the connection. healthz and acme_dir answer "
             "everybody.",
     .repeatable = true},
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
     .set = setters::authorities<&TlsSettings::client_authorities>,
     .inherit = inherit<&TlsSettings::client_authorities>,
     .example = "clients.pem",
     .help = "Authorities that clients' certificates are verified with (mTLS), in PEM form."},
    {.name = "tls_verify_client",
     .sections = top | listen,
     .arguments = "on|optional|off",
     .set = setters::tls_verify_client,
     .inherit = inherit<&TlsSettings::verify_client>,
     .default_value = "off",
     .help =
         "Whether clients must show a certificate of tls_client_ca, or may. set_header can pass "
         "its subject on as $tls_client_subject."},
};

}  // namespace

namespace directive {

constinit const Directive& proxy_protocol = row_named(rows, "proxy_protocol");
constinit const Directive& allow = row_named(rows, "allow");
constinit const Directive& http2 = row_named(rows, "http2");
constinit const Directive& tls_certificate = row_named(rows, "tls_certificate");
constinit const Directive& tls_key = row_named(rows, "tls_key");
constinit const Directive& tls_stapling_file = row_named(rows, "tls_stapling_file");
constinit const Directive& tls_client_ca = row_named(rows, "tls_client_ca");
constinit const Directive& tls_verify_client = row_named(rows, "tls_verify_client");

}  // namespace directive

std::span<const Directive> listen_rows() {
  return rows;
}

}  // namespace sluice
