// Rows of the directive table: an upstream and what belongs to it.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

void inherit_session_age(const Settings& from, Settings& to) {
  to.max_session_age_ms = from.max_session_age_ms;
  to.session_age_jitter = from.session_age_jitter;
}

void inherit_balance(const Settings& from, Settings& to) {
  to.balance = from.balance;
  to.hash_key = from.hash_key;
}

void inherit_max_fails(const Settings& from, Settings& to) {
  to.health.max_fails = from.health.max_fails;
}

void inherit_fail_timeout(const Settings& from, Settings& to) {
  to.health.fail_timeout_ms = from.health.fail_timeout_ms;
  to.health.first_fail_timeout_ms = from.health.first_fail_timeout_ms;
  to.health.max_fail_timeout_ms = from.health.max_fail_timeout_ms;
}

void inherit_health_check(const Settings& from, Settings& to) {
  to.check = from.check;
}

constexpr Directive rows[] = {
    {.name = "upstream",
     .sections = top,
     .arguments = "NAME",
     .set = setters::upstream,
     .example = "chat",
     .help = "Begins a named group of servers among which sessions are shared out.",
     .repeatable = true,
     .opens = Section::upstream},
    {.name = "server",
     .sections = upstream,
     .arguments = "URI [weight=N] [max_connections=N] [slow_start=TIME] [backup]",
     .most_arguments = 5,
     .set = setters::server,
     .example = "ws://127.0.0.1:9001/socket",
     .help =
         "One server: ws://HOST[:PORT][/PATH] or ws://unix:/SOCKET[:/PATH], with wss:// for "
         "TLS. http:// is the same as ws://, and https:// as wss://: either serves WebSockets and, "
         "with http on, plain requests; where status tells a server's URI it has the ws form. Each "
         "address of a name is a peer; which ones those are is asked again as "
         "resolve_interval says. srv+ws://_SERVICE._tcp.DOMAIN[/PATH] has hosts, ports, weights "
         "and priorities of SRV records; those of the higher numbers are backups of the others, "
         "and DOMAIN is the name in Host and in certificates. "
         "weight, 1 to 1000: its share beside the "
         "others' (1). max_connections: so many sessions at a time over all workers, which "
         "workers that choose it at the same instant may pass by one each; with all servers "
         "full, 503. slow_start: over so long its weight grows after it was out. backup: it "
         "gets sessions only while the others are out or full.",
     .repeatable = true,
     .required = true},
    {.name = "balance",
     .sections = top | upstream,
     .arguments = "round_robin|least_conn|random_two|hash VALUE",
     .most_arguments = 2,
     .set = setters::balance,
     .inherit = inherit_balance,
     .default_value = "round_robin",
     .example = "hash $remote_addr",
     .help = "Which server gets a session. round_robin: each in its turn, by weight. least_conn: "
             "the one with fewest sessions for its weight, counted over all workers. random_two: "
             "of two at random the one with fewer, which suits many proxies in front of the same "
             "servers. hash: the same VALUE, such as $remote_addr, $path, $http_NAME, $cookie_NAME "
             "or $query_NAME, always leads to the same server, and where one goes or comes only "
             "its share moves; requests without that value take turns."},
    {.name = "sticky",
     .sections = top | upstream,
     .arguments = "cookie NAME [ttl=TIME]|off",
     .most_arguments = 3,
     .set = setters::sticky,
     .inherit = inherit<&UpstreamSettings::sticky>,
     .default_value = "off",
     .example = "cookie SLUICE ttl=1h",
     .help = "A client is given a cookie that names its server, and comes to that one again while "
             "it is up; else `balance` decides and the cookie is given anew. It says nothing of "
             "the server to who lacks the key (sticky_key); HttpOnly, SameSite=Lax, Path=/, and "
             "Secure where the listener speaks TLS. Without ttl it lasts until the browser ends."},
    {.name = "on_peer_gone",
     .sections = top | upstream,
     .arguments = "keep|drain",
     .set = setters::on_peer_gone,
     .inherit = inherit<&UpstreamSettings::on_peer_gone>,
     .default_value = "keep",
     .help =
         "What becomes of the sessions with a server that a reload or a name server took out, or "
         "that a health_check finds to be down: keep lets them live on, drain ends them with Close "
         "1012, each at a message's boundary, evenly over "
         "drain_timeout (where that is off, they stay)."},
    {.name = "max_fails",
     .sections = top | upstream,
     .arguments = "N|off",
     .set = setters::max_fails,
     .inherit = inherit_max_fails,
     .default_value = "3",
     .help = "A server that fails so often within fail_timeout, counted over all workers, is out: "
             "it gets no session for first=, then one session tries it. Each time that it "
             "goes on failing it is out for twice as long, up to max=. It fails where it cannot "
             "be connected to or no TLS comes about, where it ends, is silent or gives no valid "
             "answer before the session begins, and by answers that next_peer_on names. While all "
             "are out, all are tried."},
    {.name = "fail_timeout",
     .sections = top | upstream,
     .arguments = "TIME [first=TIME] [max=TIME]",
     .most_arguments = 3,
     .set = setters::fail_timeout,
     .inherit = inherit_fail_timeout,
     .default_value = "10s first=1s max=5m",
     .help = "See max_fails. Where TIME alone is given and is less than 1s, so is first=."},
    {.name = "health_check",
     .sections = top | upstream,
     .arguments = "tcp|http PATH|websocket [PATH]|off [OPTION=VALUE...]",
     .most_arguments = 8,
     .set = setters::health_check,
     .inherit = inherit_health_check,
     .default_value = "off",
     .example = "http /healthz status=200-399",
     .help =
         "Asks each server whether it is well, whoever has sessions with it, from one process (the "
         "keeper) over all workers. tcp: it takes a connection. http: it answers GET PATH with "
         "a status of status=RANGES (200-399; such as 200-299,404). websocket: it takes a "
         "handshake for PATH (that of the server's URI), which then ends with Close 1000. For "
         "wss:// servers TLS comes first, with their certificate verified each time. "
         "interval=TIME (5s): from one check to the next, up to a tenth earlier or later. "
         "timeout=TIME (5s, or the interval where that is less): for all of a check, then it "
         "has failed. The first check, within a second of the start, decides at once; then "
         "fall=N failures in a row (3) put a server out, and rise=N good ones (2) bring it "
         "back. One that is out so gets no session while another is not. host=NAME: the Host "
         "field (the first host NAME of a route that leads there, else that of the server's "
         "URI)."},
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
    {.name = "send_proxy_protocol",
     .sections = top | upstream | route,
     .arguments = "v1|v2|off",
     .set = setters::send_proxy_protocol,
     .inherit = inherit<&RouteSettings::send_proxy_protocol>,
     .default_value = "off",
     .help = "Each connection to a peer begins with a PROXY header of that version, before TLS, "
             "that names the client and the address that it connected to. Version 2 also tells "
             "the protocol (ALPN), the host that the client asked for and the session's id. The "
             "peers must expect it."},
    {.name = "bind_address",
     .sections = top | upstream | route,
     .arguments = "IP...|off",
     .most_arguments = Directive::any_number,
     .set = setters::bind_address,
     .inherit = inherit<&RouteSettings::bind_addresses>,
     .default_value = "off",
     .example = "192.0.2.10 192.0.2.11",
     .help = "Addresses of this machine from which peers are connected to, in turn: with one "
             "address there are about 28,000 connections to one peer, as many as the system's "
             "range of ports. Peers of a family that none of them has are connected to from "
             "whichever address the system chooses."},
    {.name = "next_peer_on",
     .sections = top | upstream | route,
     .arguments = "error|timeout|invalid_answer|http_STATUS...|off",
     .most_arguments = Directive::any_number,
     .set = setters::next_peer_on,
     .inherit = inherit<&RouteSettings::next_peer_on>,
     .default_value = "error timeout",
     .example = "error timeout http_502 http_503 http_504",
     .help = "After what the next peer is asked, while there is one: error, a peer that cannot be "
             "reached or ends before the first byte of its answer; timeout, one that is silent "
             "until connect_timeout or handshake_timeout; invalid_answer, one whose answer is "
             "malformed, too large or agrees to something else than was asked for; http_STATUS, "
             "400 to 599, an answer with it. Never once a client has bytes of a 101. The last "
             "one's answer is passed on."},
    {.name = "hedge_after",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::hedge_after_ms>,
     .inherit = inherit<&RouteSettings::hedge_after_ms>,
     .default_value = "off",
     .example = "200ms",
     .help =
         "A peer to which there is no connection (TCP, and TLS for wss://) after so long is not "
         "left, but the next one is connected to beside it: who is first gets the request, the "
         "other connection is closed; a peer that was passed so has failed (max_fails). So one "
         "that has vanished costs so long instead of connect_timeout, and soon nothing. Each "
         "rival counts as a try (next_peer_tries)."},
    {.name = "next_peer_tries",
     .sections = top | upstream | route,
     .arguments = "N|off",
     .set = setters::next_peer_tries,
     .inherit = inherit<&RouteSettings::next_peer_tries>,
     .default_value = "off",
     .example = "3",
     .help = "So many peers are tried for one request, the first one counted; off: all of them."},
    {.name = "next_peer_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::next_peer_timeout_ms>,
     .inherit = inherit<&RouteSettings::next_peer_timeout_ms>,
     .default_value = "off",
     .example = "15s",
     .help = "No other peer is asked so long after the first one was."},
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
     .help = "Without a byte either way, pings of the proxy's own and their pongs aside; then both "
             "sides get Close 1001 (idle_code)."},
    {.name = "idle_code",
     .sections = top | upstream | route,
     .arguments = "CODE",
     .set = setters::idle_code,
     .inherit = inherit<&RouteSettings::idle_code>,
     .default_value = "1001",
     .help = "The code of the Close that both sides get after idle_timeout."},
    {.name = "max_session_age",
     .sections = top | upstream | route,
     .arguments = "TIME|off [jitter=N%]",
     .most_arguments = 2,
     .set = setters::max_session_age,
     .inherit = inherit_session_age,
     .default_value = "off",
     .example = "12h jitter=20%",
     .help = "How old a session may become; then its client gets Close 1001 behind the "
             "message that is under way, and the upstream the client's answer. Each session "
             "ends up to N percent earlier, 0 to 100, without jitter 10, so that those that "
             "began together do not come back together."},
    {.name = "client_ping_interval",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::client_ping_interval_ms>,
     .inherit = inherit<&RouteSettings::client_ping_interval_ms>,
     .default_value = "off",
     .example = "30s",
     .help = "After so long without a byte from the client it gets a ping of the proxy's "
             "own; its pong goes no further. The first one comes at a random part of TIME, "
             "and each session's own TIME is up to a tenth shorter, so that clients that "
             "speak together are not pinged together. While a message is on its way to the "
             "client no ping is sent. The peers' own pings and pongs pass as ever."},
    {.name = "client_ping_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::client_ping_timeout_ms>,
     .inherit = inherit<&RouteSettings::client_ping_timeout_ms>,
     .default_value = "10s",
     .help = "How long after a ping of the proxy's own the client may send nothing; then it "
             "counts as lost. Time in which the proxy does not read it (back-pressure, "
             "on_rate delay), or in which it takes what was sent before, does not count."},
    {.name = "upstream_ping_interval",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::upstream_ping_interval_ms>,
     .inherit = inherit<&RouteSettings::upstream_ping_interval_ms>,
     .default_value = "off",
     .example = "30s",
     .help = "After so long without a byte from the upstream it gets a ping of the proxy's "
             "own; its pong goes no further. The first one comes at a random part of TIME, "
             "and each session's own TIME is up to a tenth shorter, so that peers that speak "
             "together are not pinged together. While a message is on its way to the "
             "upstream no ping is sent. The peers' own pings and pongs pass as ever."},
    {.name = "upstream_ping_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::upstream_ping_timeout_ms>,
     .inherit = inherit<&RouteSettings::upstream_ping_timeout_ms>,
     .default_value = "10s",
     .help = "How long after a ping of the proxy's own the upstream may send nothing; then "
             "it counts as lost. Time in which the proxy does not read it (back-pressure, "
             "on_rate delay), or in which it takes what was sent before, does not count."},
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
    {.name = "max_queued_time",
     .sections = top | upstream | route,
     .arguments = "TIME|off",
     .set = setters::timeout_or_off<&RouteSettings::max_queued_time_ms>,
     .inherit = inherit<&RouteSettings::max_queued_time_ms>,
     .default_value = "off",
     .example = "30s",
     .help = "How long the oldest byte that waits in the proxy for a peer may wait, whatever "
             "else that peer takes; then the session is aborted as with send_timeout. Looked "
             "at four times a second."},
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
    {.name = "client_message_rate",
     .sections = top | upstream | route,
     .arguments = "N/s [burst=M]|off",
     .most_arguments = 2,
     .set = setters::message_rate<&RouteSettings::client_message_rate>,
     .inherit = inherit<&RouteSettings::client_message_rate>,
     .default_value = "off",
     .example = "100/s burst=200",
     .help = "Messages that the client may begin in a second, and M of them at once after a "
             "pause, both 1 to 1000000; without burst M is N. What 20 ms bring may always "
             "come at once. on_rate says what becomes of more."},
    {.name = "client_byte_rate",
     .sections = top | upstream | route,
     .arguments = "SIZE/s [burst=SIZE]|off",
     .most_arguments = 2,
     .set = setters::byte_rate<&RouteSettings::client_byte_rate>,
     .inherit = inherit<&RouteSettings::client_byte_rate>,
     .default_value = "off",
     .example = "64k/s burst=256k",
     .help = "The same for bytes of the client's frames, headers and control frames "
             "included."},
    {.name = "upstream_message_rate",
     .sections = top | upstream | route,
     .arguments = "N/s [burst=M]|off",
     .most_arguments = 2,
     .set = setters::message_rate<&RouteSettings::upstream_message_rate>,
     .inherit = inherit<&RouteSettings::upstream_message_rate>,
     .default_value = "off",
     .example = "100/s burst=200",
     .help = "Messages that the upstream may begin in a second, and M of them at once after "
             "a pause, both 1 to 1000000; without burst M is N. What 20 ms bring may always "
             "come at once. on_rate says what becomes of more."},
    {.name = "upstream_byte_rate",
     .sections = top | upstream | route,
     .arguments = "SIZE/s [burst=SIZE]|off",
     .most_arguments = 2,
     .set = setters::byte_rate<&RouteSettings::upstream_byte_rate>,
     .inherit = inherit<&RouteSettings::upstream_byte_rate>,
     .default_value = "off",
     .example = "64k/s burst=256k",
     .help = "The same for bytes of the upstream's frames, headers and control frames "
             "included."},
    {.name = "on_rate",
     .sections = top | upstream | route,
     .arguments = "delay|close",
     .set = setters::on_rate,
     .inherit = inherit<&RouteSettings::on_rate>,
     .default_value = "delay",
     .help = "What becomes of a side that sends more than its rate: delay, it is not read "
             "until the rate allows, which TCP tells it; close, it gets Close 1008. With close the "
             "other side is told at once: a client gets Close 1014 where the upstream sent too "
             "much, an upstream's connection ends without a Close where the client did. Inside "
             "a frame of which some has been sent on neither is possible: that connection is "
             "aborted. Bytes mostly run out inside a frame, messages never do."},
    {.name = "validate_utf8",
     .sections = top | upstream | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::validate_utf8>,
     .inherit = inherit<&RouteSettings::validate_utf8>,
     .default_value = "off",
     .help = "Whether text messages that are not UTF-8 end the session with Close 1007."},
};

}  // namespace

std::span<const Directive> upstream_rows() {
  return rows;
}

}  // namespace sluice
