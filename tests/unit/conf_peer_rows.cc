// What each directive about an upstream's peers does: who gets a session, and who is asked next.
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/conf_rows.h"

namespace sluice::testing {

namespace {

std::string number(uint64_t value) {
  return std::to_string(value);
}

template <class List, class Text>
std::string joined(const List& list, const Text& text) {
  std::string all;
  for (const auto& element : list) all += text(element) + " ";
  return all;
}

const RouteConfig& last_route(const Config& config) {
  return config.routes.back();
}

std::vector<ConfRow> name_rows() {
  return {
      {"resolver", "top", "resolver 10.0.0.2 [::1]:54",
       [](const Config& c) {
         return joined(c.resolver.servers, [](const Address& each) { return each.text(); });
       },
       "10.0.0.2:53 [::1]:54 "},
      {"resolver_timeout", "top", "resolver_timeout 3s",
       [](const Config& c) { return number(c.resolver.timeout_ms); }, "3000"},
      {"resolve_interval", "top", "resolve_interval 2s 9s",
       [](const Config& c) {
         return number(c.resolver.least_interval_ms) + " " + number(c.resolver.most_interval_ms);
       },
       "2000 9000"},
      {"resolve_at_start", "top", "resolve_at_start require",
       [](const Config& c) { return number(c.resolver.required); }, "1"},
      {"resolve_max_addresses", "top", "resolve_max_addresses 7",
       [](const Config& c) { return number(c.resolver.most_addresses); }, "7"},
  };
}

std::vector<ConfRow> admin_rows() {
  return {
      {"admin", "top", "admin 127.0.0.1:9300",
       [](const Config& c) { return c.admin ? c.admin->address.text() : "off"; }, "127.0.0.1:9300"},
      {"admin_allow", "top", "admin_allow 10.0.0.0/8 ::1",
       [](const Config& c) {
         return joined(c.admin_rules.allow, [](const Cidr& each) { return each.text(); });
       },
       "10.0.0.0/8 ::1/128 "},
      {"admin_host", "top", "admin_host Metrics.Internal",
       [](const Config& c) {
         return joined(c.admin_rules.hosts, [](const std::string& each) { return each; });
       },
       "metrics.internal "},
      {"ready_requires", "top", "ready_requires up",
       [](const Config& c) { return number(c.admin_rules.ready_requires.size()); }, "1"},
  };
}

std::vector<ConfRow> health_rows() {
  return {
      {"max_fails", "top, upstream", "max_fails 7",
       [](const Config& c) { return number(c.upstreams[0].health.max_fails); }, "7"},
      {"fail_timeout", "top, upstream", "fail_timeout 2s max=1m first=500ms",
       [](const Config& c) {
         const HealthSettings& health = c.upstreams[0].health;
         return number(health.fail_timeout_ms) + " " + number(health.first_fail_timeout_ms) + " " +
                number(health.max_fail_timeout_ms);
       },
       "2000 500 60000"},
      {"health_check", "top, upstream",
       "health_check http /up?x host=a.b status=200,300-399 interval=2s timeout=1s rise=4 fall=5",
       [](const Config& c) {
         const CheckSettings& check = c.upstreams[0].check;
         const auto range = [](const CheckSettings::StatusRange& each) {
           return number(each.least) + "-" + number(each.most);
         };
         return number(static_cast<uint64_t>(check.kind)) + " " + check.path + " " + check.host +
                " " + joined(check.statuses, range) + number(check.interval_ms) + " " +
                number(check.timeout_ms) + " " + number(check.rise) + " " + number(check.fall);
       },
       "2 /up?x a.b 200-200 300-399 2000 1000 4 5"},
  };
}

}  // namespace

std::vector<ConfRow> peer_rows() {
  const std::string everywhere = "top, upstream, route";
  std::vector<ConfRow> rows = {
      {"max_answer_header_size", everywhere, "max_answer_header_size 64k",
       [](const Config& c) { return number(last_route(c).max_answer_header_bytes); }, "65536"},
      {"send_proxy_protocol", everywhere, "send_proxy_protocol v2",
       [](const Config& c) {
         return number(static_cast<uint64_t>(last_route(c).send_proxy_protocol));
       },
       "2"},
      {"bind_address", everywhere, "bind_address 127.0.0.2 ::1",
       [](const Config& c) {
         return joined(last_route(c).bind_addresses,
                       [](const Address& each) { return each.host_text(); });
       },
       "127.0.0.2 ::1 "},
      {"server", "upstream", "server ws://127.0.0.1:9003/x",
       [](const Config& c) {
         return joined(c.upstreams[0].peers, [](const PeerConfig& each) { return each.name; });
       },
       "127.0.0.1:9001 127.0.0.1:9003 ", "server ws://127.0.0.1:9004"},
      {"upstream_keepalive", "top, upstream", "upstream_keepalive 7",
       [](const Config& c) { return number(c.upstreams[0].keepalive); }, "7"},
      {"upstream_keepalive_timeout", "top, upstream", "upstream_keepalive_timeout 7s",
       [](const Config& c) { return number(c.upstreams[0].keepalive_timeout_ms); }, "7000"},
      {"balance", "top, upstream", "balance hash $cookie_user",
       [](const Config& c) {
         const UpstreamConfig& upstream = c.upstreams[0];
         return number(static_cast<uint64_t>(upstream.balance)) + " " +
                joined(upstream.hash_key.pieces(),
                       [](const HeaderValue::Piece& piece) { return piece.text; });
       },
       "3 user "},
      {"sticky", "top, upstream", "sticky cookie WHERE ttl=2m",
       [](const Config& c) {
         return c.upstreams[0].sticky.cookie + " " + number(c.upstreams[0].sticky.ttl_ms);
       },
       "WHERE 120000"},
      {"on_peer_gone", "top, upstream", "on_peer_gone drain",
       [](const Config& c) { return number(static_cast<uint64_t>(c.upstreams[0].on_peer_gone)); },
       "1"},
      {"connect_timeout", everywhere, "connect_timeout 1s",
       [](const Config& c) { return number(last_route(c).connect_timeout_ms); }, "1000"},
      {"handshake_timeout", everywhere, "handshake_timeout 2s",
       [](const Config& c) { return number(last_route(c).handshake_timeout_ms); }, "2000"},
      {"next_peer_on", everywhere, "next_peer_on timeout http_502 http_503",
       [](const Config& c) {
         const NextPeerOn& on = last_route(c).next_peer_on;
         return number(on.error) + number(on.timeout) + number(on.invalid_answer) + " " +
                joined(on.statuses, number);
       },
       "010 502 503 "},
      {"hedge_after", everywhere, "hedge_after 300ms",
       [](const Config& c) { return number(last_route(c).hedge_after_ms); }, "300"},
      {"next_peer_tries", everywhere, "next_peer_tries 2",
       [](const Config& c) { return number(last_route(c).next_peer_tries); }, "2"},
      {"next_peer_timeout", everywhere, "next_peer_timeout 3s",
       [](const Config& c) { return number(last_route(c).next_peer_timeout_ms); }, "3000"},
  };
  for (ConfRow& each : admin_rows()) rows.push_back(std::move(each));
  for (ConfRow& each : name_rows()) rows.push_back(std::move(each));
  for (ConfRow& each : health_rows()) rows.push_back(std::move(each));
  return rows;
}

}  // namespace sluice::testing
