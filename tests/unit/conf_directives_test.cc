// Every directive once: where it may stand, what it does to the Config there, its default, and
// whether it may be repeated. A directive without a row here fails the first test.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/directives.h"
#include "tests/unit/conf_rows.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

using Row = ConfRow;

constexpr std::array<std::string_view, 4> section_names = {"top", "listen", "upstream", "route"};

template <class Rate>
std::string rate_text(const Rate& rate) {
  return std::to_string(rate.a_second) + " " + std::to_string(rate.burst);
}

std::string number(uint64_t value) {
  return std::to_string(value);
}

template <class List, class Text>
std::string joined(const List& list, const Text& text) {
  std::string all;
  for (const auto& element : list) all += text(element) + " ";
  return all;
}

std::string listeners(const Config& config) {
  return joined(config.listeners, [](const ListenConfig& each) { return each.address.text(); });
}

std::string log_text(const LogTarget& log) {
  return log.path + " " + number(static_cast<uint64_t>(log.level));
}

std::string ranges_text(const AddressRanges& ranges) {
  return joined(ranges.ranges, [](const Cidr& range) { return range.text(); }) +
         (ranges.unix_sockets ? "unix " : "");
}

const RouteConfig& last_route(const Config& config) {
  return config.routes.back();
}

std::vector<Row> global_rows() {
  return {
      {"workers", "top", "workers 3", [](const Config& c) { return number(c.workers); }, "3"},
      {"user", "top", "user root", [](const Config& c) { return c.user; }, "root"},
      {"error_log", "top", "error_log off warn",
       [](const Config& c) { return log_text(c.error_log); }, "off 3"},
      {"access_log", "top", "access_log stdout", [](const Config& c) { return c.access_log.path; },
       "stdout"},
      {"log_format", "top", "log_format mine json host id",
       [](const Config& c) { return number(c.access_log.format.fields.size()); }, "2",
       "log_format other text id", "access_log stdout mine\n"},
      {"max_log_value_size", "top", "max_log_value_size 2k",
       [](const Config& c) { return number(c.access_log.format.most_value_bytes); }, "2048", "",
       "access_log stdout json\n"},
      {"log_query", "top", "log_query on", [](const Config& c) { return number(c.log_query); },
       "1"},
      {"log_mask", "top", "log_mask Token,pin",
       [](const Config& c) {
         return joined(c.masked_parameters, [](const std::string& each) { return each; });
       },
       "pin token ", "", "log_query on\n"},
      {"pid_file", "top", "pid_file /run/x.pid", [](const Config& c) { return c.pid_file; },
       "/run/x.pid"},
      {"acme_dir", "top", "acme_dir /var/lib/acme", [](const Config& c) { return c.acme_dir; },
       "/var/lib/acme"},
      {"control", "top", "control unix:/run/x.sock mode=0660",
       [](const Config& c) {
         return c.control ? c.control->address.text() + " " + number(c.control->file.mode) : "";
       },
       "unix:/run/x.sock 432"},
      {"ring_size", "top", "ring_size 64k", [](const Config& c) { return number(c.ring_bytes); },
       "65536"},
      {"buffer_memory", "top", "buffer_memory 64m",
       [](const Config& c) { return number(c.buffer_memory_bytes); }, "67108864"},
      {"splice", "top", "splice off", [](const Config& c) { return number(c.splice); }, "0"},
      {"sandbox", "top", "sandbox off", [](const Config& c) { return number(c.sandbox); }, "0"},
      {"worker_timeout", "top", "worker_timeout off",
       [](const Config& c) { return number(c.worker_timeout_ms); }, "0"},
      {"drain_timeout", "top", "drain_timeout off",
       [](const Config& c) { return number(c.drain_timeout_ms); }, "0"},
      {"drain_code", "top", "drain_code 1012", [](const Config& c) { return number(c.drain_code); },
       "1012"},
      {"worker_connections", "top", "worker_connections 77",
       [](const Config& c) { return number(c.worker_connections); }, "77"},
      {"client_table_size", "top", "client_table_size 5000",
       [](const Config& c) { return number(c.client_table_size); }, "5000"},
  };
}

