// ConfResolver: who is asked before a route's requests go on, and what of the answer they carry.
#include <algorithm>
#include <string>
#include <utility>

#include "core/conf/resolve.h"
#include "core/conf/rows.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

void add_fields(const HeaderValue& value, std::vector<std::string>& names) {
  for (const HeaderValue::Piece& piece : value.pieces()) {
    if (piece.variable != Variable::auth_http) continue;
    if (std::find(names.begin(), names.end(), piece.text) == names.end()) {
      names.push_back(piece.text);
    }
  }
}

// The line that sets that field, or, without a name, the one of that directive.
const Place* place_of_line(const SectionDraft& section, std::string_view directive,
                           const std::string& name) {
  for (const SectionDraft::Line& line : section.lines) {
    if (line.row->name != directive) continue;
    if (name.empty() || line.statement.words[1].value == name) return &line.statement.place;
  }
  return nullptr;
}

}  // namespace

// It is an upstream with one server line, which all routes share that name it. What the top says of
// upstreams' checks, stickiness and balance is about servers of WebSockets.
void ConfResolver::add_authorizer(const SectionDraft& section, RouteConfig& route) {
  const SectionDraft& giver = section.auth_request ? section : draft_.top();
  if (!giver.auth_request || !giver.auth_request->server) {
    return check_auth_variables(section, route);
  }
  const AuthRequestDraft& given = *giver.auth_request;
  const ServerUri& uri = given.server->like.uri;
  RouteConfig way;
  way.key = route.key;
  way.id = route.id;
  way.path = given.target;
  // A name that no other upstream has.
  const std::string name = "auth_request " + given.value;
  way.upstream = draft_.ids.upstream(name);
  if (anonymous_.insert(way.upstream).second) {
    make_upstream(section, way.upstream, name, {&*given.server, 1});
    std::vector<UpstreamConfig>& upstreams = draft_.config.upstreams;
    const auto made = std::find_if(upstreams.begin(), upstreams.end(),
                                   [&way](const auto& each) { return each.id == way.upstream; });
    made->check = {};
    made->sticky = {};
    made->balance = Balance::round_robin;
  }
  static_cast<RouteSettings&>(way) = settings_for(Section::route, {&section, &draft_.top()});
  way.host = {HostPolicy::fixed, uri.authority};
  way.handshake_timeout_ms = way.auth_timeout_ms;
  way.answer_limit = "auth_timeout";
  way.send_proxy_protocol = SendProxyProtocol::off;
  way.bind_addresses.clear();
  way.hedge_after_ms = 0;
  for (const HeaderSetting& header : route.set_headers) add_fields(header.value, route.auth_fields);
  for (const HeaderSetting& header : route.set_answer_headers) {
    add_fields(header.value, route.auth_fields);
  }
  if (route.reply) add_fields(route.reply->location, route.auth_fields);
  route.authorizer.push_back(std::move(way));
}

// What the top sets for all routes is left out where nobody is asked; a route's own line is a
// mistake there.
void ConfResolver::check_auth_variables(const SectionDraft& section, const RouteConfig& route) {
  const auto refuse = [&](std::string_view directive, const std::string& name) {
    const Place* const place = place_of_line(section, directive, name);
    errors_.add(place != nullptr ? *place : section.place,
                std::string(directive) + ": $auth_http_ has no value here: " + described(section) +
                    " has no auth_request; add one, or leave the variable out");
  };
  const auto asks = [](const HeaderSetting& each) { return each.value.has(Variable::auth_http); };
  for (const HeaderSetting& each : section.set_headers) {
    if (asks(each)) refuse("set_header", each.name);
  }
  for (const HeaderSetting& each : section.set_answer_headers) {
    if (asks(each)) refuse("set_response_header", each.name);
  }
  if (route.reply && route.reply->location.has(Variable::auth_http)) refuse("return", "");
  const auto cache = section.given.find(&directive::auth_cache);
  if (cache == section.given.end() || route.auth_cache_ms == 0) return;
  warnings_.push_back(text_at(cache->second, "auth_cache: " + described(section) +
                                                 " has no auth_request: nobody is asked"));
}

}  // namespace sluice
