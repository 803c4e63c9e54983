// Exchange: from a request's first byte to the answer's last, over its parts.
#include "core/session/exchange.h"

#include <doctest/doctest.h>

#include <string>

#include "core/session/admission.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = ExchangeStep;

const std::string upgrade =
    "GET /chat?token=x HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: mqtt, chat\r\n\r\n";
const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

class Exchanging {
 public:
  explicit Exchanging(const std::string& directives = "", const Refusal* refused = nullptr,
                      const std::string& top = "")
      : worker("upstream up\nserver " + upstream.uri() +
                   "\nroute /chat\nproxy_pass up\nsubprotocols chat\n" + directives,
               top),
        lent(worker),
        exchange(lent.context, refused) {}

  // The client sends, and the exchange begins.
  Step begin(const std::string& bytes) {
    testing::send_text(lent.client_end().get(), bytes);
    CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
    return exchange.begin();
  }
  // Turns until the exchange asks for something else than patience.
  Step settle() {
    Step step = Step::wait;
    CHECK(worker.turn_until([&] {
      step = exchange.on_run();
      return step != Step::wait && step != Step::again;
    }));
    return step;
  }
  // The request as the upstream gets it.
  std::string request_at(const testing::Descriptor& peer) {
    std::string all;
    CHECK(worker.turn_until([&] {
      exchange.on_run();
      all += testing::recv_text(peer.get());
      return all.ends_with("\r\n\r\n");
    }));
    return all;
  }
  std::string answer() { return testing::recv_text(lent.client_end().get()); }

  testing::TestUpstream upstream;
  testing::TestWorker worker;
  testing::Lent lent;
  Exchange exchange;
};