// Those that open a section, and include, which stands for any text: here, for two listeners.
std::vector<Row> opening_rows(const TestFolder& folder) {
  const std::string one = folder.write("one.conf", "listen 127.0.0.1:8081\n");
  const std::string two = folder.write("two.conf", "listen 127.0.0.1:8082\n");
  return {
      {"include", "top, listen, upstream, route", "include " + one,
       [](const Config& c) { return number(c.listeners.size()); }, "2", "include " + two},
      {"listen", "top", "listen 127.0.0.1:8083",
       [](const Config& c) { return number(listeners(c).find("127.0.0.1:8083 ") < 99); }, "1"},
      {"upstream", "top", "upstream other\n server ws://127.0.0.1:9002",
       [](const Config& c) {
         return number(std::any_of(c.upstreams.begin(), c.upstreams.end(),
                                   [](const UpstreamConfig& up) { return up.name == "other"; }));
       },
       "1"},
      {"route", "top", "route /other\n proxy_pass up",
       [](const Config& c) {
         return number(std::any_of(c.routes.begin(), c.routes.end(), [](const RouteConfig& route) {
           return route.path == "/other";
         }));
       },
       "1"},
  };
}

std::vector<Row> listener_rows() {
  return {
      {"lingering_timeout", "top, listen", "lingering_timeout 3s",
       [](const Config& c) { return number(c.listeners[0].lingering_timeout_ms); }, "3000"},
      {"client_header_timeout", "top, listen", "client_header_timeout 3s",
       [](const Config& c) { return number(c.listeners[0].client_header_timeout_ms); }, "3000"},
      {"max_header_size", "top, listen", "max_header_size 8k",
       [](const Config& c) { return number(c.listeners[0].max_header_bytes); }, "8192"},
      {"max_header_fields", "top, listen", "max_header_fields off",
       [](const Config& c) { return number(c.listeners[0].max_header_fields); }, "0"},
      {"handshake_rate", "top, listen", "handshake_rate 500/s burst=9",
       [](const Config& c) {
         const RateLimit& limit = c.listeners[0].handshake_rate;
         return number(limit.a_second) + " " + number(limit.burst);
       },
       "500 9"},
      {"trusted_proxies", "top, listen", "trusted_proxies 10.0.0.0/8 unix",
       [](const Config& c) { return ranges_text(c.listeners[0].trusted_proxies); },
       "10.0.0.0/8 unix ", "trusted_proxies ::1"},
      {"healthz", "top, listen", "healthz /up",
       [](const Config& c) { return c.listeners[0].healthz; }, "/up"},
      {"real_ip_header", "top, listen", "real_ip_header True-Client-IP",
       [](const Config& c) { return c.listeners[0].real_ip_header; }, "True-Client-IP"},
      {"proxy_protocol", "top, listen", "proxy_protocol on",
       [](const Config& c) { return number(c.listeners[0].proxy_protocol); }, "1", "",
       "trusted_proxies 127.0.0.1\n"},
      {"handshake_queue_time", "top, listen", "handshake_queue_time 250ms",
       [](const Config& c) { return number(c.listeners[0].handshake_queue_time_ms); }, "250"},
  };
}

