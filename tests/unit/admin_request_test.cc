// Requests to the admin address: who may ask, under which names, from which pages, for what.
#include "core/process/admin_request.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

AdminRules rules_with(std::vector<std::string> hosts) {
  AdminRules rules;
  rules.hosts = std::move(hosts);
  return rules;
}

AdminRequest ask(const std::string& target, const Fields& fields = {{"Host", "127.0.0.1:9300"}},
                 const std::string& method = "GET", const AdminRules& rules = {}) {
  RequestHead head;
  head.method = method;
  head.target = target;
  for (const auto& [name, value] : fields) head.add(name, value);
  return read_admin_request(head, rules);
}

int status_of(const AdminRequest& request) {
  return request.refusal ? request.refusal->status : 200;
}

int with_host(const std::string& host, const AdminRules& rules = {}) {
  return status_of(ask("/metrics", {{"Host", host}}, "GET", rules));
}

int with_origin(const std::string& origin, const AdminRules& rules = {}) {
  return status_of(ask("/metrics", {{"Host", "localhost"}, {"Origin", origin}}, "GET", rules));
}

TEST_CASE("admin request: pages by their paths, whatever the query") {
  CHECK(ask("/metrics").page == AdminPage::metrics);
  CHECK(ask("/healthz").page == AdminPage::health);
  CHECK(ask("/readyz?x=/metrics").page == AdminPage::ready);
  CHECK(ask("/status.json").page == AdminPage::status);
  CHECK(ask("/").page == AdminPage::page);
  CHECK(ask("/?x").page == AdminPage::page);
  CHECK(ask("/events").page == AdminPage::events);
  for (const char* target :
       {"/index.html", "/events/", "//", "/metrics/", "//metrics", "/Metrics", "/metrics%2f",
        "/../metrics", "*", "http://127.0.0.1/metrics", "/metrics#x", "?/metrics"}) {
    CAPTURE(target);
    CHECK(status_of(ask(target)) == 404);
  }
}

TEST_CASE("admin request: a host is an address, localhost or one that the conf names") {
  const AdminRules rules = rules_with({"metrics.internal"});
  for (const char* host : {"127.0.0.1", "127.0.0.1:9300", "[::1]", "[::1]:9300", "10.1.2.3:1",
                           "localhost", "LocalHost:80", "metrics.internal", "Metrics.Internal:9"}) {
    CAPTURE(host);
    CHECK(with_host(host, rules) == 200);
  }
  for (const char* host :
       {"evil.example", "metrics.internal.evil.example", "127.0.0.1.evil.example",
        "localhost.evil.example", "", ":80", "[::1", "[localhost]", "[::1]x", "[127.0.0.1]", "::1",
        "127.0.0.1:80x", "127.0.0.1:123456", "evil@127.0.0.1", "metrics.internal:80:80"}) {
    CAPTURE(host);
    CHECK(with_host(host, rules) == 403);
  }
  CHECK(with_host("metrics.internal") == 403);
  CHECK(status_of(ask("/metrics", {})) == 400);
  CHECK(status_of(ask("/metrics", {{"Host", "localhost"}, {"host", "localhost"}})) == 400);
}

TEST_CASE("admin request: a page of elsewhere may not ask") {
  const AdminRules rules = rules_with({"metrics.internal"});
  CHECK(with_origin("http://127.0.0.1:9300") == 200);
  CHECK(with_origin("http://localhost:3000") == 200);
  CHECK(with_origin("https://metrics.internal", rules) == 200);
  for (const char* origin : {"https://metrics.internal", "http://evil.example", "null", "",
                             "localhost", "http://", "http://evil.example:80/@localhost",
                             "http://localhost/", "http://localhost, http://localhost"}) {
    CAPTURE(origin);
    CHECK(with_origin(origin) == 403);
  }
  CHECK(status_of(ask("/metrics", {{"Host", "localhost"},
                                   {"Origin", "http://localhost"},
                                   {"Origin", "http://evil.example"}})) == 403);
}

TEST_CASE("admin request: nothing is changed here") {
  const Fields host{{"Host", "localhost"}};
  CHECK(ask("/metrics", host, "HEAD").head_only);
  CHECK_FALSE(ask("/metrics", host, "GET").head_only);
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"}) {
    CAPTURE(method);
    const AdminRequest request = ask("/metrics", host, method);
    REQUIRE(status_of(request) == 405);
    CHECK(request.refusal->allow == "GET, HEAD");
  }
}

TEST_CASE("admin request: a refusal is one line that a terminal can show") {
  const AdminRequest request = ask("/", {{"Host", "e\x1b[31m\xff"}});
  REQUIRE(request.refusal);
  const std::string& body = request.refusal->body;
  CHECK(body.find('\n') == body.size() - 1);
  CHECK(body.find('\x1b') == std::string::npos);
  CHECK(body.find("admin_host") != std::string::npos);
}

TEST_CASE("admin request: the format that a scraper likes better") {
  const auto format = [](const std::string& accept) {
    return ask("/metrics", {{"Host", "localhost"}, {"Accept", accept}}).format;
  };
  for (const char* accept : {"application/openmetrics-text", "APPLICATION/OpenMetrics-Text; q=1",
                             "application/openmetrics-text;version=1.0.0;q=0.5,"
                             "application/openmetrics-text;version=0.0.1;q=0.4,"
                             "text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                             "text/html, application/openmetrics-text;q=0.001"}) {
    CAPTURE(accept);
    CHECK(format(accept) == MetricsFormat::openmetrics);
  }
  for (const char* accept :
       {"", "*/*", "text/plain", "application/openmetrics-text;q=0",
        "text/plain, application/openmetrics-text;q=0.9", "application/openmetrics-text;q=x",
        "application/openmetrics", "application/openmetrics-text;q=0.0, text/plain;q=0.1"}) {
    CAPTURE(accept);
    CHECK(format(accept) == MetricsFormat::prometheus);
  }
}

TEST_CASE("admin request: who may ask at all") {
  const auto from = [](const char* text) { return Address::parse(text).value(); };
  AdminRules rules;
  CHECK(may_ask(from("127.0.0.1:1"), rules));
  CHECK(may_ask(from("127.8.8.8:1"), rules));
  CHECK(may_ask(from("[::1]:1"), rules));
  CHECK(may_ask(from("[::ffff:127.0.0.1]:1"), rules));
  CHECK(may_ask(from("unix:/x"), rules));
  CHECK_FALSE(may_ask(from("10.0.0.1:1"), rules));
  CHECK_FALSE(may_ask(from("[::2]:1"), rules));
  rules.allow.push_back(Cidr::parse("10.0.0.0/8").value());
  CHECK(may_ask(from("10.0.0.1:1"), rules));
  CHECK(may_ask(from("[::ffff:10.0.0.1]:1"), rules));
  CHECK(may_ask(from("unix:/x"), rules));
  CHECK_FALSE(may_ask(from("127.0.0.1:1"), rules));
}

}  // namespace
}  // namespace sluice
