// The directive table's rows, a file for each kind of section: its opener, then what belongs to it.
// What several sections take stands with the first of listen, upstream and route that takes it;
// what concerns plain HTTP alone has a file of its own, and so have HTTP and TLS toward upstreams,
// who may take a route, and the tokens that it demands.
#pragma once

#include <span>
#include <string_view>

#include "core/conf/directives.h"

namespace sluice {

std::span<const Directive> top_rows();
std::span<const Directive> listen_rows();
std::span<const Directive> upstream_rows();
std::span<const Directive> upstream_http_rows();
std::span<const Directive> upstream_tls_rows();
std::span<const Directive> route_rows();
std::span<const Directive> admission_rows();
std::span<const Directive> jwt_rows();
std::span<const Directive> http_rows();
std::span<const Directive> auth_rows();

// The row of that name, for the names below: without the row they do not compile.
consteval const Directive& row_named(std::span<const Directive> rows, std::string_view name) {
  for (const Directive& row : rows) {
    if (row.name == name) return row;
  }
  throw "there is no row of that name";
}

// Rows that the resolver refers to, each defined below the table that it stands in.
namespace directive {

extern const Directive& admin;
extern const Directive& buffer_memory;
extern const Directive& ready_requires;
extern const Directive& http2;
extern const Directive& tls_crl;

extern const Directive& proxy_protocol;
extern const Directive& tls_certificate;
extern const Directive& tls_key;
extern const Directive& tls_stapling_file;
extern const Directive& tls_client_ca;
extern const Directive& tls_verify_client;
extern const Directive& allow;
extern const Directive& limit_connections;

extern const Directive& tls_verify;
extern const Directive& tls_ca;
extern const Directive& tls_client_certificate;
extern const Directive& tls_client_key;

extern const Directive& auth_jwt;
extern const Directive& auth_jwt_key;

extern const Directive& match_listener;
extern const Directive& proxy_pass;
extern const Directive& upstream_by;
extern const Directive& reply;

extern const Directive& auth_cache;

}  // namespace directive

}  // namespace sluice