std::vector<Row> session_rows() {
  const std::string everywhere = "top, upstream, route";
  return {
      {"idle_timeout", everywhere, "idle_timeout off",
       [](const Config& c) { return number(last_route(c).idle_timeout_ms); }, "0"},
      {"idle_code", everywhere, "idle_code 1012",
       [](const Config& c) { return number(last_route(c).idle_code); }, "1012"},
      {"max_session_age", everywhere, "max_session_age 2s jitter=30%",
       [](const Config& c) {
         const RouteConfig& route = last_route(c);
         return number(route.max_session_age_ms) + " " + number(route.session_age_jitter);
       },
       "2000 30"},
      {"client_ping_interval", everywhere, "client_ping_interval 30s",
       [](const Config& c) { return number(last_route(c).client_ping_interval_ms); }, "30000"},
      {"client_ping_timeout", everywhere, "client_ping_timeout 2s",
       [](const Config& c) { return number(last_route(c).client_ping_timeout_ms); }, "2000"},
      {"upstream_ping_interval", everywhere, "upstream_ping_interval 30s",
       [](const Config& c) { return number(last_route(c).upstream_ping_interval_ms); }, "30000"},
      {"upstream_ping_timeout", everywhere, "upstream_ping_timeout 2s",
       [](const Config& c) { return number(last_route(c).upstream_ping_timeout_ms); }, "2000"},
      {"send_timeout", everywhere, "send_timeout 250ms",
       [](const Config& c) { return number(last_route(c).send_timeout_ms); }, "250"},
      {"max_queued_time", everywhere, "max_queued_time 3s",
       [](const Config& c) { return number(last_route(c).max_queued_time_ms); }, "3000"},
      {"tcp_keepalive", everywhere, "tcp_keepalive off",
       [](const Config& c) { return number(last_route(c).tcp_keepalive_ms); }, "0"},
      {"close_timeout", everywhere, "close_timeout 1h",
       [](const Config& c) { return number(last_route(c).close_timeout_ms); }, "3600000"},
      {"lost_close_code", everywhere, "lost_close_code 1012",
       [](const Config& c) { return number(last_route(c).lost_close_code); }, "1012"},
      {"http", "top, route", "http on",
       [](const Config& c) { return number(last_route(c).http ? 1 : 0); }, "1"},
      {"answer_timeout", everywhere, "answer_timeout 3s",
       [](const Config& c) { return number(last_route(c).answer_timeout_ms); }, "3000"},
      {"body_timeout", everywhere, "body_timeout 4s",
       [](const Config& c) { return number(last_route(c).body_timeout_ms); }, "4000"},
      {"max_body_size", everywhere, "max_body_size 2k",
       [](const Config& c) { return number(last_route(c).max_body_bytes); }, "2048"},
      {"keepalive_timeout", "top, listen", "keepalive_timeout off",
       [](const Config& c) { return number(c.listeners[0].keepalive_timeout_ms); }, "0"},
      {"keepalive_requests", "top, listen", "keepalive_requests 7",
       [](const Config& c) { return number(c.listeners[0].keepalive_requests); }, "7"},
      {"max_message_size", everywhere, "max_message_size 1m",
       [](const Config& c) { return number(last_route(c).max_message_bytes); }, "1048576"},
      {"max_small_fragments", everywhere, "max_small_fragments 77",
       [](const Config& c) { return number(last_route(c).max_small_fragments); }, "77"},
      {"control_frame_rate", everywhere, "control_frame_rate 7 burst=9",
       [](const Config& c) { return rate_text(last_route(c).control_frame_rate); }, "7 9"},
      {"client_message_rate", everywhere, "client_message_rate 7/s burst=9",
       [](const Config& c) { return rate_text(last_route(c).client_message_rate); }, "7 9"},
      {"client_byte_rate", everywhere, "client_byte_rate 2k/s burst=1m",
       [](const Config& c) { return rate_text(last_route(c).client_byte_rate); }, "2048 1048576"},
      {"upstream_message_rate", everywhere, "upstream_message_rate 7/s burst=9",
       [](const Config& c) { return rate_text(last_route(c).upstream_message_rate); }, "7 9"},
      {"upstream_byte_rate", everywhere, "upstream_byte_rate 2k/s burst=1m",
       [](const Config& c) { return rate_text(last_route(c).upstream_byte_rate); }, "2048 1048576"},
      {"on_rate", everywhere, "on_rate close",
       [](const Config& c) { return number(last_route(c).on_rate == OnRate::close); }, "1"},
      {"validate_utf8", everywhere, "validate_utf8 on",
       [](const Config& c) { return number(last_route(c).validate_utf8); }, "1"},
  };
}

