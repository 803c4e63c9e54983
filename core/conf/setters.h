// Setters: what the words of each directive mean. One function a directive, named in its table row;
// those that only store a value are templates over the field.
#pragma once

#include "core/conf/directives.h"
#include "core/conf/values.h"

namespace sluice::setters {

// --- before the first section -------------------------------------------------------------------
void workers(const SetterCall& call);
void user(const SetterCall& call);
void error_log(const SetterCall& call);
void access_log(const SetterCall& call);
void log_format(const SetterCall& call);
void max_log_value_size(const SetterCall& call);
void log_query(const SetterCall& call);
void log_mask(const SetterCall& call);
void pid_file(const SetterCall& call);
void acme_dir(const SetterCall& call);
void control(const SetterCall& call);
void admin(const SetterCall& call);
void admin_allow(const SetterCall& call);
void admin_host(const SetterCall& call);
void ready_requires(const SetterCall& call);
void ring_size(const SetterCall& call);
void buffer_memory(const SetterCall& call);
void splice(const SetterCall& call);
void sandbox(const SetterCall& call);
void worker_timeout(const SetterCall& call);
void drain_timeout(const SetterCall& call);
void drain_code(const SetterCall& call);
void worker_connections(const SetterCall& call);
void client_table_size(const SetterCall& call);
void resolver(const SetterCall& call);
void resolver_timeout(const SetterCall& call);
void resolve_interval(const SetterCall& call);
void resolve_at_start(const SetterCall& call);
void resolve_max_addresses(const SetterCall& call);
void include(const SetterCall& call);

// --- sections -----------------------------------------------------------------------------------
void listen(const SetterCall& call);
void upstream(const SetterCall& call);
void route(const SetterCall& call);
void allow(const SetterCall& call);
void deny(const SetterCall& call);
void allowed_origins(const SetterCall& call);
void limit_connections(const SetterCall& call);
void limit_handshakes(const SetterCall& call);
void auth_basic(const SetterCall& call);
void auth_basic_queue(const SetterCall& call);
void auth_basic_cache(const SetterCall& call);
void server(const SetterCall& call);
void match_host(const SetterCall& call);
void match_header(const SetterCall& call);
void match_query(const SetterCall& call);
void match_cookie(const SetterCall& call);
void match_client(const SetterCall& call);
void match_listener(const SetterCall& call);
void match_method(const SetterCall& call);
void proxy_pass(const SetterCall& call);
void upstream_by(const SetterCall& call);
void rewrite_path(const SetterCall& call);
void auth_request(const SetterCall& call);
void auth_cache_size(const SetterCall& call);
void reply(const SetterCall& call);

// --- sections and top ---------------------------------------------------------------------------
void host(const SetterCall& call);
void set_header(const SetterCall& call);
void remove_header(const SetterCall& call);
void keep_header(const SetterCall& call);
void set_response_header(const SetterCall& call);
void remove_response_header(const SetterCall& call);
void next_peer_on(const SetterCall& call);
void next_peer_tries(const SetterCall& call);
void balance(const SetterCall& call);
void max_fails(const SetterCall& call);
void fail_timeout(const SetterCall& call);
void health_check(const SetterCall& call);
void healthz(const SetterCall& call);
void sticky(const SetterCall& call);
void on_peer_gone(const SetterCall& call);
void sticky_key(const SetterCall& call);
void subprotocols(const SetterCall& call);
void lost_close_code(const SetterCall& call);
void max_message_size(const SetterCall& call);
void max_body_size(const SetterCall& call);
void keepalive_requests(const SetterCall& call);
void http2(const SetterCall& call);
void http2_max_streams(const SetterCall& call);
void http2_stream_window(const SetterCall& call);
void upstream_keepalive(const SetterCall& call);
void upstream_http(const SetterCall& call);
void h2_streams_per_connection(const SetterCall& call);
void h2_connections_per_peer(const SetterCall& call);
void h2_stream_window(const SetterCall& call);
void max_header_fields(const SetterCall& call);
void max_small_fragments(const SetterCall& call);
void control_frame_rate(const SetterCall& call);
void idle_code(const SetterCall& call);
void max_session_age(const SetterCall& call);
void on_rate(const SetterCall& call);
void handshake_rate(const SetterCall& call);
void trusted_proxies(const SetterCall& call);
void real_ip_header(const SetterCall& call);
void send_proxy_protocol(const SetterCall& call);
void bind_address(const SetterCall& call);

// --- JSON Web Tokens ----------------------------------------------------------------------------
void auth_jwt(const SetterCall& call);
void auth_jwt_key(const SetterCall& call);
void auth_jwt_leeway(const SetterCall& call);
void jwt_close_code(const SetterCall& call);

// --- TLS ----------------------------------------------------------------------------------------
void tls_certificate(const SetterCall& call);
void tls_key(const SetterCall& call);
void tls_stapling_file(const SetterCall& call);
void tls_client_certificate(const SetterCall& call);
void tls_client_key(const SetterCall& call);
void tls_verify_client(const SetterCall& call);
void tls_server_name(const SetterCall& call);
void tls_protocols(const SetterCall& call);
void tls_ciphers(const SetterCall& call);
void tls_crl(const SetterCall& call);
void tls_verify_depth(const SetterCall& call);
void tls_max_certificate_chain(const SetterCall& call);
void tls_max_records_without_data(const SetterCall& call);
void tls_ticket_lifetime(const SetterCall& call);
void tls_reload_on_change(const SetterCall& call);
void tls_authorities(const SetterCall& call, Pem& pem);

template <auto Field>
void authorities(const SetterCall& call) {
  tls_authorities(call, call.section.settings.*Field);
}

// From 1k to 1m.
template <auto Field>
void header_size(const SetterCall& call) {
  call.section.settings.*Field = static_cast<uint32_t>(size_bytes(call.word(1), 1 << 10, 1 << 20));
}

// What stands behind the URI on a `server` line, for all of its peers.
void server_options(const SetterCall& call, PeerConfig& like);

// What of the word as a server's URI is known without asking anybody.
ServerDraft server_of(const SetterCall& call, const Word& word);

// Refuses what is no field's name.
void check_header_name(const Word& word);

// An address, a range of them or `unix`, behind those that are there.
void add_range(const Word& word, AddressRanges& ranges);

// Refuses what RE2 does.
Pattern pattern_of(const Word& word);

// A code that may stand in a Close; `alternative` names what may stand there besides.
uint16_t close_code(const Word& word, const char* alternative);

// "100/s", with a burst; and the same in bytes. Without one the burst is what a second brings.
RateLimit message_rate_of(const SetterCall& call);
ByteRate byte_rate_of(const SetterCall& call);

template <auto Field>
void message_rate(const SetterCall& call) {
  call.section.settings.*Field = message_rate_of(call);
}

// The same; without a burst it is what ten seconds bring.
RateLimit http2_rate_of(const SetterCall& call);

template <auto Field>
void http2_rate(const SetterCall& call) {
  call.section.settings.*Field = http2_rate_of(call);
}

template <auto Field>
void byte_rate(const SetterCall& call) {
  call.section.settings.*Field = byte_rate_of(call);
}

template <auto Field>
void timeout(const SetterCall& call) {
  call.section.settings.*Field = time_ms(call.word(1));
}

template <auto Field>
void timeout_or_off(const SetterCall& call) {
  call.section.settings.*Field = time_ms_or_off(call.word(1));
}

// The line's words.
template <auto Field>
void words_of(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    if (call.word(i).value.empty()) throw ConfProblem{"a value is empty"};
    (call.section.settings.*Field).push_back(call.word(i).value);
  }
}

template <auto Field>
void on_or_off(const SetterCall& call) {
  call.section.settings.*Field = switch_on(call.word(1));
}

}  // namespace sluice::setters
