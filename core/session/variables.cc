// Variables have the names and meanings that nginx's users know, where nginx has them.
#include "core/session/variables.h"

#include <algorithm>

#include "protocol/ascii.h"
#include "protocol/parameters.h"

namespace sluice {

namespace {

std::optional<std::string> field_value(const Head& head, std::string_view name) {
  std::optional<std::string> joined;
  const std::string_view joint = equals_ignoring_case(name, "cookie") ? "; " : ", ";
  for (const HeaderField& field : head.fields) {
    if (!names_field(name, field.name)) continue;
    joined = joined ? joined->append(joint).append(field.value) : std::string(field.value);
  }
  return joined;
}

// The first one of that name; names compare with case.
std::optional<std::string> cookie_value(const Head& head, std::string_view wanted) {
  std::optional<std::string> found;
  for (const HeaderField& field : head.fields) {
    if (!equals_ignoring_case(field.name, "Cookie")) continue;
    for_each_cookie(field.value, [&](std::string_view name, std::string_view value) {
      if (!found && name == wanted) found = value;
    });
  }
  return found;
}

// As it stands, escapes and all; the first one of that name.
std::optional<std::string> parameter_value(std::string_view query, std::string_view wanted) {
  std::optional<std::string> found;
  for_each_parameter(query, [&](std::string_view name, std::string_view value) {
    if (!found && name == wanted) found = value;
  });
  return found;
}

std::optional<std::string> unless_empty(std::string_view value) {
  return value.empty() ? std::nullopt : std::make_optional<std::string>(value);
}

std::string_view without_mark(std::string_view query) {
  return query.substr(std::min<size_t>(1, query.size()));
}

std::optional<std::string> claim_value(const JwtClaims* claims, std::string_view name) {
  if (claims == nullptr) return std::nullopt;
  const auto found = claims->texts.find(name);
  return found == claims->texts.end() ? std::nullopt : std::make_optional(found->second);
}

std::optional<std::string> tls_value(Variable variable, const TlsTransport* tls) {
  if (tls == nullptr) return std::nullopt;
  switch (variable) {
    case Variable::tls_client_subject:
      return unless_empty(tls->verified_subject());
    case Variable::tls_version:
      return unless_empty(tls->version());
    case Variable::tls_cipher:
      return unless_empty(tls->cipher());
    default:
      return unless_empty(tls->server_name());
  }
}

}  // namespace

// $http_x_token is X-Token; a field whose own name holds '_' is nobody's.
bool names_field(std::string_view name, std::string_view field) {
  return name.size() == field.size() &&
         std::equal(name.begin(), name.end(), field.begin(), [](char a, char b) {
           return a == '_' ? b == '-' : lower_case(a) == lower_case(b);
         });
}

std::optional<std::string> value_of(Variable variable, std::string_view name,
                                    const RequestFacts& facts) {
  const RequestTarget& target = facts.request->target;
  switch (variable) {
    case Variable::text:
      return std::string(name);
    case Variable::remote_addr:
      return unless_empty(facts.remote_addr);
    case Variable::remote_port:
      return facts.remote_port == 0 ? std::nullopt
                                    : std::make_optional(std::to_string(facts.remote_port));
    case Variable::host:
      return lower_case(facts.request->host);
    case Variable::path:
      return std::string(target.path);
    case Variable::query:  // without its '?'; one that is empty is a value
      return std::string(without_mark(target.query));
    case Variable::request_uri:
      return std::string(target.path).append(target.query);
    case Variable::scheme:
      return std::string(facts.scheme);
    case Variable::request_id:
      return unless_empty(facts.request_id);
    case Variable::http:
      return field_value(*facts.head, name);
    case Variable::auth_http:
      return facts.authorized != nullptr ? field_value(*facts.authorized, name) : std::nullopt;
    case Variable::query_parameter:
      return parameter_value(without_mark(target.query), name);
    case Variable::cookie:
      return cookie_value(*facts.head, name);
    case Variable::jwt_claim:
      return claim_value(facts.claims, name);
    case Variable::remote_user:
      return unless_empty(facts.remote_user);
    case Variable::tls_client_subject:
    case Variable::tls_version:
    case Variable::tls_cipher:
    case Variable::tls_server_name:
      return tls_value(variable, facts.tls);
  }
  return std::nullopt;
}

}  // namespace sluice
