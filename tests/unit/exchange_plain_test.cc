// Exchange: plain requests, whose body and answer travel at once, and whose connection may be kept.
#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "core/session/exchange.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = ExchangeStep;

class Plain {
 public:
  explicit Plain(const std::string& directives = "", const std::string& top = "")
      : worker("upstream up\nserver " + upstream.uri() + "\nroute /\nproxy_pass up\nhttp on\n" +
                   directives,
               top),
        lent(worker) {
    exchange.emplace(lent.context, nullptr);
  }

  void send(const std::string& bytes) {
    testing::send_text(lent.client_end().get(), bytes);
    CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
  }
  Step begin(const std::string& bytes) {
    send(bytes);
    return exchange->begin();
  }
  Step settle() {
    Step step = Step::wait;
    CHECK(worker.turn_until([&] {
      step = exchange->on_run();
      return step != Step::wait && step != Step::again;
    }));
    return step;
  }
  // What came to that end, up to `ending`.
  std::string heard(const testing::Descriptor& at, const std::string& ending) {
    std::string all;
    CHECK(worker.turn_until([&] {
      exchange->on_run();
      all += testing::recv_text(at.get());
      return all.ends_with(ending);
    }));
    return all;
  }
  // The client's next request begins, once it was told the last one's answer.
  Step ask_next(const std::string& bytes) {
    KeptConnection kept = exchange->take_connection();
    std::string behind = exchange->take_behind();
    exchange.emplace(lent.context, std::move(kept), std::move(behind));
    send(bytes);
    return exchange->on_run();
  }
  UpstreamPool& pool() { return worker.context.upstream_pool; }
  std::string answer() { return testing::recv_text(lent.client_end().get()); }
  RouteRow& row() { return worker.context.labels.route(worker.route().id); }

  testing::TestUpstream upstream;
  testing::TestWorker worker;
  testing::Lent lent;
  std::optional<Exchange> exchange;
};

