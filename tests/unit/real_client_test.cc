// Who the client is behind trusted proxies, and what the upstream gets: chains as they come.
#include "core/session/real_client.h"

#include <doctest/doctest.h>

#include <iterator>
#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

// What the upstream gets of a request with these fields, from 127.0.0.1 through a listener with
// these directives, under those of the route.
std::string sent(const std::string& listener, const std::string& fields,
                 const std::string& route = "") {
  const testing::TestUpstream upstream;
  testing::TestWorker worker(listener + "\nroute /\nproxy_pass " + upstream.uri() +
                             "\nset_header X-Client $remote_addr\n" + route);
  Handle handle;
  const testing::Descriptor client = worker.accept(handle);
  testing::send_text(client.get(),
                     "GET / HTTP/1.1\r\nHost: a.example:81\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                         fields + "\r\n");
  testing::Descriptor peer;
  std::string request;
  CHECK(worker.turn_until([&] {
    if (peer.get() < 0) {
      Address from;
      if (!sys::connection_waits(upstream.listener())) return false;
      peer = testing::Descriptor(sys::accept(upstream.listener(), from));
    }
    request += testing::recv_text(peer.get());
    return request.ends_with("\r\n\r\n");
  }));
  return request;
}

// All values of that field, in order, with a '|' between lines.
std::string values(const std::string& request, const std::string& name) {
  std::string all;
  for (size_t at = 0; (at = request.find("\r\n" + name + ": ", at)) != std::string::npos;) {
    at += name.size() + 4;
    if (!all.empty()) all += '|';
    all += request.substr(at, request.find("\r\n", at) - at);
  }
  return all;
}

struct Chain {
  const char* trusted;
  const char* fields;
  const char* client;
  const char* forwarded_for;  // as the upstream gets it
};

constexpr const char* balancers = "127.0.0.0/8 10.0.0.0/8 2001:db8:1::/48";

const Chain chains[] = {
    // A stranger's word counts nothing.
    {"off", "", "127.0.0.1", "127.0.0.1"},
    {"off", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
    {"10.0.0.0/8", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
    {"unix", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
    {"127.0.0.2", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
    // One balancer.
    {balancers, "", "127.0.0.1", "127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", "192.0.2.7, 127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", "192.0.2.7, 127.0.0.1"},
    {"::ffff:127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", "192.0.2.7, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 2001:db8:2::7\r\n", "2001:db8:2::7", "2001:db8:2::7, 127.0.0.1"},
    // What a client claims stands to the left of where the balancer saw it.
    {balancers, "X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n", "192.0.2.7",
     "1.1.1.1, 192.0.2.7, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 10.0.0.9, 192.0.2.7\r\n", "192.0.2.7",
     "10.0.0.9, 192.0.2.7, 127.0.0.1"},
    {balancers, "X-Forwarded-For: garbage, 192.0.2.7\r\n", "192.0.2.7",
     "garbage, 192.0.2.7, 127.0.0.1"},
    // Several that are trusted.
    {balancers, "X-Forwarded-For: 192.0.2.7, 10.0.0.1\r\n", "192.0.2.7",
     "192.0.2.7, 10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 2001:db8:1::5, 10.0.0.1\r\n", "192.0.2.7",
     "1.1.1.1, 192.0.2.7, 2001:db8:1::5, 10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7, 192.0.2.8, 10.0.0.1\r\n", "192.0.2.8",
     "192.0.2.7, 192.0.2.8, 10.0.0.1, 127.0.0.1"},
    // Nobody but trusted ones: the first of them is the client.
    {balancers, "X-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n", "10.0.0.2",
     "10.0.0.2, 10.0.0.1, 127.0.0.1"},
    // Several lines are one list (RFC 9110 5.3).
    {balancers, "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n", "192.0.2.7",
     "192.0.2.7, 10.0.0.1, 127.0.0.1"},
    {balancers,
     "X-Forwarded-For: 1.1.1.1\r\nX-Other: x\r\nx-forwarded-for: 192.0.2.7, 10.0.0.1\r\n",
     "192.0.2.7", "1.1.1.1, 192.0.2.7, 10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: \r\n", "192.0.2.7",
     "192.0.2.7, 127.0.0.1"},
    // Ports, brackets, mappings, blanks, empty elements.
    {balancers, "X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7", "192.0.2.7:4711, 127.0.0.1"},
    {balancers, "X-Forwarded-For: [2001:db8:2::7]:4711, [2001:db8:1::1]\r\n", "2001:db8:2::7",
     "[2001:db8:2::7]:4711, [2001:db8:1::1], 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7, ::ffff:10.0.0.1\r\n", "192.0.2.7",
     "192.0.2.7, ::ffff:10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7",
     "::ffff:192.0.2.7, 127.0.0.1"},
    {balancers, "X-Forwarded-For: ,192.0.2.7 ,\t,10.0.0.1,,\r\n", "192.0.2.7",
     ",192.0.2.7 ,\t,10.0.0.1,,, 127.0.0.1"},
    // What is no address ends the walk at who said it.
    {balancers, "X-Forwarded-For: unknown\r\n", "127.0.0.1", "unknown, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7, unknown, 10.0.0.1\r\n", "10.0.0.1",
     "192.0.2.7, unknown, 10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7 10.0.0.1\r\n", "127.0.0.1",
     "192.0.2.7 10.0.0.1, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7:\r\n", "127.0.0.1", "192.0.2.7:, 127.0.0.1"},
    {balancers, "X-Forwarded-For: 192.0.2.7:65536\r\n", "127.0.0.1", "192.0.2.7:65536, 127.0.0.1"},
    {balancers, "X-Forwarded-For: [192.0.2.7]\r\n", "127.0.0.1", "[192.0.2.7], 127.0.0.1"},
    {balancers, "X-Forwarded-For: unix:/x:80\r\n", "127.0.0.1", "unix:/x:80, 127.0.0.1"},
    {balancers, "X-Forwarded-For: \"192.0.2.7\"\r\n", "127.0.0.1", "\"192.0.2.7\", 127.0.0.1"},
    // Fields of another name say nothing.
    {balancers, "X-Real-IP: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
    {balancers, "X_Forwarded_For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1"},
};

TEST_CASE("real client: chains, and what the upstream gets of them") {
  CHECK(std::size(chains) >= 30);
  for (const Chain& chain : chains) {
    CAPTURE(chain.trusted);
    CAPTURE(chain.fields);
    const std::string request = sent(std::string("trusted_proxies ") + chain.trusted, chain.fields);
    CHECK(values(request, "X-Client") == chain.client);
    CHECK(values(request, "X-Forwarded-For") == chain.forwarded_for);
    CHECK(values(request, "X-Real-IP") == "");
    CHECK(values(request, "Forwarded") == "");
  }
}

TEST_CASE("real client: scheme and host of a trusted hop are kept, of others not") {
  const std::string said =
      "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\nX-Forwarded-Port: 1\r\n";
  const std::string believed = sent("trusted_proxies 127.0.0.1", said);
  CHECK(values(believed, "X-Forwarded-Proto") == "https");
  CHECK(values(believed, "X-Forwarded-Host") == "b.example");
  CHECK(values(believed, "X-Forwarded-Port") == "");
  const std::string stranger = sent("trusted_proxies 127.0.0.2", said);
  CHECK(values(stranger, "X-Forwarded-Proto") == "http");
  CHECK(values(stranger, "X-Forwarded-Host") == "a.example:81");
}

TEST_CASE("real client: the field of a CDN instead") {
  const std::string listener = "trusted_proxies 127.0.0.1\nreal_ip_header cf-connecting-ip";
  const std::string request =
      sent(listener, "CF-Connecting-IP: 192.0.2.7\r\nX-Forwarded-For: 1.1.1.1\r\n");
  CHECK(values(request, "X-Client") == "192.0.2.7");
  CHECK(values(request, "CF-Connecting-IP") == "192.0.2.7");
  CHECK(values(request, "X-Forwarded-For") == "1.1.1.1, 127.0.0.1");
  CHECK(values(sent(listener, "X-Forwarded-For: 1.1.1.1\r\n"), "X-Client") == "127.0.0.1");
}

TEST_CASE("real client: Forwarded is written beside, and appended to what is believed") {
  const std::string ours = "for=127.0.0.1;host=\"a.example:81\";proto=http";
  const std::string said = "Forwarded: for=192.0.2.7;proto=https\r\n";
  const std::string on = "forwarded on\n";
  CHECK(values(sent("trusted_proxies off", said, on), "Forwarded") == ours);
  CHECK(values(sent("trusted_proxies 127.0.0.1", said, on), "Forwarded") ==
        "for=192.0.2.7;proto=https, " + ours);
  // The hops that X-Forwarded-For alone names (RFC 7239 7.4).
  CHECK(values(sent("trusted_proxies 127.0.0.1", "X-Forwarded-For: 192.0.2.7, ::1, x\r\n", on),
               "Forwarded") == "for=192.0.2.7, for=\"[::1]\", for=unknown, " + ours);
  CHECK(values(sent("trusted_proxies off", "X-Forwarded-For: 192.0.2.7\r\n", on), "Forwarded") ==
        ours);
  CHECK(values(sent("trusted_proxies off", said, on + "remove_header Forwarded\n"), "Forwarded") ==
        "");
}

}  // namespace
}  // namespace sluice
