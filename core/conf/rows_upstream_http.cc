// Rows of the directive table: the connections that plain requests and streams of HTTP/2 share on
// their way to an upstream's servers.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned upstream = bit(Section::upstream);

constexpr Directive rows[] = {
    {.name = "upstream_keepalive",
     .sections = top | upstream,
     .arguments = "N|off",
     .set = setters::upstream_keepalive,
     .inherit = inherit<&UpstreamSettings::keepalive>,
     .default_value = "16",
     .help = "So many connections to each server every worker keeps for further plain requests "
             "(http on), 1 to 100000. Only requests that may be made twice and have no body go "
             "out on one; where it ends before its answer begins, the server is asked again on a "
             "new one. Not kept are connections whose next bytes might not be the next answer's "
             "(behind HEAD, say), and those on which Negotiate or NTLM authenticated a client. "
             "With off, and with send_proxy_protocol, each request has a connection of its own. "
             "Those that are kept do not count in max_connections."},
    {.name = "upstream_keepalive_timeout",
     .sections = top | upstream,
     .arguments = "TIME",
     .set = setters::timeout<&UpstreamSettings::keepalive_timeout_ms>,
     .inherit = inherit<&UpstreamSettings::keepalive_timeout_ms>,
     .default_value = "60s",
     .help = "How long such a connection is kept without a request on it."},
    {.name = "upstream_http",
     .sections = top | upstream,
     .arguments = "1|2|auto",
     .set = setters::upstream_http,
     .inherit = inherit<&UpstreamSettings::upstream_http>,
     .default_value = "1",
     .help = "The HTTP that servers are spoken to: 1; 2, where many sessions share a connection; "
             "auto, what a wss:// server chooses by ALPN. With 2, ws:// servers must know HTTP/2 "
             "without being asked. A WebSocket is opened on a stream (RFC 8441) once the server "
             "has allowed that, and has an HTTP/1.1 connection of its own where it does not. So "
             "has everything where send_proxy_protocol or bind_address makes connections differ. "
             "Health checks speak HTTP/1.1."},
    {.name = "h2_streams_per_connection",
     .sections = top | upstream,
     .arguments = "N",
     .set = setters::h2_streams_per_connection,
     .inherit = inherit<&UpstreamSettings::h2_streams>,
     .default_value = "100",
     .help = "The most streams that an HTTP/2 connection to a server has at a time, 1 to 100000, "
             "or fewer where the server says so. All of them are lost with it."},
    {.name = "h2_connections_per_peer",
     .sections = top | upstream,
     .arguments = "N|off",
     .set = setters::h2_connections_per_peer,
     .inherit = inherit<&UpstreamSettings::h2_connections>,
     .default_value = "off",
     .help = "The most HTTP/2 connections that a worker has to one server, 1 to 100000. Where all "
             "are full the next server is asked, and the client told 502 where there is none; with "
             "off one more is made."},
    {.name = "h2_stream_window",
     .sections = top | upstream,
     .arguments = "SIZE",
     .set = setters::h2_stream_window,
     .inherit = inherit<&UpstreamSettings::h2_stream_window_bytes>,
     .default_value = "65535",
     .help = "How many bytes a server may send on an HTTP/2 stream that its client has not taken "
             "yet, 4k to 16m, within buffer_memory."},
};

}  // namespace

std::span<const Directive> upstream_http_rows() {
  return rows;
}

}  // namespace sluice
