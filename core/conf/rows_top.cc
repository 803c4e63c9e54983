// Rows of the directive table: what stands before the first section.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned listen = bit(Section::listen);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
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
             "else runs as that user could signal the workers, so it should have no other use.",
     .keep = keep<&Config::user>},
    {.name = "error_log",
     .sections = top,
     .arguments =
         "stderr|stdout|off|FILE|syslog:ADDRESS [LEVEL] [text|json] [facility=NAME] [tag=NAME]",
     .most_arguments = 5,
     .set = setters::error_log,
     .default_value = "stderr info",
     .help =
         "Where starts, ends and faults are logged, from LEVEL on: debug, info, notice, warn or "
         "error. What recurs is told at a bounded rate: the first five of a kind at once, then one "
         "line a minute with a count. Where access_log is off, refusals are told here, at info. "
         "With json each line is an object with time, level, process, pid and message, but what a "
         "fatal signal leaves, which is text. syslog is as with access_log; the level is the "
         "severity."},
    {.name = "access_log",
     .sections = top,
     .arguments = "off|stderr|stdout|FILE|syslog:ADDRESS [FORMAT] [facility=NAME] [tag=NAME]",
     .most_arguments = 4,
     .set = setters::access_log,
     .default_value = "off",
     .help =
         "Where a line goes for each session that opens, closes or is refused. FORMAT is text, "
         "json, or the name of a log_format; text where none is given. A close line says "
         "closed_by: client or upstream, which sent a Close (code, 1005 for one without a code) or "
         "left without one (no code); proxy, by a decision of its own or for what a peer did "
         "(fault). sent_client and sent_upstream are the codes of Closes of the proxy's own. "
         "reason is close; connection ended without a close; what the kernel or TLS said of a lost "
         "connection; idle_timeout; send_timeout; max_queued_time; client_ping_timeout or "
         "upstream_ping_timeout; max_session_age; drain; on_peer_gone; closed by an operator; the "
         "rate that was "
         "exceeded; buffer_memory; shutting down; out of memory; else what was wrong with a frame. "
         "client_rtt and upstream_rtt are the round trips of the latest pings of the proxy's own, "
         "in "
         "seconds. syslog:unix:PATH and syslog:udp:IP:PORT (514 where none is given) send each "
         "line as a datagram of RFC 5424, in UTC, cut behind 8 KiB where it is text; facility= "
         "is that of syslog.conf(5), local7 by default, tag= the program's name there, sluice by "
         "default. Lines that the daemon has no room for, or that come while it is not there, are "
         "lost and counted. Workers' user must be able to write to the socket, so that they "
         "find a daemon that was started anew."},
    {.name = "log_format",
     .sections = top,
     .arguments = "NAME text|json FIELD...",
     .least_arguments = 3,
     .most_arguments = Directive::any_number,
     .set = setters::log_format,
     .example = "wide json id client host target user_agent status duration closed_by code reason",
     .help =
         "The fields of access_log's lines, in their order, behind the time and the event (open, "
         "close, refused): name=value in text, an object in json, where numbers are numbers. A "
         "field that has nothing to tell, or not yet, is left out. Fields: id, client, listener, "
         "route, upstream, peer; peers_tried (all, joined by commas) and tries; host, target, "
         "origin, user_agent, forwarded_for (X-Forwarded-For as it came); request_id (the "
         "client's X-Request-Id, or the session's id where there is none or set_header replaces "
         "it); subprotocol, status; protocol (HTTP/1.1, HTTP/2), connection (of HTTP/2: the id "
         "that its streams share); tls_version, tls_cipher, tls_name (SNI), tls_client_subject "
         "(of a verified certificate); handshake_time (from accept to the 101), connect_time (to "
         "all peers tried, TLS included) and duration, in seconds; client_bytes, client_messages, "
         "upstream_bytes, upstream_messages, client_rtt, upstream_rtt; closed_by, fault, code, "
         "sent_client, sent_upstream; client_sent_close, client_got_close, upstream_sent_close, "
         "upstream_got_close (codes of the Closes that each side sent and was sent; what answers "
         "one of the proxy's own is not looked at); reason, detail. A session keeps for its close "
         "line what the format names of its handshake.",
     .repeatable = true},
    {.name = "max_log_value_size",
     .sections = top,
     .arguments = "SIZE",
     .set = setters::max_log_value_size,
     .default_value = "1k",
     .help = "The most that one value takes in lines of json and of a log_format, 64 to 4k, as it "
             "is written, escapes and all; what is longer ends in \"...\"."},
    {.name = "sticky_key",
     .sections = top,
     .arguments = "FILE",
     .set = setters::sticky_key,
     .default_value = "(made at the start)",
     .example = "sticky.key",
     .help =
         "Of what sticky cookies are made: a file of at least 16 bytes, read by its owner alone. "
         "With the same one several sluices, and the next start, understand each other's "
         "cookies. Without it a key is made at the start, which reloads keep."},
    {.name = "log_query",
     .sections = top,
     .arguments = "on|off",
     .set = setters::log_query,
     .default_value = "off",
     .help = "Whether logs show the query of a request's target; it often holds tokens. log_mask "
             "says of which parameters they show no value."},
    {.name = "log_mask",
     .sections = top,
     .arguments = "off|NAME...",
     .most_arguments = Directive::any_number,
     .set = setters::log_mask,
     .default_value = "(names that often stand for secrets)",
     .example = "access_token,token,pin",
     .help = "Query parameters whose values logs show as ***, where log_query is on; between the "
             "names stand blanks or commas. Case counts for nothing, and a name may be "
             "percent-encoded. The line takes the place of the default, which is access_token, "
             "api_key, apikey, auth, authorization, code, id_token, jwt, key, passwd, password, "
             "refresh_token, secret, session, sig, signature, token."},
    {.name = "pid_file",
     .sections = top,
     .arguments = "FILE",
     .set = setters::pid_file,
     .example = "sluice.pid",
     .help = "Holds the master's process id while sluice runs. A folder right below /run is made "
             "where it is missing.",
     .keep = keep<&Config::pid_file>},
    {.name = "acme_dir",
     .sections = top,
     .arguments = "FOLDER",
     .set = setters::acme_dir,
     .example = "/var/lib/acme/.well-known/acme-challenge",
     .help =
         "Where certbot, lego and the like put the files by which an authority sees that a name is "
         "ours (http-01, RFC 8555 8.3). A GET of /.well-known/acme-challenge/NAME is answered with "
         "that folder's NAME, whatever the routes say, at all listeners, for any host, and with "
         "404 "
         "where there is none. Served are the latest 64 files of at most 4k that everybody may "
         "read "
         "and whose names are 1 to 128 letters, digits, - and _; no links. They are read by the "
         "master as soon as they change, within a second where the folder was not there before: "
         "make it first, and give the clients its parent's parent as webroot."},
    {.name = "control",
     .sections = top,
     .arguments = "unix:/PATH|off [mode=MODE]",
     .most_arguments = 2,
     .set = setters::control,
     .default_value = "off",
     .example = "unix:/run/sluice/control.sock",
     .help =
         "A unix socket where the master takes commands: `sluice -s` speaks to it, a line for "
         "each command and a line of JSON for each answer. Whatever mode= (octal, 0600) lets "
         "connect, only root and the user that the master runs as are heard. A folder right below "
         "/run is made where it is missing.",
     .keep = keep<&Config::control>},
    {.name = "ring_size",
     .sections = top,
     .arguments = "SIZE",
     .set = setters::ring_size,
     .default_value = "256k",
     .help = "Buffer of one direction while bytes are in it, 16k to 16m, a power of two. Idle "
             "sessions have none.",
     .keep = keep<&Config::ring_bytes>},
    {.name = "buffer_memory",
     .sections = top,
     .arguments = "SIZE|auto",
     .set = setters::buffer_memory,
     .default_value = "auto",
     .help = "What one worker may hold for bytes on their way: rings, pipes and TLS records that "
             "slow readers leave behind; 1m to 1024g. Auto is an eighth of the memory of machine "
             "or cgroup, shared out among the workers, at most 512m each. Once three quarters are "
             "held, sessions whose reader took nothing for longest (a second at least) are ended."},
    {.name = "auth_basic_queue",
     .sections = top,
     .arguments = "N",
     .set = setters::auth_basic_queue,
     .default_value = "64",
     .help = "Passwords that wait to be checked at a time, over all workers, 1 to 1024; further "
             "requests are answered 503. A check takes about 50 ms where the hash's cost is 10."},
    {.name = "auth_basic_cache",
     .sections = top,
     .arguments = "N|off",
     .set = setters::auth_basic_cache,
     .default_value = "1000",
     .help = "Right passwords that a worker remembers, as digests under a key of its own, up to "
             "1000000, so that clients which come again wait for no check. What the file says "
             "otherwise is checked anew."},
    {.name = "auth_cache_size",
     .sections = top,
     .arguments = "COUNT",
     .set = setters::auth_cache_size,
     .default_value = "1000",
     .help = "How many answers each worker keeps for auth_cache, each of at most 8k; for a new one "
             "the oldest goes. From 1 to 1000000."},
    {.name = "splice",
     .sections = top,
     .arguments = "on|off",
     .set = setters::splice,
     .default_value = "on",
     .help =
         "Whether payload of frames of 64 KiB and more passes inside the kernel (splice(2)) where "
         "neither side is in TLS, at about half the cost.",
     .keep = keep<&Config::splice>},
    {.name = "sandbox",
     .sections = top,
     .arguments = "on|off",
     .set = setters::sandbox,
     .default_value = "on",
     .help = "Whether workers can make only the system calls that they need (seccomp) and open no "
             "file (Landlock), as far as build and kernel know either; off is for finding out "
             "whether it is in the way. A call that is refused fails, is told once in the error "
             "log and ends no worker. Without it, too, workers have no capabilities.",
     .keep = keep<&Config::sandbox>},
    {.name = "worker_timeout",
     .sections = top,
     .arguments = "TIME|off",
     .set = setters::worker_timeout,
     .default_value = "30s",
     .help =
         "A worker, or the keeper, whose loop has been in one and the same turn for so long, 1s "
         "at least, is "
         "stuck: it is sent SIGABRT, so that it writes to the error log where it stands, SIGKILL "
         "where it has not ended after as long again, and another takes its place. A turn "
         "takes milliseconds; waiting is none, and neither is a worker that was stopped while "
         "it waited."},
    {.name = "drain_timeout",
     .sections = top,
     .arguments = "TIME|off",
     .set = setters::drain_timeout,
     .default_value = "60s",
     .help = "Over how long QUIT, and `sluice -s drain` where it names no time, end the sessions: "
             "evenly, so that clients do not come back all at once, each with a Close behind the "
             "message that is under way. Who has not gone close_timeout after it is ended; a "
             "message that still moves may take twelve times as long. off: "
             "QUIT waits until the last session has gone by itself, and drain ends none."},
    {.name = "drain_code",
     .sections = top,
     .arguments = "1001|1012",
     .set = setters::drain_code,
     .default_value = "1001",
     .help = "The code of these Closes: 1001 is going away, 1012 a restart of the service. There "
             "are clients that do not come back after 1001."},
    {.name = "worker_connections",
     .sections = top,
     .arguments = "N",
     .set = setters::worker_connections,
     .default_value = "(what the descriptor limit permits)",
     .example = "10000",
     .help = "Sessions that one worker holds, 1 to 1000000; further clients get 503. Each takes "
             "two descriptors; permitted is half of what the limit (ulimit -n) leaves beside the "
             "worker's own, about 40 and one for each listener, and 93 for refusals."},
    {.name = "client_table_size",
     .sections = top,
     .arguments = "N",
     .set = setters::client_table_size,
     .default_value = "131072",
     .help =
         "Clients that limit_connections can count at a time, for each worker, and that "
         "limit_handshakes can remember, over all workers: 1000 to 4194304, each once for each "
         "route or listener that limits it. An entry takes 13 bytes for each worker and 16 more, "
         "once it is used. A client that finds no room for its count gets 503, and where there is "
         "none to remember its handshakes whoever owes least is forgotten; metrics count both.",
     .keep = keep<&Config::client_table_size>},
    {.name = "tls_ticket_lifetime",
     .sections = top,
     .arguments = "TIME|off",
     .set = setters::tls_ticket_lifetime,
     .default_value = "12h",
     .help = "How long a TLS session may be resumed, by clients and toward servers, counted from "
             "the TLS handshake in which certificates were verified, and never past a "
             "certificate's end. The keys of session tickets are shared by all workers, changed "
             "as often, and opened for one change more."},
    {.name = "tls_reload_on_change",
     .sections = top,
     .arguments = "on|off",
     .set = setters::tls_reload_on_change,
     .default_value = "off",
     .help = "Whether the conf is read anew, as with HUP, two seconds after the latest change of a "
             "file that a tls_ directive names, or of a link on the way there. Where it is bad "
             "then (a certificate without its key yet), nothing changes until the next change. "
             "Only on Linux."},
    {.name = "tls_protocols",
     .sections = top | listen | upstream,
     .arguments = "TLSv1.2|TLSv1.3...",
     .most_arguments = 2,
     .set = setters::tls_protocols,
     .inherit = inherit<&TlsPolicy::protocols>,
     .default_value = "TLSv1.2 TLSv1.3",
     .help = "Versions of TLS that are spoken, with clients in a listen section, with servers in "
             "an upstream section."},
    {.name = "tls_ciphers",
     .sections = top | listen | upstream,
     .arguments = "LIST",
     .set = setters::tls_ciphers,
     .inherit = inherit<&TlsPolicy::ciphers>,
     .default_value = "(Mozilla's intermediate suites)",
     .example = "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256",
     .help = "Suites by OpenSSL's names, joined by colons; those of TLS 1.3 begin with TLS_. Where "
             "only one version's are named, the other keeps its default."},
    {.name = "tls_crl",
     .sections = top | listen | upstream,
     .arguments = "FILE",
     .set = setters::tls_crl,
     .inherit = inherit<&TlsPolicy::revoked>,
     .example = "revoked.pem",
     .help = "CRLs in PEM form, one of each authority in a chain: whom they name is refused, and "
             "everybody where one is missing or outdated. For clients' certificates in a listen "
             "section, for servers' in an upstream section."},
    {.name = "tls_verify_depth",
     .sections = top | listen | upstream,
     .arguments = "N",
     .set = setters::tls_verify_depth,
     .inherit = inherit<&TlsPolicy::verify_depth>,
     .default_value = "4",
     .help =
         "Certificates, 0 to 100, that may stand between a peer's own and the authority that is "
         "trusted; with a longer chain it is refused."},
    {.name = "tls_max_certificate_chain",
     .sections = top | listen | upstream,
     .arguments = "SIZE",
     .set = setters::tls_max_certificate_chain,
     .inherit = inherit<&TlsPolicy::chain_bytes>,
     .default_value = "20k",
     .help = "Of the certificates that a peer shows, 1k to 16m. They are taken in before they are "
             "verified; with more it is refused."},
    {.name = "tls_max_records_without_data",
     .sections = top | listen | upstream,
     .arguments = "N|off",
     .set = setters::tls_max_records_without_data,
     .inherit = inherit<&TlsPolicy::records_without_data>,
     .default_value = "32",
     .help =
         "TLS records in a row that a peer may send without data in them once the TLS handshake "
         "is done (key updates, session tickets, warnings), 1 to 1000000; with more the "
         "connection is ended. Each costs far more than its few bytes. OpenSSL itself takes no "
         "more than 32 empty ones in a row and 4 warnings."},
    {.name = "resolver",
     .sections = top,
     .arguments = "ADDRESS...",
     .most_arguments = most_name_servers,
     .set = setters::resolver,
     .default_value = "(those of /etc/resolv.conf)",
     .example = "10.0.0.2 [2001:db8::2]:5353",
     .help = "Name servers that are asked where the names of servers lead, each as IP, IP:PORT or "
             "[IPV6]:PORT. /etc/hosts is asked before them; localhost is asked of nobody."},
    {.name = "resolver_timeout",
     .sections = top,
     .arguments = "TIME",
     .set = setters::resolver_timeout,
     .default_value = "5s",
     .help = "For an answer, over all name servers and tries."},
    {.name = "resolve_interval",
     .sections = top,
     .arguments = "MIN [MAX] | off",
     .most_arguments = 2,
     .set = setters::resolve_interval,
     .default_value = "1s 5m",
     .help =
         "A name of a server is asked again when its answer's TTL ends, but no sooner than MIN and "
         "no later than MAX after it came. New sessions go to the addresses of the latest answer "
         "(on_peer_gone says what becomes of those with others), and those stand while there is no "
         "newer one. off: names are resolved when sluice starts and when it reloads."},
    {.name = "resolve_at_start",
     .sections = top,
     .arguments = "try|require",
     .set = setters::resolve_at_start,
     .default_value = "try",
     .help =
         "What a server's name that cannot be resolved at the start or at a reload is: with try "
         "a warning, and its peers come when it can be; with require an error. It is asked of this "
         "machine's resolver then; name servers of `resolver` are asked once sluice runs."},
    {.name = "resolve_max_addresses",
     .sections = top,
     .arguments = "N",
     .set = setters::resolve_max_addresses,
     .default_value = "256",
     .help = "Addresses, 1 to 10000, that a name may stand for; more are left out."},
    {.name = "admin",
     .sections = top,
     .arguments = "IP:PORT|unix:PATH|off [mode=MODE]",
     .most_arguments = 2,
     .set = setters::admin,
     .default_value = "off",
     .example = "127.0.0.1:9300",
     .help =
         "Where sluice tells how it is, over HTTP and without changing anything: / is a page for "
         "browsers, which /events keeps up to date, for 16 pages at a time; /metrics is for "
         "Prometheus, /healthz (200 while a worker accepts clients), /readyz (503 also while "
         "sluice ends, and as ready_requires says), /status.json. Its keeper answers, never a "
         "worker. The names of routes, upstreams, peers and listeners are shown there, so it "
         "is no address for strangers. A unix socket has mode= (octal, 0600)."},
    {.name = "admin_allow",
     .sections = top,
     .arguments = "RANGE...",
     .most_arguments = Directive::any_number,
     .set = setters::admin_allow,
     .default_value = "(this machine: 127.0.0.0/8 ::1)",
     .example = "127.0.0.1 10.0.0.0/8",
     .help = "Who may ask there by TCP: IP addresses and ranges. At a unix socket its mode "
             "decides."},
    {.name = "admin_host",
     .sections = top,
     .arguments = "NAME...",
     .most_arguments = Directive::any_number,
     .set = setters::admin_host,
     .default_value = "(IP addresses and localhost)",
     .example = "metrics.internal",
     .help = "Names under which it may be asked, besides. What a request's Host field, or its "
             "Origin, says beyond is refused: else a page from elsewhere could read it through an "
             "operator's browser."},
    {.name = "ready_requires",
     .sections = top,
     .arguments = "UPSTREAM...",
     .most_arguments = Directive::any_number,
     .set = setters::ready_requires,
     .default_value = "(nothing)",
     .example = "chat",
     .help = "Upstreams without which sluice is of no use: /readyz is 503 while one of them has "
             "only peers that are out, or none."},
    {.name = "include",
     .sections = top | listen | upstream | route,
     .arguments = "FILE",
     .set = setters::include,
     .example = "extra/*.conf",
     .help = "Reads other files here, in the order of their names where FILE holds *, ? or [. "
             "Sections that they open end with them.",
     .repeatable = true},
};

}  // namespace

namespace directive {

constinit const Directive& admin = row_named(rows, "admin");
constinit const Directive& ready_requires = row_named(rows, "ready_requires");
constinit const Directive& buffer_memory = row_named(rows, "buffer_memory");
constinit const Directive& tls_crl = row_named(rows, "tls_crl");

}  // namespace directive

std::span<const Directive> top_rows() {
  return rows;
}

}  // namespace sluice
