// What a traced exchange tells: each step, in order, and no secret.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/observe/json.h"
#include "core/session/exchange.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = ExchangeStep;

const std::string upgrade =
    "GET /chat/x?token=secret1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nCookie: id=secret2\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: secret3\r\n\r\n";

struct Traced {
  explicit Traced(const std::string& routes, const std::string& top = "")
      : worker("upstream up\nserver " + testing::nobody_uri() + "\nserver " + upstream.uri() +
                   "\n" + routes,
               top),
        lent(worker) {
    TraceOrder order;
    order.number = 1;
    order.handshakes = 10;
    order.lines = 1'000;
    order.until_ms = UINT64_MAX;
    worker.context.tracer.begin(order);
    exchange.emplace(lent.context, nullptr);
  }

  Step begin(const std::string& bytes) {
    testing::send_text(lent.client_end().get(), bytes);
    CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
    return exchange->begin();
  }
  // "step: text" for each line, once the exchange has ended.
  std::string told() {
    exchange.reset();
    std::string all;
    while (const std::optional<TracePiece> piece = worker.context.tracer.next_piece(4'000)) {
      std::istringstream lines(piece->text);
      for (std::string line; std::getline(lines, line);) {
        const Json json = Json::parse(line);
        all += json["step"].get<std::string>() + ": " + json["text"].get<std::string>() + "\n";
      }
      worker.context.tracer.more(1);
    }
    return all;
  }

  testing::TestUpstream upstream;
  testing::TestWorker worker;
  testing::Lent lent;
  std::optional<Exchange> exchange;
};

bool in_order(const std::string& text, const std::vector<std::string>& parts) {
  size_t at = 0;
  for (const std::string& part : parts) {
    at = text.find(part, at);
    if (at == std::string::npos) {
      MESSAGE("lacks, or not in this order: " << part);
      return false;
    }
    at += part.size();
  }
  return true;
}

TEST_CASE("exchange trace: from accept to verdict, with a peer that is dead") {
  Traced t(
      "route /other\nproxy_pass up\nroute /chat\nmatch_host b.example\nproxy_pass up\n"
      "route /chat\nmatch_header X-Key\nproxy_pass up\nroute /chat\nproxy_pass up\n");
  CHECK(t.begin(upgrade) == Step::wait);
  int fd = -1;
  CHECK(t.worker.turn_until([&] {
    t.exchange->on_run();
    Address client;
    fd = sys::accept(t.upstream.listener(), client);
    return fd >= 0;
  }));
  const testing::Descriptor peer(fd);
  std::string request;
  CHECK(t.worker.turn_until([&] {
    t.exchange->on_run();
    request += testing::recv_text(peer.get());
    return request.ends_with("\r\n\r\n");
  }));
  testing::send_text(peer.get(),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSet-Cookie: id=secret4\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  Step step = Step::wait;
  CHECK(t.worker.turn_until([&] {
    step = t.exchange->on_run();
    return step == Step::relay;
  }));
  const std::string told = t.told();
  CAPTURE(told);
  CHECK(in_order(
      told,
      {"accept: 127.0.0.1:", " at 127.0.0.1:1\n", "request: GET /chat/x?*** HTTP/1.1\n",
       "request: Host: a.example\n", "request: Cookie: ***\n",
       "request: Sec-WebSocket-Protocol: ***\n", "route: not /other: the path is not under it\n",
       "route: not /chat (host b.example): the host is not b.example\n",
       "route: not /chat: no field X-Key\n", "route: /chat, to up\n", ": connected\n",
       "sent: GET /chat/x?*** HTTP/1.1\n", "sent: Sec-WebSocket-Key: ***\n",
       "answer: HTTP/1.1 101\n", "answer: Set-Cookie: ***\n", "verdict: 101 "}));
  CHECK(told.find("secret") == std::string::npos);
}

TEST_CASE("exchange trace: why a request is refused, and what came of one that is none") {
  Traced t("route /other\nproxy_pass up\n");
  CHECK(t.begin(upgrade) == Step::linger);
  const std::string told = t.told();
  CAPTURE(told);
  CHECK(in_order(told, {"route: not /other: the path is not under it\n",
                        "verdict: answered 404: no route\n"}));

  Traced bad("route /\nproxy_pass up\n");
  CHECK(bad.begin("GET /?secret5 HTTP/1.1\r\nHost: a\r\nCookie: secret6\r\n\r\n") == Step::linger);
  const std::string refused = bad.told();
  CAPTURE(refused);
  CHECK(in_order(refused, {"request: GET /?*** HTTP/1.1\n", "request: Cookie: ***\n",
                           "verdict: answered 426: no upgrade to websocket asked for\n"}));
  CHECK(refused.find("secret") == std::string::npos);

  Traced cut("route /\nproxy_pass up\n");
  CHECK(cut.begin("GET /?secret7 HTTP/1.1\r\nCookie: secret8\r\nX-A: secr\x01") == Step::linger);
  const std::string malformed = cut.told();
  CAPTURE(malformed);
  CHECK(in_order(malformed, {"request: GET /?*** HTTP/1.1\n", "verdict: answered 400: "}));
  CHECK(malformed.find("secr") == std::string::npos);
}

TEST_CASE("exchange trace: one that no order wants is not told, and none without an order") {
  Traced t("route /\nproxy_pass up\n");
  t.worker.context.tracer.end(1);
  TraceOrder order;
  order.number = 1;
  order.handshakes = 10;
  order.lines = 100;
  order.until_ms = UINT64_MAX;
  order.host = "b.example";
  t.worker.context.tracer.begin(order);
  CHECK(t.begin("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") == Step::linger);
  CHECK(t.told().empty());

  testing::TestWorker worker("route /\nproxy_pass " + testing::nobody_uri() + "\n");
  testing::Lent lent(worker);
  const Exchange untraced(lent.context, nullptr);
  CHECK(!worker.context.tracer.on());
}

TEST_CASE("exchange trace: a balancer that asks for healthz is no handshake") {
  Traced t("route /\nproxy_pass up\n", "healthz /up\n");
  CHECK(t.begin("GET /up HTTP/1.1\r\nHost: a.example\r\n\r\n") == Step::linger);
  const std::string told = t.told();
  CAPTURE(told);
  CHECK(told.empty());
}

}  // namespace
}  // namespace sluice