TEST_CASE("exchange: an upgrade that both sides agree on, with what came early") {
  Exchanging e;
  CHECK(e.begin(upgrade + "early") == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  const std::string request = e.request_at(peer);
  CHECK(request.starts_with("GET /chat?token=x HTTP/1.1\r\nHost: a.example\r\n"));
  CHECK(request.find("Sec-WebSocket-Protocol: chat\r\n") != std::string::npos);
  testing::send_text(peer.get(), accepted + "Sec-WebSocket-Protocol: chat\r\n\r\nbehind");
  CHECK(e.settle() == Step::relay);
  CHECK(e.answer().starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(e.exchange.early(Side::client) == "early");
  CHECK(e.exchange.early(Side::upstream) == "behind");
  CHECK(e.exchange.subprotocol() == "chat");
  CHECK(!e.exchange.deflate());
  CHECK(e.exchange.route() == &e.worker.route());
  CHECK(e.worker.row.refused.value() == 0);
}

TEST_CASE("exchange: what a request lacks is answered, and told in its record") {
  Exchanging e;
  CHECK(e.begin("GET /chat?token=x HTTP/1.1\r\nHost: a.example\r\n\r\n") == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 426 "));
  const SessionRecord record = e.exchange.record();
  CHECK(record.target == "/chat");  // log_query is off
  CHECK(record.host == "a.example");
  CHECK(record.reason == "no upgrade to websocket asked for");
  CHECK(e.worker.row.refused.value() == 1);

  Exchanging elsewhere;
  std::string other = upgrade;
  other.replace(other.find("/chat"), 5, "/none");
  CHECK(elsewhere.begin(other) == Step::linger);
  CHECK(elsewhere.answer().starts_with("HTTP/1.1 404 "));
}

TEST_CASE("exchange: its record tells what the access log's format wants, and no more") {
  std::string request = upgrade;
  request.insert(request.size() - 2,
                 "Origin: https://a.example\r\nUser-Agent: curl/8\r\nX-Forwarded-For: 192.0.2.1\r\n"
                 "x-forwarded-for: 192.0.2.2\r\nX-Request-Id: theirs\r\n");
  const auto record_of = [&](const std::string& directives, std::vector<LogField> fields) {
    Exchanging e(directives);
    e.worker.log.use_for_access({.format = {.fields = std::move(fields)}});
    CHECK(e.begin(request) == Step::wait);
    const testing::Descriptor peer = e.upstream.accept();
    e.request_at(peer);
    testing::send_text(peer.get(), accepted + "\r\n");
    CHECK(e.settle() == Step::relay);
    SessionRecord record = e.exchange.record();
    record.route = record.peer = record.subprotocol = {};  // views
    return record;
  };
  const std::vector<LogField> all = {
      LogField::listener,      LogField::upstream,   LogField::peers_tried,
      LogField::tries,         LogField::origin,     LogField::user_agent,
      LogField::forwarded_for, LogField::request_id, LogField::connect_time};
  SessionRecord record = record_of("", all);
  CHECK(record.listener != "");
  CHECK(record.upstream == "up");
  CHECK(record.peers_tried.starts_with("127.0.0.1:"));
  CHECK(record.peers_tried.find(',') == std::string::npos);
  CHECK(record.tries == 1);
  CHECK(record.origin == "https://a.example");
  CHECK(record.user_agent == "curl/8");
  CHECK(record.forwarded_for == "192.0.2.1, 192.0.2.2");
  CHECK(record.request_id == "theirs");
  CHECK(record.connect_ms != SessionRecord::no_ms);
  record = record_of("set_header X-Request-ID $request_id\n", {LogField::request_id});
  CHECK(record.request_id == record.id);
  CHECK(record.user_agent == "");
  CHECK(record.upstream == "");
  record = record_of("", {});
  CHECK(record.request_id == "");
  CHECK(record.origin == "");
}

TEST_CASE("exchange: where queries are logged, those that look like secrets are masked") {
  for (const std::string target :
       {"/chat?token=hunter2&room=1", "/chat?room=1&%70assword=hunter2",
        "http://a.example/chat?token=hunter2", "/chat?x=1;key=hunter2"}) {
    testing::TestUpstream upstream;
    testing::TestWorker worker(
        "upstream up\nserver " + upstream.uri() + "\nroute /chat\nproxy_pass up\n",
        "log_query on\n");
    testing::Lent lent(worker);
    Exchange exchange(lent.context, nullptr);
    testing::send_text(lent.client_end().get(),
                       "GET " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n");
    CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
    CHECK(exchange.begin() == Step::linger);
    const std::string told = exchange.record().target;
    CAPTURE(told);
    CHECK(told.find("hunter2") == std::string::npos);
    CHECK(told.find("=***") != std::string::npos);
  }
}

TEST_CASE("exchange: one who may have no session is told so, whatever it asks for") {
  Exchanging e("", Admission(0).refusal(1, 0));
  CHECK(e.begin(upgrade) == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 503 "));
}

TEST_CASE("exchange: an upstream that breaks the handshake is 502 to the client") {
  Exchanging e;
  CHECK(e.begin(upgrade) == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.request_at(peer);
  testing::send_text(peer.get(), accepted + "Sec-WebSocket-Protocol: other\r\n\r\n");
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 502 "));
  CHECK(e.exchange.record().reason == "101 with a subprotocol that was not offered");
  CHECK(!e.lent.context.upstream.is_open());
}

TEST_CASE("exchange: an upstream's refusal reaches the client") {
  Exchanging e;
  CHECK(e.begin(upgrade) == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.request_at(peer);
  testing::send_text(peer.get(), "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
  CHECK(e.settle() == Step::linger);
  const std::string answer = e.answer();
  CHECK(answer.starts_with("HTTP/1.1 403 No\r\n"));
  CHECK(answer.ends_with("\r\n\r\nno"));
}

TEST_CASE("exchange: timers end what does not move, each with its own answer") {
  Exchanging silent;
  CHECK(silent.begin("GET /ch") == Step::wait);
  CHECK(silent.exchange.on_timer() == Step::linger);
  CHECK(silent.answer().starts_with("HTTP/1.1 408 "));

  Exchanging waiting;
  CHECK(waiting.begin(upgrade) == Step::wait);
  const testing::Descriptor peer = waiting.upstream.accept();
  waiting.request_at(peer);
  CHECK(waiting.exchange.on_timer() == Step::linger);
  CHECK(waiting.answer().starts_with("HTTP/1.1 504 "));
}

TEST_CASE("exchange: a client that leaves before its answer gets no answer, but a line") {
  Exchanging e;
  CHECK(e.begin(upgrade) == Step::wait);
  CHECK(e.exchange.on_ready(Side::client, Readiness{.hung_up = true}) == Step::abandon);
  CHECK(std::string(e.exchange.reason()) == "client left during the handshake");
  e.exchange.log_unanswered("closed");
  CHECK(e.worker.row.refused.value() == 1);
  e.exchange.log_unanswered("closed");  // once is enough
  CHECK(e.worker.row.refused.value() == 1);
}

constexpr const char* ask_health = "GET /up?from=lb HTTP/1.1\r\nHost: a.example\r\n\r\n";

uint64_t told(const Exchanging& e, int status) {
  return e.lent.context.worker.labels.routes[LabelRows::no_route]
      .answered[answer_place(status)]
      .value();
}

TEST_CASE(
    "exchange: a balancer is told that clients are taken, before any route, and counted once") {
  Exchanging e("", nullptr, "healthz /up\n");
  CHECK(e.begin(ask_health) == Step::linger);
  CHECK(e.answer().ends_with("\r\n\r\nok\n"));
  CHECK(told(e, 200) == 1);
  e.exchange.log_unanswered("the client left");  // has nothing to add
  CHECK(told(e, 0) == 0);

  Exchanging upgrading("", nullptr, "healthz /chat\n");
  CHECK(upgrading.begin(upgrade) == Step::linger);
  CHECK(upgrading.answer().starts_with("HTTP/1.1 200 OK\r\n"));

  Exchanging without;
  CHECK(without.begin(ask_health) == Step::linger);
  CHECK(without.answer().starts_with("HTTP/1.1 426 "));
}

TEST_CASE("exchange: a balancer is told when the worker leaves, or the listener is drained") {
  Exchanging e("", nullptr, "healthz /up\n");
  e.worker.context.leaving = true;
  CHECK(e.begin(ask_health) == Step::linger);
  CHECK(e.answer().ends_with("\r\n\r\ndrained\n"));
  CHECK(told(e, 503) == 1);

  // As at accept: who comes to a drained listener is refused, unless he asks just that.
  Drained drained;
  drained.use({{.kind = Part::Kind::listener, .text = ""}});
  for (const bool asks : {true, false}) {
    Exchanging late("", drained.refusal(ListenerId{0}), "healthz /up\n");
    late.worker.context.drained = drained;
    CHECK(late.begin(asks ? ask_health : upgrade) == Step::linger);
    const std::string answer = late.answer();
    CHECK(answer.starts_with("HTTP/1.1 503 "));
    CHECK(answer.ends_with("\r\n\r\ndrained\n") == asks);
    CHECK(told(late, 503) == 1);
  }
}

TEST_CASE("exchange: who finds no place is refused unread, a balancer among them") {
  Exchanging e("", &Admission::overload(), "healthz /up\n");
  CHECK(e.begin(ask_health) == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 503 "));
  CHECK(e.exchange.record().reason == overload_reason);
}

}  // namespace
}  // namespace sluice