std::vector<Row> all_rows(const TestFolder& folder) {
  std::vector<Row> rows;
  for (const std::vector<Row>& part :
       {global_rows(), opening_rows(folder), listener_rows(), peer_rows(), session_rows(),
        route_rows(), http2_rows(), tls_rows(folder), token_rows(folder)}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

// A good conf with `line` in that section; "" for none. What `row` needs around it is there.
std::string conf_with(const Row& row, const std::string& line, std::string_view section) {
  const auto text_in = [&](std::string_view name) { return name == section ? line + "\n" : ""; };
  std::string text = text_in("top");
  text += "listen 127.0.0.1:8080\n" + row.listener + text_in("listen");
  text += "upstream up\n server " + row.server + "\n" + text_in("upstream");
  text += "route /\n";
  const bool leads = line.starts_with("proxy_pass") || line.starts_with("return") ||
                     line.starts_with("upstream_by ");
  if (!leads) text += " proxy_pass up\n";
  return text + text_in("route");
}

bool may_stand_in(const Row& row, std::string_view section) {
  return row.sections.find(section) != std::string::npos;
}

bool opens_section(const Row& row) {
  return row.name == "listen" || row.name == "upstream" || row.name == "route";
}

}  // namespace

TEST_CASE("conf directives: each has a row in this test, and nothing else has") {
  const TestFolder folder;
  std::vector<std::string> documented;
  std::vector<std::string> tested;
  for (const DirectiveHelp& help : directive_help()) {
    documented.push_back(std::string(help.name) + " in " + std::string(help.sections) +
                         (help.repeatable ? ", repeatable" : ""));
  }
  for (const Row& row : all_rows(folder)) {
    const bool repeatable = opens_section(row) || !row.again.empty();
    tested.push_back(std::string(row.name) + " in " + row.sections +
                     (repeatable ? ", repeatable" : ""));
  }
  std::sort(documented.begin(), documented.end());
  std::sort(tested.begin(), tested.end());
  CHECK(documented == tested);
}

TEST_CASE("conf directives: each has its effect wherever it may stand") {
  const TestFolder folder;
  for (const Row& row : all_rows(folder)) {
    for (const std::string_view section : section_names) {
      if (!may_stand_in(row, section)) continue;
      CAPTURE(row.name);
      CAPTURE(section);
      CHECK(row.read(*good(conf_with(row, row.before + row.line, section))) == row.expected);
      const bool replaces_another = row.name == "proxy_pass";  // without one there is no conf
      if (!replaces_another) CHECK(row.read(*good(conf_with(row, "", ""))) != row.expected);
    }
  }
}

TEST_CASE("conf directives: elsewhere they are refused, with the places that are allowed") {
  const TestFolder folder;
  for (const Row& row : all_rows(folder)) {
    if (opens_section(row)) continue;  // these begin a section wherever they stand
    for (const std::string_view section : section_names) {
      if (may_stand_in(row, section)) continue;
      CAPTURE(row.name);
      CAPTURE(section);
      const std::string errors = errors_in(conf_with(row, row.line, section));
      const bool global = row.sections == "top";
      const std::string refusal =
          ": " + std::string(row.name) +
          (global ? " must stand before the first section\n" : " may stand ");
      CHECK(errors.find(refusal) < 4);
      for (const std::string_view allowed : section_names) {
        if (global || allowed == "top" || !may_stand_in(row, allowed)) continue;
        CHECK(errors.find(std::string(allowed) + " section") < errors.find(", not "));
      }
    }
  }
}

TEST_CASE("conf directives: only the repeatable ones may be given twice in a section") {
  const TestFolder folder;
  for (const Row& row : all_rows(folder)) {
    if (opens_section(row)) continue;
    for (const std::string_view section : section_names) {
      if (!may_stand_in(row, section)) continue;
      CAPTURE(row.name);
      CAPTURE(section);
      const std::string second = row.again.empty() ? row.line : row.again;
      const std::string errors =
          errors_in(conf_with(row, row.before + row.line + "\n" + second, section));
      if (row.again.empty()) {
        CHECK(errors.find(": " + std::string(row.name) + " is already given on line ") !=
              std::string::npos);
      } else {
        CHECK(errors == "");
      }
    }
  }
}

TEST_CASE("conf directives: the documented default is what a conf without it has") {
  const TestFolder folder;
  const auto help = directive_help();
  int compared = 0;
  for (const Row& row : all_rows(folder)) {
    const auto entry = std::find_if(
        help.begin(), help.end(), [&](const DirectiveHelp& each) { return each.name == row.name; });
    REQUIRE(entry != help.end());
    // What stands in brackets is not a value.
    if (entry->default_value.empty() || entry->default_value.starts_with('(')) continue;
    CAPTURE(row.name);
    const std::string line = std::string(row.name) + " " + std::string(entry->default_value);
    CHECK(row.read(*good(conf_with(row, line, "top"))) == row.read(*good(conf_with(row, "", ""))));
    ++compared;
  }
  CHECK(compared >= 16);
  CHECK(good(conf_of(""))->worker_connections == 0);  // depends on the machine: 0 stands for it
}

TEST_CASE("conf directives: the defaults of core/DESIGN.md") {
  const auto config = good(conf_of(""));
  CHECK(config->workers == 0);
  CHECK(config->user.empty());  // depends on the machine
  CHECK(config->error_log.path == "stderr");
  CHECK(config->error_log.level == LogLevel::info);
  CHECK(config->access_log.path == "off");
  CHECK_FALSE(config->log_query);
  CHECK(config->pid_file == "");
  CHECK(config->acme_dir == "");
  CHECK_FALSE(config->control);
  CHECK(config->ring_bytes == 256 << 10);
  CHECK(config->splice);
  CHECK(config->sandbox);
  CHECK(config->worker_timeout_ms == 30'000);
  CHECK(config->drain_timeout_ms == 60'000);
  CHECK(config->drain_code == 1001);
  CHECK(config->buffer_memory_bytes == 0);
  CHECK(config->listeners[0].client_header_timeout_ms == 10'000);
  CHECK(config->listeners[0].lingering_timeout_ms == 5'000);
  CHECK(config->listeners[0].max_header_bytes == 16 << 10);
  CHECK(config->listeners[0].max_header_fields == 100);
  CHECK(config->listeners[0].handshake_rate.a_second == 0);
  CHECK(config->listeners[0].handshake_queue_time_ms == 1'000);
  const RouteConfig& route = config->routes[0];
  CHECK(route.path_form == PathForm::under);
  CHECK(route.match_hosts.empty());
  CHECK(route.path_and_host_alone());
  CHECK(route.connect_timeout_ms == 5'000);
  CHECK(route.handshake_timeout_ms == 10'000);
  CHECK(route.idle_timeout_ms == 600'000);
  CHECK(route.idle_code == 1001);
  CHECK(route.max_session_age_ms == 0);
  CHECK(route.session_age_jitter == 10);
  CHECK(route.client_ping_interval_ms == 0);
  CHECK(route.client_ping_timeout_ms == 10'000);
  CHECK(route.upstream_ping_interval_ms == 0);
  CHECK(route.upstream_ping_timeout_ms == 10'000);
  CHECK(route.max_queued_time_ms == 0);
  CHECK(route.client_message_rate.a_second == 0);
  CHECK(route.upstream_byte_rate.a_second == 0);
  CHECK(route.on_rate == OnRate::delay);
  CHECK(route.send_timeout_ms == 60'000);
  CHECK(route.tcp_keepalive_ms == 300'000);
  CHECK(route.close_timeout_ms == 5'000);
  CHECK(route.lost_close_code == 0);
  CHECK(route.max_answer_header_bytes == 32 << 10);
  CHECK(route.max_message_bytes == 0);
  CHECK(route.max_small_fragments == 1024);
  CHECK(route.control_frame_rate.a_second == 100);
  CHECK(route.control_frame_rate.burst == 1000);
  CHECK_FALSE(route.validate_utf8);
  CHECK(route.host.policy == HostPolicy::by_scheme);
  CHECK(route.set_headers.empty());
  CHECK(route.remove_headers.empty());
  CHECK(route.keep_headers.empty());
  CHECK_FALSE(route.underscore_headers);
  CHECK(route.next_peer_on.error);
  CHECK(route.next_peer_on.timeout);
  CHECK_FALSE(route.next_peer_on.invalid_answer);
  CHECK(route.next_peer_on.statuses.empty());
  CHECK(route.hedge_after_ms == 0);
  CHECK(route.next_peer_tries == 0);
  CHECK(route.next_peer_timeout_ms == 0);
  CHECK(route.subprotocols.empty());
}

// What is laid out or given up once, before the first worker starts.
TEST_CASE("conf directives: few take effect with a restart alone") {
  std::vector<std::string_view> restart;
  for (const Directive* row : directives()) {
    if (row->keep != nullptr) restart.push_back(row->name);
  }
  CHECK(restart == std::vector<std::string_view>{"user", "pid_file", "control", "ring_size",
                                                 "splice", "sandbox", "client_table_size"});
}

TEST_CASE("conf directives: a wrong count says how many and which") {
  CHECK(errors_in(conf_of("workers")) == "1: workers takes 1 argument (N|auto), not 0\n");
  CHECK(errors_in(conf_of("workers 1 2")) == "1: workers takes 1 argument (N|auto), not 2\n");
  CHECK(errors_in(conf_of("control off mode=0600 x")) ==
        "1: control takes 1 or 2 arguments (unix:/PATH|off [mode=MODE]), not 3\n");
  CHECK(errors_in(conf_of("set_header X-A")) ==
        "1: set_header takes 2 arguments (NAME VALUE), not 1\n");
  CHECK(errors_in(conf_of("set_header X-A b c")) ==
        "1: set_header takes 2 arguments (NAME VALUE), not 3; a value with blanks stands in double "
        "quotes\n");
  CHECK(errors_in(conf_of("subprotocols")) ==
        "1: subprotocols takes at least 1 argument (NAME...), not 0\n");
}
