// Names of servers in a conf: how they are resolved, what is followed, and what an answer that is
// missing is.
#include <doctest/doctest.h>

#include <string>

#include "core/conf/conf.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

struct Loaded {
  explicit Loaded(const std::string& text, bool checking = false) {
    MemoryInputs inputs;
    inputs.files["/x.conf"] = text;
    inputs.hosts["known.example"] = {Address::parse("10.0.0.2:1").value(),
                                     Address::parse("10.0.0.1:1").value()};
    inputs.hosts["localhost"] = {Address::parse("127.0.0.1:1").value()};
    ConfOptions options;
    options.open_files = checking;
    outcome = load_conf("/x.conf", options, inputs);
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
  const UpstreamConfig& upstream() const {
    REQUIRE(outcome.config != nullptr);
    return outcome.config->upstreams[0];
  }
  const ResolverSettings& resolver() const {
    REQUIRE(outcome.config != nullptr);
    return outcome.config->resolver;
  }
  std::string peers() const {
    std::string all;
    for (const PeerConfig& each : upstream().peers) all += each.name + " ";
    return all;
  }

  ConfOutcome outcome;
};

std::string to(const std::string& server, const std::string& top = "") {
  return top + "listen 127.0.0.1:8080\nupstream up\nserver " + server +
         "\nroute /\nproxy_pass up\n";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("conf names: a name is a question that stays, and its first answer") {
  const Loaded loaded(to("ws://Known.Example:81/x weight=3"));
  CHECK(loaded.peers() == "10.0.0.1:81 10.0.0.2:81 ");
  const UpstreamConfig& upstream = loaded.upstream();
  REQUIRE(upstream.named.size() == 1);
  CHECK(upstream.named[0].question == NameQuestion{"known.example", 81, false});
  CHECK(upstream.named[0].like.weight == 3);
  CHECK(upstream.peers[1].weight == 3);
  CHECK(upstream.peers[0].uri.authority == "Known.Example:81");
  CHECK(loaded.warnings().empty());
}

TEST_CASE("conf names: addresses, sockets and localhost are followed by nobody") {
  CHECK(Loaded(to("ws://10.0.0.7")).upstream().named.empty());
  CHECK(Loaded(to("ws://[::1]:7")).upstream().named.empty());
  CHECK(Loaded(to("ws://unix:/run/x.sock")).upstream().named.empty());
  CHECK(Loaded(to("ws://localhost")).upstream().named.empty());
  CHECK(Loaded(to("ws://localhost")).peers() == "127.0.0.1:80 ");
  CHECK(Loaded(to("ws://known.example", "resolve_interval off\n")).upstream().named.empty());
}

TEST_CASE(
    "conf names: without an answer a server is warned about, or refused where it must have one") {
  const Loaded tried(to("ws://gone.example"));
  CHECK(tried.errors().empty());
  CHECK(tried.upstream().peers.empty());
  CHECK(tried.upstream().named.size() == 1);
  CHECK(tried.warnings() ==
        "/x.conf:3: server: \"ws://gone.example\": the host cannot be found (no such host); its "
        "peers come when it is\n");
  for (const char* top : {"resolve_at_start require\n", "resolve_interval off\n"}) {
    const Loaded required(to("ws://gone.example", top));
    CHECK(required.errors() ==
          "/x.conf:4: server: \"ws://gone.example\": the host cannot be found (no such host)\n");
    CHECK(Loaded(to("ws://gone.example", top), true).errors().empty());  // another machine may
    CHECK(holds(Loaded(to("ws://gone.example", top), true).warnings(), "cannot be found"));
  }
  CHECK(holds(Loaded(to("ws://nobody.localhost")).errors(), "cannot be found"));
}

TEST_CASE("conf names: a service has its peers from whoever asks while sluice runs") {
  const Loaded loaded(to("srv+wss://_Ws._tcp.example.org/x"));
  CHECK(loaded.errors().empty());
  CHECK(loaded.warnings().empty());
  const UpstreamConfig& upstream = loaded.upstream();
  CHECK(upstream.peers.empty());
  CHECK(upstream.named[0].question == NameQuestion{"_ws._tcp.example.org", 0, true});
  CHECK(upstream.named[0].like.uri.host == "example.org");
  CHECK(upstream.tls != nullptr);
  CHECK(holds(Loaded(to("srv+ws://x.example", "resolve_at_start require\n")).errors(),
              "write resolve_at_start try"));
  CHECK(holds(Loaded(to("srv+ws://x.example", "resolve_interval off\n")).errors(),
              "write resolve_interval with times, not off"));
  CHECK_FALSE(Loaded(to("srv+ws://x.example", "resolve_interval off\n"), true).errors().empty());
  CHECK(Loaded(to("srv+ws://x.example"), true).errors().empty());
  CHECK(holds(Loaded(to("srv+ws://x.example:80")).errors(), "a service has no port of its own"));
  CHECK(holds(Loaded(to("srv+ws://10.0.0.1")).errors(), "a service is a name"));
}

TEST_CASE("conf names: no more addresses than may be") {
  const Loaded loaded(to("ws://known.example", "resolve_max_addresses 1\n"));
  CHECK(loaded.peers() == "10.0.0.1:80 ");
}

TEST_CASE("conf names: settings of the resolver") {
  const Loaded usual(to("ws://10.0.0.1"));
  CHECK(usual.resolver() == ResolverSettings());
  const Loaded loaded(to("ws://10.0.0.1",
                         "resolver 10.0.0.2 10.0.0.3:5353 ::1 [::1]:54\nresolver_timeout 3s\n"
                         "resolve_interval 2s 9s\n"));
  const ResolverSettings& settings = loaded.resolver();
  REQUIRE(settings.servers.size() == 4);
  CHECK(settings.servers[0].text() == "10.0.0.2:53");
  CHECK(settings.servers[1].text() == "10.0.0.3:5353");
  CHECK(settings.servers[2].text() == "[::1]:53");
  CHECK(settings.servers[3].text() == "[::1]:54");
  CHECK(settings.timeout_ms == 3'000);
  CHECK(settings.least_interval_ms == 2'000);
  CHECK(settings.most_interval_ms == 9'000);
  CHECK(Loaded(to("ws://10.0.0.1", "resolve_interval 10m\n")).resolver().most_interval_ms ==
        600'000);
  CHECK(holds(Loaded(to("ws://10.0.0.1", "resolver 10.0.0.2 valid=30s\n")).errors(),
              "\"valid=30s\": write resolve_interval MIN MAX"));
  for (const char* wrong : {"resolver dns.example", "resolver 10.0.0.1:0", "resolver unix:/x",
                            "resolver 0.0.0.0", "resolve_interval 2s 1s", "resolve_interval off 1s",
                            "resolve_at_start maybe", "resolve_max_addresses 0"}) {
    CAPTURE(wrong);
    CHECK_FALSE(Loaded(to("ws://10.0.0.1", std::string(wrong) + "\n")).errors().empty());
  }
}
