// Exchange: who is kept from a route, and what is told to him. Nothing reaches the upstream of whom
// is refused.
#include <doctest/doctest.h>

#include <string>

#include "core/session/exchange.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = ExchangeStep;

struct Asked {
  std::string answer;  // the status line's status; "": the upstream was asked
  std::string reason;
};

Asked ask(const std::string& directives, const std::string& fields, const std::string& top = "") {
  const testing::TestUpstream upstream;
  testing::TestWorker worker(
      "upstream up\nserver " + upstream.uri() + "\nroute /\nproxy_pass up\nhttp on\n" + directives,
      top);
  const testing::Lent lent(worker);
  Exchange exchange(lent.context, nullptr);
  testing::send_text(lent.client_end().get(),
                     "GET / HTTP/1.1\r\nHost: edge.example\r\n" + fields + "\r\n");
  CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
  if (exchange.begin() == Step::wait) return {"", exchange.reason()};
  const std::string answer = testing::recv_text(lent.client_end().get());
  CHECK(answer.starts_with("HTTP/1.1 "));
  return {answer.substr(9, 3), exchange.reason()};
}

const std::string upgrade =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

TEST_CASE("exchange admission: pages of other origins are refused, who is no page is not") {
  const auto answer = [](const std::string& allowed, const std::string& fields) {
    return ask(allowed, upgrade + fields).answer;
  };
  const std::string listed = "allowed_origins https://app.example\n";
  CHECK(answer(listed, "Origin: https://app.example\r\n") == "");
  CHECK(answer(listed, "") == "");
  CHECK(answer(listed, "Origin: https://evil.example\r\n") == "403");
  CHECK(answer(listed, "Origin: null\r\n") == "403");
  CHECK(answer(listed, "Origin:\r\n") == "403");
  CHECK(answer(listed, "Origin: https://app.example\r\nOrigin: https://app.example\r\n") == "403");
  CHECK(answer("allowed_origins same-origin\n", "Origin: http://edge.example\r\n") == "");
  CHECK(answer("allowed_origins same-origin\n", "Origin: https://edge.example\r\n") == "403");
  CHECK(answer("allowed_origins *\n", "Origin: null\r\n") == "");
  CHECK(answer("", "Origin: https://evil.example\r\n") == "");
  CHECK(ask(listed, upgrade + "Origin: https://evil.example\r\n").reason ==
        std::string("origin not allowed"));
  // A plain request's pages are the server's own affair.
  CHECK(ask(listed, "Origin: https://evil.example\r\n").answer == "");
}

TEST_CASE("exchange admission: a trusted hop tells the page's scheme, a stranger does not") {
  const std::string fields = upgrade +
                             "Origin: https://edge.example\r\nX-Forwarded-Proto: https\r\n"
                             "X-Forwarded-For: 192.0.2.1\r\n";
  const std::string same = "allowed_origins same-origin\n";
  CHECK(ask(same, fields, "trusted_proxies 127.0.0.0/8 unix\n").answer == "");
  CHECK(ask(same, fields).answer == "403");
}

TEST_CASE("exchange admission: a route keeps addresses out, of upgrades and of plain requests") {
  const std::string top = "trusted_proxies 127.0.0.0/8 unix\n";
  const std::string rules = "deny 192.0.2.1\nallow 192.0.2.0/24\ndeny all\n";
  for (const std::string& kind : {upgrade, std::string()}) {
    CHECK(ask(rules, kind + "X-Forwarded-For: 192.0.2.1\r\n", top).answer == "403");
    CHECK(ask(rules, kind + "X-Forwarded-For: 192.0.2.2\r\n", top).answer == "");
    CHECK(ask(rules, kind + "X-Forwarded-For: 198.51.100.1\r\n", top).answer == "403");
  }
}

TEST_CASE("exchange admission: a subprotocol that must be offered") {
  const std::string required = "require_subprotocol on\n";
  const std::string offer = "Sec-WebSocket-Protocol: mqtt, chat\r\n";
  CHECK(ask(required, upgrade).answer == "400");
  CHECK(ask(required, upgrade + offer).answer == "");
  CHECK(ask(required + "subprotocols chat\n", upgrade + offer).answer == "");
  CHECK(ask(required + "subprotocols stomp\n", upgrade + offer).answer == "400");
  CHECK(ask("subprotocols stomp\n", upgrade + offer).answer == "");
  CHECK(ask(required, "").answer == "");  // a plain request speaks none
}

}  // namespace
}  // namespace sluice
