// The table. A word that is a directive here, too, has no row; that it takes other arguments there
// is hint_for_arguments' concern.
#include "core/conf/foreign.h"

#include <algorithm>

#include "protocol/uri.h"

namespace sluice {

namespace {

constexpr std::string_view n = "nginx";
constexpr std::string_view h = "HAProxy";
constexpr std::string_view c = "Caddy";
constexpr std::string_view e = "Envoy";

constexpr std::string_view leave_out = "leave the line out";
constexpr std::string_view automatic = "leave the line out, sluice does it by itself";
constexpr std::string_view not_yet = "sluice has nothing like it yet";
constexpr std::string_view checks =
    "write health_check http PATH status=RANGES interval=TIME rise=N fall=N in the upstream, or "
    "health_check tcp";
constexpr std::string_view no_files = "sluice serves no files";
constexpr std::string_view yaml =
    "sluice reads a flat conf, one directive a line: listen, upstream, "
    "route; see conf/examples";

constexpr ForeignWord table[] = {
    // nginx: processes and files
    {"worker_processes", n, "workers", ""},
    {"worker_shutdown_timeout", n, "drain_timeout",
     "write drain_timeout, over which sessions end evenly"},
    {"worker_rlimit_nofile", n, "", "the limit of descriptors is raised as far as it goes anyway"},
    {"worker_cpu_affinity", n, "", leave_out},
    {"pid", n, "pid_file", ""},
    {"daemon", n, "", "sluice stays in the foreground"},
    {"master_process", n, "", leave_out},
    {"load_module", n, "", leave_out},
    {"env", n, "", "${env:NAME} reads a variable"},
    {"acme_issuer", n, "acme_dir",
     "let certbot or lego ask for certificates, and write acme_dir FOLDER before the first "
     "section"},
    {"stub_status", n, "admin",
     "write admin 127.0.0.1:PORT before the first section: /metrics and /status.json are there"},
    {"log_not_found", n, "", leave_out},
    // nginx: blocks
    {"events", n, "", "its lines stand before the first section"},
    {"http {", n, "", "its lines stand before the first section"},
    {"stream", n, "", "its lines stand before the first section"},
    {"server {", n, "", "write a listen section for its address, and routes behind it"},
    {"location", n, "route",
     "write route PATH, which takes the path and everything under it, route = PATH or route ~ "
     "REGEX"},
    {"server_name", n, "match_host", "write match_host HOST in a route"},
    {"map", n, "upstream_by",
     "write upstream_by VARIABLE VALUE=UPSTREAM... where it chooses an upstream"},
    {"geo", n, "match_client", "write a route with match_client RANGE... for each of its values"},
    {"if", n, "", "write a route with match_ lines: match_header, match_query, match_cookie"},
    {"types", n, "", leave_out},
    {"use", n, "", leave_out},
    {"multi_accept", n, "", leave_out},
    // nginx: proxying
    {"proxy_read_timeout", n, "idle_timeout", "write idle_timeout, which counts both directions"},
    {"proxy_send_timeout", n, "send_timeout", ""},
    {"proxy_connect_timeout", n, "connect_timeout", ""},
    {"proxy_timeout", n, "idle_timeout", ""},
    {"client_body_timeout", n, "body_timeout", ""},
    {"client_max_body_size", n, "",
     "write max_message_size, for each message, or max_body_size, of plain requests"},
    {"client_body_buffer_size", n, "ring_size", ""},
    {"client_header_buffer_size", n, "max_header_size", ""},
    {"large_client_header_buffers", n, "max_header_size", ""},
    {"proxy_buffer_size", n, "max_answer_header_size", ""},
    {"proxy_buffers", n, "ring_size", ""},
    {"proxy_buffering", n, "", "nothing is held back: leave the line out"},
    {"proxy_request_buffering", n, "", "nothing is held back: leave the line out"},
    {"proxy_cache", n, "", "sluice caches nothing"},
    {"proxy_cache_bypass", n, "", "sluice caches nothing"},
    {"proxy_http_version", n, "upstream_http", ""},
    {"proxy_set_header", n, "set_header",
     "write set_header NAME VALUE, and host for Host; Upgrade and Connection are set anyway"},
    {"proxy_pass_request_headers", n, "", "remove_header removes single ones"},
    {"proxy_hide_header", n, "remove_response_header", ""},
    {"proxy_pass_header", n, "", "fields of the answer pass anyway: leave the line out"},
    {"add_header", n, "set_response_header", "write set_response_header, which replaces the field"},
    {"more_set_headers", n, "set_response_header", ""},
    {"proxy_redirect", n, "", leave_out},
    {"proxy_next_upstream", n, "next_peer_on", "write next_peer_on error timeout http_STATUS..."},
    {"proxy_next_upstream_tries", n, "next_peer_tries", ""},
    {"proxy_next_upstream_timeout", n, "next_peer_timeout", ""},
    {"proxy_socket_keepalive", n, "", "tcp_keepalive is on anyway: leave the line out"},
    {"proxy_bind", n, "bind_address", ""},
    {"underscores_in_headers", n, "underscore_headers", ""},
    {"set_real_ip_from", n, "trusted_proxies", ""},
    {"real_ip_recursive", n, "", leave_out},
    {"tcp_nodelay", n, "", automatic},
    {"tcp_nopush", n, "", leave_out},
    {"sendfile", n, "", leave_out},
    {"ignore_invalid_headers", n, "", "malformed fields are refused: leave the line out"},
    {"server_tokens", n, "", "sluice names no version: leave the line out"},
    // nginx: upstreams
    {"ip_hash", n, "", "write balance hash $remote_addr"},
    {"hash", n, "balance", "write balance hash VALUE"},
    {"random", n, "balance", "write balance random_two"},
    {"least_conn", n, "balance", "write balance least_conn"},
    {"zone", n, "", leave_out},
    {"keepalive", n, "upstream_keepalive", ""},
    // nginx: TLS
    {"ssl", n, "", "a tls_certificate makes a listener one of TLS"},
    {"ssl_certificate", n, "tls_certificate", ""},
    {"ssl_certificate_key", n, "tls_key", "write tls_key, behind its tls_certificate"},
    {"ssl_protocols", n, "tls_protocols", ""},
    {"ssl_ciphers", n, "tls_ciphers", ""},
    {"ssl_prefer_server_ciphers", n, "", leave_out},
    {"ssl_ecdh_curve", n, "", leave_out},
    {"ssl_dhparam", n, "", leave_out},
    {"ssl_client_certificate", n, "tls_client_ca", ""},
    {"ssl_trusted_certificate", n, "tls_client_ca", ""},
    {"ssl_verify_client", n, "tls_verify_client", ""},
    {"ssl_crl", n, "tls_crl", ""},
    {"ssl_session_cache", n, "", "sessions are resumed by tickets, see tls_ticket_lifetime"},
    {"ssl_session_timeout", n, "tls_ticket_lifetime", ""},
    {"ssl_session_tickets", n, "tls_ticket_lifetime", "write tls_ticket_lifetime TIME or off"},
    {"ssl_stapling", n, "", "write tls_stapling_file behind the tls_certificate"},
    {"ssl_stapling_file", n, "tls_stapling_file", ""},
    {"proxy_ssl_certificate", n, "tls_client_certificate", ""},
    {"proxy_ssl_certificate_key", n, "tls_client_key", ""},
    {"proxy_ssl_trusted_certificate", n, "tls_ca", ""},
    {"proxy_ssl_verify", n, "tls_verify", ""},
    {"proxy_ssl_name", n, "tls_server_name", ""},
    {"proxy_ssl_server_name", n, "", "servers are always told the name: leave the line out"},
    {"proxy_ssl_protocols", n, "tls_protocols", ""},
    {"proxy_ssl_ciphers", n, "tls_ciphers", ""},
    {"proxy_ssl_session_reuse", n, "", automatic},
    // nginx: what is no proxying
    {"root", n, "", no_files},
    {"alias", n, "", no_files},
    {"index", n, "", no_files},
    {"try_files", n, "", no_files},
    {"error_page", n, "", no_files},
    {"gzip", n, "", "compression is between client and server: leave the line out"},
    {"rewrite", n, "rewrite_path", "write rewrite_path REGEX TO, which changes what goes upstream"},
    {"auth_jwt_key_file", n, "auth_jwt_key", "write auth_jwt_key jwks FILE"},
    {"auth_jwt_key_request", n, "auth_jwt_key",
     "keys are fetched by a timer of yours: write auth_jwt_key jwks FILE, and reload"},
    {"auth_jwt_claim_set", n, "", "claims are $jwt_claim_NAME in set_header: leave the line out"},
    {"auth_jwt_header_set", n, "", leave_out},
    {"auth_jwt_type", n, "", "signed tokens alone are taken: leave the line out"},
    {"auth_jwt_require", n, "auth_jwt_issuer",
     "write auth_jwt_issuer and auth_jwt_audience for iss and aud"},
    {"auth_request_set", n, "",
     "write set_header NAME $auth_http_NAME: the field that the authorizer answered with"},
    {"limit_conn", n, "limit_connections", "write limit_connections N per client"},
    {"limit_conn_zone", n, "",
     "clients are counted in a table of their own (client_table_size): leave the line out"},
    {"limit_req", n, "limit_handshakes", "write limit_handshakes N/s burst=M per client"},
    {"limit_req_zone", n, "",
     "clients are remembered in a table of their own (client_table_size): leave the line out"},
    {"auth_basic_user_file", n, "auth_basic", "write auth_basic FILE, and the realm behind it"},

    // HAProxy
    {"global", h, "", "its lines stand before the first section"},
    {"defaults", h, "", "its lines stand before the first section"},
    {"frontend", h, "", "write listen ADDRESS for each bind, and a route for each rule"},
    {"backend", h, "upstream", "write upstream NAME"},
    {"bind", h, "listen", "write listen ADDRESS"},
    {"default_backend", h, "", "write route / as the last one, with proxy_pass NAME"},
    {"use_backend", h, "",
     "write a route with its conditions, and proxy_pass NAME, or upstream_by VARIABLE "
     "VALUE=NAME... default=NAME"},
    {"acl", h, "", "write route PATH with match_host, match_header or another match_ line"},
    {"hash-type", h, "", "balance hash is consistent anyway: leave the line out"},
    {"stick-table", h, "limit_connections",
     "write limit_connections N per client, or limit_handshakes N/s per client"},
    {"stick", h, "", not_yet},
    {"cookie", h, "", not_yet},
    {"default-server", h, "health_check", checks},
    {"http-check", h, "health_check", checks},
    {"mode", h, "", leave_out},
    {"option", h, "", leave_out},
    {"option httpchk", h, "health_check", checks},
    {"option forwarded", h, "", "write forwarded on"},
    {"source", h, "bind_address", ""},
    {"option forwardfor", h, "", "X-Forwarded-For is always set: leave the line out"},
    {"option clitcpka", h, "", "tcp_keepalive is on anyway: leave the line out"},
    {"option srvtcpka", h, "", "tcp_keepalive is on anyway: leave the line out"},
    {"option tcpka", h, "", "tcp_keepalive is on anyway: leave the line out"},
    {"option httplog", h, "", "write access_log FILE"},
    {"maxconn", h, "worker_connections", "write worker_connections, for each worker"},
    {"rate-limit", h, "handshake_rate", "write handshake_rate N/s, for each listener"},
    {"maxconnrate", h, "handshake_rate", "write handshake_rate N/s, for each listener"},
    {"maxsslrate", h, "handshake_rate", "write handshake_rate N/s, for each listener"},
    {"nbthread", h, "workers", ""},
    {"hard-stop-after", h, "drain_timeout", ""},
    {"nbproc", h, "workers", ""},
    {"timeout", h, "", "write connect_timeout, handshake_timeout, idle_timeout or send_timeout"},
    {"timeout client", h, "", "write idle_timeout TIME, which counts both directions"},
    {"timeout server", h, "", "write idle_timeout TIME, which counts both directions"},
    {"timeout tunnel", h, "", "write idle_timeout TIME"},
    {"timeout connect", h, "", "write connect_timeout TIME"},
    {"timeout http-request", h, "", "write client_header_timeout TIME"},
    {"timeout http-keep-alive", h, "", "write keepalive_timeout TIME"},
    {"timeout client-fin", h, "", "write close_timeout TIME"},
    {"timeout server-fin", h, "", "write close_timeout TIME"},
    {"timeout queue", h, "", "nothing is queued: leave the line out"},
    {"timeout check", h, "health_check", "write health_check KIND timeout=TIME"},
    {"log", h, "",
     "write error_log and access_log, which may go to syslog:unix:/dev/log or "
     "syslog:udp:127.0.0.1:514"},
    {"log-format", h, "log_format",
     "write log_format NAME text FIELD..., and access_log FILE NAME"},
    {"pidfile", h, "pid_file", ""},
    {"chroot", h, "", not_yet},
    {"group", h, "", "workers run in the groups of `user`"},
    {"http-request", h, "", "write set_header or remove_header; rewrite_path is its replace-path"},
    {"http-response", h, "", "write set_response_header or remove_response_header"},
    {"reqadd", h, "", "write set_header"},
    {"ssl-default-bind-ciphers", h, "tls_ciphers", ""},
    {"ssl-default-bind-options", h, "", "write tls_protocols"},
    {"monitor-uri", h, "healthz", ""},
    {"stats", h, "admin", "write admin 127.0.0.1:PORT: /metrics and /status.json are there"},
    {"errorfile", h, "", not_yet},
    {"acme", h, "acme_dir",
     "let certbot or lego ask for certificates, and write acme_dir FOLDER before the first "
     "section"},
    {"redirect", h, "", "write return 301 LOCATION in a route of its own"},
    {"retry-on", h, "next_peer_on", ""},
    {"tune.bufsize", h, "max_header_size", ""},
    {"tune.http.maxhdr", h, "max_header_fields", ""},
    {"retries", h, "next_peer_tries", ""},

    // Caddy
    {"reverse_proxy", c, "", "write route PATH and proxy_pass"},
    {"handle", c, "route", "write route PATH"},
    {"handle_path", c, "route",
     "write route PATH with strip_path on; a server URI's path replaces the route's anyway"},
    {"header_up", c, "set_header", ""},
    {"header_down", c, "set_response_header", ""},
    {"lb_policy", c, "balance", ""},
    {"tls", c, "", "write tls_certificate FILE and tls_key FILE behind listen"},
    {"file_server", c, "", no_files},
    {"uri", c, "rewrite_path", "write rewrite_path REGEX TO, or strip_path on"},
    {"encode", c, "", "compression is between client and server: leave the line out"},

    // Envoy
    {"static_resources:", e, "", yaml},
    {"listeners:", e, "", yaml},
    {"clusters:", e, "", yaml},
    {"admin:", e, "", yaml},
};

struct ArgumentHint {
  std::string_view directive;
  std::string_view argument;  // where one is this, or begins with it if it ends with '='
  std::string_view hint;
};

constexpr std::string_view write_proxy_protocol =
    "write proxy_protocol on in the section, and trusted_proxies with the balancer's address";

constexpr ArgumentHint hints[] = {
    {"listen", "ssl", "TLS comes with a tls_certificate and a tls_key in the section"},
    {"listen", "http2", "write http2 on in the section"},
    {"listen", "quic", "there is no HTTP/3"},
    {"listen", "proxy_protocol", write_proxy_protocol},
    {"listen", "accept-proxy", write_proxy_protocol},
    {"listen", "default_server", "all routes serve all listeners"},
    {"listen", "so_keepalive=", "write tcp_keepalive TIME or off"},
    {"listen", "reuseport", "each worker has a socket of its own anyway"},
    {"server", "weight", "write weight=N"},
    {"server", "max_fails=", "max_fails and fail_timeout are lines of their own in the upstream"},
    {"server",
     "fail_timeout=", "max_fails and fail_timeout are lines of their own in the upstream"},
    {"server", "check", checks},
    {"server", "inter", checks},
    {"server", "down", "leave its line out"},
    {"server", "max_conns=", "write max_connections=N"},
    {"server", "maxconn", "write max_connections=N"},
    {"server", "slowstart", "write slow_start=TIME"},
    {"server", "resolve", "names are followed anyway; service=NAME is srv+ws://NAME here"},
    {"server", "resolvers", "name servers are named with resolver, for all servers"},
    {"server", "ssl", "write wss:// for TLS"},
    {"server", "send-proxy", "write send_proxy_protocol v1 in the section"},
    {"server", "send-proxy-v2", "write send_proxy_protocol v2 in the section"},
    {"server", "source", "write bind_address IP in the section"},
    {"route", "~*", "write route ~ (?i)REGEX where case counts for nothing"},
    {"route", "^~", "write route PATH; its place in the file decides, not its length"},
};

bool hint_applies(const ArgumentHint& row, const Statement& statement) {
  return row.directive == statement.words[0].value &&
         std::any_of(statement.words.begin() + 1, statement.words.end(), [&row](const Word& word) {
           return row.argument.ends_with('=') ? word.text.starts_with(row.argument)
                                              : word.text == row.argument;
         });
}

}  // namespace

std::span<const ForeignWord> foreign_words() {
  return table;
}

const ForeignWord* find_foreign(const Statement& statement, bool block) {
  const auto& words = statement.words;
  const std::string& name = words[0].value;
  const std::string longer =
      name + " " + (words.size() > 1 ? words[1].text : std::string(block ? "{" : ""));
  const ForeignWord* found = nullptr;
  for (const ForeignWord& row : table) {
    if (row.word == longer) return &row;
    if (row.word == name) found = &row;
  }
  return found;
}

std::string foreign_text(const ForeignWord& row) {
  const std::string from = " of " + std::string(row.from) + "; ";
  return from +
         (row.advice.empty() ? "here it is " + std::string(row.ours) : std::string(row.advice));
}

std::string hint_for_arguments(const Statement& statement) {
  const auto& words = statement.words;
  const std::string& name = words[0].value;
  for (const ArgumentHint& row : hints) {
    if (hint_applies(row, statement)) return std::string(row.hint);
  }
  const bool takes_value = name == "set_header" || name == "set_response_header" ||
                           name == "match_header" || name == "match_query" ||
                           name == "match_cookie";
  if (takes_value && words.size() > 3 && words[2].text != "~")
    return "a value with blanks stands in double quotes";
  const bool formed = words.size() > 3 && (words[2].value == "text" || words[2].value == "json");
  if (name == "log_format" && !formed) {
    return "lines are made of fields, as in log_format NAME json client host user_agent";
  }
  if (name == "user" && words.size() > 2) return "the groups are those of the user";
  // HAProxy's servers have a name before their address.
  const bool named = name == "server" && words.size() > 2 && !words[2].expanded() &&
                     words[2].text != "backup" && words[2].text.find('=') == std::string::npos &&
                     parse_server_uri("ws://" + words[2].text).ok();
  return named ? "write server ws://" + words[2].text : "";
}

std::string syslog_of_nginx(const std::string& text) {
  constexpr std::string_view begin = "syslog:server=";
  if (!text.starts_with(begin)) return "";
  std::string_view rest = std::string_view(text).substr(begin.size());
  std::string_view server = rest.substr(0, rest.find(','));
  std::string ours = "syslog:";
  if (server.starts_with("unix:")) {
    ours += server;
  } else {
    const bool has_port = server.rfind(':') != std::string_view::npos && !server.ends_with(']');
    ours.append("udp:").append(server == "localhost" ? "127.0.0.1" : server);
    if (!has_port) ours += ":514";
  }
  while (rest.find(',') != std::string_view::npos) {
    rest.remove_prefix(rest.find(',') + 1);
    const std::string_view option = rest.substr(0, rest.find(','));
    if (option.starts_with("facility=") || option.starts_with("tag=")) {
      ours.append(" ").append(option);
    }
  }
  return ours;
}

}  // namespace sluice
