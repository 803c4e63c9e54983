// The admin address in a conf: what is taken, what is refused, and what is warned about.
#include <doctest/doctest.h>

#include <string>

#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

struct Loaded {
  explicit Loaded(const std::string& top) {
    MemoryInputs inputs;
    inputs.files["/x.conf"] =
        top +
        "\nlisten 127.0.0.1:80\nupstream up\nserver ws://127.0.0.1:2\nroute /\nproxy_pass up\n";
    outcome = load_conf("/x.conf", ConfOptions(), inputs);
  }
  const Config& config() const {
    REQUIRE(outcome.config != nullptr);
    return *outcome.config;
  }
  std::string errors() const {
    std::string all;
    for (const ConfError& error : outcome.errors) all += error.text() + "\n";
    return all;
  }
  std::string warnings() const {
    std::string all;
    for (const std::string& each : outcome.warnings) all += each + "\n";
    return all;
  }

  ConfOutcome outcome;
};

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("conf admin: there is none, or an address") {
  CHECK_FALSE(Loaded("").config().admin);
  CHECK_FALSE(Loaded("admin off").config().admin);
  const Loaded tcp("admin [::1]:9300");
  CHECK(tcp.config().admin->address.text() == "[::1]:9300");
  CHECK(tcp.warnings().empty());
  const Loaded file("admin unix:/run/x/admin.sock mode=0660");
  CHECK(file.config().admin->address.text() == "unix:/run/x/admin.sock");
  CHECK(file.config().admin->file.mode == 0660);
  CHECK(Loaded("admin unix:/x").config().admin->file.mode == 0600);
}

TEST_CASE("conf admin: what is no address, or not one of its own, is told with what would be") {
  CHECK(holds(Loaded("admin 9300").errors(), "write 127.0.0.1:9300"));
  CHECK(holds(Loaded("admin :9300").errors(), "write 127.0.0.1:9300"));
  for (const char* wrong : {"admin localhost:9300", "admin 127.0.0.1:0", "admin 127.0.0.1",
                            "admin off mode=0600", "admin 127.0.0.1:9300 mode=0600",
                            "admin unix:/x owner=root", "admin unix:/x mode=9", "admin /x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(Loaded(wrong).errors().empty());
  }
  CHECK(Loaded("admin 127.0.0.1:80").errors() ==
        "/x.conf:1: admin: 127.0.0.1:80 is taken by listen \"127.0.0.1:80\" on line 2; clients "
        "come there: give it a port of its own\n");
  CHECK(holds(Loaded("admin 0.0.0.0:80").errors(), "is taken by"));
}

TEST_CASE("conf admin: an address for others wants to know them") {
  CHECK(holds(Loaded("admin 10.0.0.1:9300").warnings(), "write admin_allow"));
  CHECK(Loaded("admin 10.0.0.1:9300\nadmin_allow 10.0.0.0/8").warnings().empty());
  CHECK(holds(Loaded("admin 10.0.0.1:9300\nadmin_allow 0.0.0.0/0").warnings(), "is everybody"));
  CHECK(Loaded("admin_allow 10.0.0.1 ::1").config().admin_rules.allow.size() == 2);
  CHECK(holds(Loaded("admin_allow 10.0.0.1/8").errors(), "is not a range of addresses"));
}

TEST_CASE("conf admin: names of hosts without scheme and port, in lower case") {
  const std::vector<std::string> names = Loaded("admin_host A.b x-1").config().admin_rules.hosts;
  CHECK(names == std::vector<std::string>{"a.b", "x-1"});
  for (const char* wrong : {"admin_host a:80", "admin_host http://a", "admin_host *.a"}) {
    CAPTURE(wrong);
    CHECK(holds(Loaded(wrong).errors(), "is not a host's name"));
  }
}

TEST_CASE("conf admin: ready_requires names upstreams that are there") {
  const Loaded loaded("ready_requires up");
  CHECK(loaded.config().admin_rules.ready_requires ==
        std::vector<UpstreamId>{loaded.config().upstreams[0].id});
  CHECK(Loaded("ready_requires upp").errors() ==
        "/x.conf:1: ready_requires: there is no upstream \"upp\", did you mean \"up\"?\n");
}

TEST_CASE("conf admin: its requests have the limits of clients'") {
  const Loaded loaded("max_header_size 2k\nmax_header_fields 7\nclient_header_timeout 3s");
  const ListenSettings& limits = loaded.config().admin_rules.limits;
  CHECK(limits.max_header_bytes == 2'048);
  CHECK(limits.max_header_fields == 7);
  CHECK(limits.client_header_timeout_ms == 3'000);
}

TEST_CASE("conf admin: routes are labelled by host, path and the names of fields") {
  RouteConfig route;
  route.path = "/chat";
  CHECK(label_of(route) == "/chat");
  route.match_hosts = {"*.example.org"};
  route.match_headers = {{"X-Key", "secret"}, {"X-Beta", ""}};
  CHECK(label_of(route) == "*.example.org/chat[X-Key][X-Beta]");
  route.match_hosts.push_back("a.example");
  route.match_headers.clear();
  route.path_form = PathForm::exact;
  route.match_queries = {{"room", "secret"}};
  route.match_cookies = {{"sid", "secret"}};
  CHECK(label_of(route) == "*.example.org,a.example=/chat[?room][cookie sid]");
  route = RouteConfig();
  route.path_form = PathForm::pattern;
  route.path = "^/c";
  route.match_clients.unix_sockets = true;
  route.match_listeners = {Address::parse("127.0.0.1:80").value()};
  route.match_methods = {"GET", "HEAD"};
  CHECK(label_of(route) == "~^/c[client][127.0.0.1:80][GET,HEAD]");
}