TEST_CASE("exchange plain: a request and its answer, and what came behind begins the next one") {
  Plain e;
  CHECK(e.begin("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET ") == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  CHECK(e.heard(peer, "abc").ends_with("\r\nContent-Length: 3\r\n\r\nabc"));
  testing::send_text(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(e.settle() == Step::next);
  CHECK(e.answer() == "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(e.exchange->take_behind() == "GET ");
  const KeptConnection kept = e.exchange->take_connection();
  CHECK(kept.requests == 1);
  CHECK(kept.preface == nullptr);
  CHECK(kept.address.text() == e.lent.context.client_address.text());
  CHECK(e.row().served[answer_place(200)].value() == 1);
  CHECK(e.worker.row.served.value() == 1);
  CHECK(e.worker.row.refused.value() == 0);
}

TEST_CASE("exchange plain: an answer that comes before the request's end closes behind it") {
  Plain e;
  CHECK(e.begin("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") ==
        Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.heard(peer, "5\r\nab");
  testing::send_text(peer.get(), "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer() == "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("exchange plain: the rest of a body that the peer did not want is no next request") {
  Plain e;
  CHECK(e.begin("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\na") == Step::wait);
  {
    const testing::Descriptor peer = e.upstream.accept();
    e.heard(peer, "a");
    testing::send_text(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }
  // It has gone, and the reactor has not told of its answer: what is sent fails first.
  Step step = Step::wait;
  for (int i = 0; i < 3 && step == Step::wait; ++i) {
    testing::send_text(e.lent.client_end().get(), "GET / HTTP/1.1\r\n");
    e.lent.context.client.assume_readable();
    step = e.exchange->on_run();
  }
  CHECK(step == Step::again);
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer() == "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

TEST_CASE("exchange plain: a body is refused behind an interim answer, too") {
  Plain e;
  CHECK(e.begin("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.heard(peer, "\r\n\r\n");
  testing::send_text(peer.get(), "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(e.heard(e.lent.client_end(), "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  e.send("zz\r\n");
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("exchange plain: both bodies move at the same time") {
  Plain e;
  CHECK(e.begin("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.heard(peer, "\r\n\r\n");
  testing::send_text(peer.get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(e.heard(e.lent.client_end(), "\r\n\r\n").find("Connection: close") != std::string::npos);
  for (int i = 0; i < 3; ++i) {
    testing::send_text(e.lent.client_end().get(), "1\r\nu\r\n");
    e.heard(peer, "1\r\nu\r\n");
    testing::send_text(peer.get(), "1\r\nd\r\n");
    e.heard(e.lent.client_end(), "1\r\nd\r\n");
  }
  testing::send_text(peer.get(), "0\r\n\r\n");
  CHECK(e.settle() == Step::linger);
}

TEST_CASE("exchange plain: what is refused of a body never reaches the peer") {
  Plain e;
  CHECK(e.begin("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxzz\r\n") ==
        Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 400 "));
  const std::string seen = testing::recv_text(peer.get());
  CHECK(seen.find("zz") == std::string::npos);
  CHECK(e.row().served[answer_place(400)].value() == 1);
}

TEST_CASE("exchange plain: limits and methods") {
  struct Row {
    const char* request;
    const char* answer;
  };
  const char* const all_methods =
      "HTTP/1.1 405 Method Not Allowed\r\n"
      "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
  const Row rows[] = {
      {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", all_methods},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 413 "},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 501 "},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 400 "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.request);
    Plain e("max_body_size 8\n");
    CHECK(e.begin(row.request) == Step::linger);
    CHECK(e.answer().starts_with(row.answer));
    // The last one asks for a WebSocket, if badly.
    CHECK(e.worker.row.served.value() + e.worker.row.refused.value() == 1);
    CHECK((e.worker.row.refused.value() == 1) == (&row == &rows[3]));
  }
}

TEST_CASE("exchange plain: who asks for a tunnel is told what is served instead") {
  Plain e("");
  CHECK(e.begin("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n") == Step::linger);
  CHECK(
      e.answer().starts_with("HTTP/1.1 405 Method Not Allowed\r\n"
                             "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
}

TEST_CASE("exchange plain: challenges are answered before all routes, where there is a folder") {
  const std::string asks =
      "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
  Plain e("", "acme_dir /nowhere\n");
  e.worker.context.challenges = {{"token", "token.print"}};
  CHECK(e.begin(asks) == Step::linger);
  CHECK(e.answer() ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 11\r\n\r\ntoken.print");
  CHECK(e.worker.row.served.value() == 1);
  CHECK(e.worker.context.labels.routes[LabelRows::no_route].served[answer_place(200)].value() == 1);
  Plain other("", "acme_dir /nowhere\n");
  CHECK(other.begin(asks) == Step::linger);
  CHECK(other.answer().starts_with("HTTP/1.1 404 "));
  Plain without;
  CHECK(without.begin(asks) == Step::wait);  // it is the upstream's
}

TEST_CASE("exchange plain: its times") {
  Plain e("answer_timeout 3s\nbody_timeout 2s\n");
  CHECK(e.begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na") == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  e.heard(peer, "a");
  CHECK(e.exchange->on_timer() == Step::wait);  // it has not come yet: armed anew
  e.send("b");
  e.heard(peer, "b");
  CHECK(e.exchange->on_timer() == Step::wait);
  CHECK(!e.exchange->awaits_next());
}

TEST_CASE("exchange plain: a kept connection that says nothing more is no request") {
  Plain first;
  Exchange next(first.lent.context, KeptConnection{nullptr, {}, 1}, "");
  CHECK(next.awaits_next());
  CHECK(next.on_run() == Step::wait);
  CHECK(next.on_timer() == Step::abandon);
  CHECK(!next.fails_uncounted());
  first.send("GET");
  CHECK(next.on_run() == Step::wait);
  CHECK(!next.awaits_next());
  CHECK(first.worker.row.reused.value() == 1);
  CHECK(next.fails_uncounted());
}

constexpr const char* get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_CASE("exchange plain: a peer's connection is kept for the next request") {
  Plain e;
  CHECK(e.begin(get) == Step::wait);
  const testing::Descriptor peer = e.upstream.accept();
  CHECK(e.heard(peer, "\r\n\r\n").find("Connection:") == std::string::npos);
  testing::send_text(peer.get(), ok);
  CHECK(e.settle() == Step::next);
  CHECK(e.pool().size() == 1);
  CHECK(!e.lent.context.upstream.is_open());
  CHECK(e.ask_next("GET /b HTTP/1.1\r\nHost: a\r\n\r\n") == Step::wait);
  CHECK(e.pool().size() == 0);
  CHECK(e.heard(peer, "\r\n\r\n").starts_with("GET /b HTTP/1.1\r\n"));
  testing::send_text(peer.get(), ok);
  CHECK(e.settle() == Step::next);
  CHECK(e.worker.row.upstream_reused.value() == 1);
  CHECK(e.worker.row.connects_ms.count() == 1);
  CHECK(e.pool().size() == 1);
}

TEST_CASE("exchange plain: a kept connection that ends unanswered is no failure of its peer") {
  Plain e("", "next_peer_on off\n");
  CHECK(e.begin(get) == Step::wait);
  {
    const testing::Descriptor peer = e.upstream.accept();
    testing::send_text(peer.get(), ok);
    CHECK(e.settle() == Step::next);
    CHECK(e.ask_next(get) == Step::wait);
    e.heard(peer, "\r\n\r\n");
  }
  CHECK(e.worker.turn_until([&] { return bool{e.lent.context.upstream.readable}; }));
  e.exchange->on_run();
  const testing::Descriptor peer = e.upstream.accept();
  CHECK(e.heard(peer, "\r\n\r\n").starts_with("GET /a HTTP/1.1\r\n"));
  testing::send_text(peer.get(), ok);
  CHECK(e.settle() == Step::next);
  CHECK(e.worker.row.retries.value() == 0);
  const PeerId id = e.worker.config().upstreams[0].peers[0].id;
  CHECK(e.worker.upstreams.peers().board().health(id).failed.load() == 0);
}

TEST_CASE("exchange plain: one that ends inside its answer is not asked again") {
  Plain e;
  CHECK(e.begin(get) == Step::wait);
  {
    const testing::Descriptor peer = e.upstream.accept();
    testing::send_text(peer.get(), ok);
    CHECK(e.settle() == Step::next);
    e.answer();
    CHECK(e.ask_next(get) == Step::wait);
    testing::send_text(peer.get(), "HTTP/1.1 2");
    e.heard(peer, "\r\n\r\n");
  }
  CHECK(e.settle() == Step::linger);
  CHECK(e.answer().starts_with("HTTP/1.1 502 "));
}

TEST_CASE("exchange plain: a 408 on a kept connection is no answer") {
  Plain e;
  CHECK(e.begin(get) == Step::wait);
  const testing::Descriptor first = e.upstream.accept();
  e.heard(first, "\r\n\r\n");
  testing::send_text(first.get(), ok);
  CHECK(e.settle() == Step::next);
  e.answer();
  CHECK(e.ask_next(get) == Step::wait);
  testing::send_text(first.get(), "HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n");
  CHECK(e.worker.turn_until([&] {
    e.exchange->on_run();
    return e.lent.context.upstream.is_open() && e.worker.row.connects_ms.count() == 2;
  }));
  const testing::Descriptor second = e.upstream.accept();
  e.heard(second, "\r\n\r\n");
  testing::send_text(second.get(), "HTTP/1.1 408 Mine\r\nContent-Length: 0\r\n\r\n");
  CHECK(e.settle() == Step::next);
  CHECK(e.answer().starts_with("HTTP/1.1 408 Mine\r\n"));
}

TEST_CASE("exchange plain: what cannot be made twice has a connection of its own") {
  for (const char* const request : {"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                                    "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"}) {
    CAPTURE(request);
    Plain e;
    CHECK(e.begin(get) == Step::wait);
    const testing::Descriptor first = e.upstream.accept();
    testing::send_text(first.get(), ok);
    CHECK(e.settle() == Step::next);
    CHECK(e.ask_next(request) == Step::wait);
    const testing::Descriptor second = e.upstream.accept();
    e.heard(second, request[1] == 'O' ? "\r\n\r\n" : "x");
    testing::send_text(second.get(), ok);
    CHECK(e.settle() == Step::next);
    CHECK(e.pool().size() == 2);
  }
}

TEST_CASE("exchange plain: connections that are not kept") {
  struct Row {
    const char* directives;
    const char* request;
    const char* answer;
    Step step;
  };
  const char* const old = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
  const char* const unfinished = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
  const Row rows[] = {
      {"", get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", Step::next},
      {"", get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Step::next},
      {"", get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", Step::next},
      {"", get, "HTTP/1.1 204 No\r\n\r\nbody", Step::next},
      {"", get, "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n", Step::next},
      {"", get, "HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n", Step::next},
      {"", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", Step::next},
      {"", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Negotiate YII=\r\n\r\n", ok, Step::next},
      {"", get, "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
       Step::next},
      {"", old, ok, Step::linger},
      {"", unfinished, ok, Step::linger},
      {"upstream_keepalive off\n", get, ok, Step::next},
      {"send_proxy_protocol v1\n", get, ok, Step::next},
  };
  for (const Row& row : rows) {
    CAPTURE(row.directives);
    CAPTURE(row.request);
    CAPTURE(row.answer);
    const bool of_route = std::string(row.directives).starts_with("send_");
    Plain e(of_route ? row.directives : "", of_route ? "" : row.directives);
    CHECK(e.begin(row.request) == Step::wait);
    const testing::Descriptor peer = e.upstream.accept();
    e.heard(peer, row.request == unfinished ? "x" : "\r\n\r\n");
    testing::send_text(peer.get(), row.answer);
    CHECK(e.settle() == row.step);
    CHECK(e.pool().size() == 0);
  }
}

}  // namespace
}  // namespace sluice
