// Setters of who the client is: what lists come to over lines and sections, and what is refused.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::string trusted(const ListenConfig& listener) {
  std::string all;
  for (const Cidr& range : listener.trusted_proxies.ranges) all += range.text() + " ";
  return all + (listener.trusted_proxies.unix_sockets ? "unix" : "");
}

}  // namespace

TEST_CASE("conf clients: trusted_proxies add up in a section, which stand for the top's") {
  const auto config = good(
      "trusted_proxies 10.0.0.0/8\ntrusted_proxies ::1 unix\n"
      "listen 127.0.0.1:1\n"
      "listen 127.0.0.1:2\ntrusted_proxies 192.0.2.1 ::ffff:192.0.2.2\n"
      "listen 127.0.0.1:3\ntrusted_proxies off\n"
      "route /\nproxy_pass ws://127.0.0.1:9\n");
  CHECK(trusted(config->listeners[0]) == "10.0.0.0/8 ::1/128 unix");
  CHECK(trusted(config->listeners[1]) == "192.0.2.1/32 192.0.2.2/32 ");
  CHECK(config->listeners[2].trusted_proxies.none());
}

TEST_CASE(
    "conf clients: a check warns of addresses that are not this machine's, a start does not") {
  MemoryInputs inputs;
  inputs.files["/sluice.conf"] =
      "listen 127.0.0.1:1\nroute /\nproxy_pass ws://127.0.0.1:9\nbind_address 127.0.0.1 "
      "192.0.2.99\n";
  inputs.bind_errors["192.0.2.99"] = EADDRNOTAVAIL;
  const auto warnings = [&](bool check) {
    ConfOptions options;
    options.open_files = check;
    const ConfOutcome outcome = load_conf("/sluice.conf", options, inputs);
    CHECK(errors_of(outcome) == "");
    std::string all;
    for (const std::string& warning : outcome.warnings) all += warning;
    return all;
  };
  CHECK(warnings(true) ==
        "/sluice.conf:4: bind_address: \"192.0.2.99\": this machine has no such address");
  CHECK(warnings(false) == "");
}

TEST_CASE("conf clients: a listener that would close every connection is an error") {
  const std::string route = "route /\nproxy_pass ws://127.0.0.1:9\n";
  CHECK(errors_in("listen 127.0.0.1:1\nproxy_protocol on\n" + route) ==
        "2: proxy_protocol: listen \"127.0.0.1:1\" believes nobody; write trusted_proxies with the "
        "balancer's address\n");
  CHECK(errors_in("listen unix:/run/x.sock\nproxy_protocol on\ntrusted_proxies ::1\n" + route) ==
        "2: proxy_protocol: listen \"unix:/run/x.sock\" believes nobody; write trusted_proxies "
        "unix\n");
  CHECK(errors_in("proxy_protocol on\nlisten 127.0.0.1:1\n" + route) ==
        "2: proxy_protocol: listen \"127.0.0.1:1\" believes nobody; write trusted_proxies with the "
        "balancer's address\n");
  CHECK(errors_in("proxy_protocol on\nlisten 127.0.0.1:1\ntrusted_proxies ::1\n" + route) == "");
}
