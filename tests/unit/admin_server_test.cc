// AdminServer: who is answered and when, and what clients cannot do to the keeper.
#include "core/process/admin_server.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::send_text;

const std::string get_events = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
const std::string get_metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Answers with so many bytes.
class Pages final : public AdminPages {
 public:
  AdminAnswer answer(const AdminRequest&) override {
    ++asked;
    return {.body = std::string(bytes, 'x') + "\n"};
  }
  std::string first_event() override { return "data: first\n\n"; }
  std::string event() override {
    return "data: " + std::to_string(++events) + std::string(event_bytes, 'x') + "\n\n";
  }

  int asked = 0;
  int events = 0;
  size_t event_bytes = 0;
  size_t bytes = 3;
};

class Served {
 public:
  Served() {
    REQUIRE(reactor.open().ok());
    rules.limits.client_header_timeout_ms = 60;
    server.use(rules);
    address = sys::local_address(listener());
  }

  // Of a new socket, which the server gets.
  int listener() {
    Descriptor socket = testing::listening_socket(testing::loopback(), 256);
    const int fd = socket.get();
    server.listen(socket.release());
    return fd;
  }
  Descriptor client() {
    Descriptor fd(sys::stream_socket(AF_INET));
    const int connected = sys::connect(fd.get(), address);
    REQUIRE((connected == 0 || connected == -EINPROGRESS));
    return fd;
  }
  template <class Condition>
  bool turn_until(Condition condition) {
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (!condition()) {
      if (sys::monotonic_ms() > deadline_ms) return false;
      reactor.turn(5);
    }
    return true;
  }
  // What comes until the connection ends.
  std::string rest(const Descriptor& client) {
    std::string text;
    CHECK(turn_until([&] {
      char piece[16 * 1024];
      for (;;) {
        const ssize_t got = sys::recv(client.get(), piece, sizeof piece);
        if (got == -EAGAIN) return false;
        if (got <= 0) return true;
        text.append(piece, static_cast<size_t>(got));
      }
    }));
    return text;
  }
  // A client that watches, and what it was told at first.
  Descriptor watcher(std::string* told = nullptr) {
    Descriptor fd = client();
    send_text(fd.get(), get_events);
    const std::string text = until(fd,
                                   "\n\n"
                                   "data: " +
                                       std::to_string(pages.events + 1));
    if (told != nullptr) *told = text;
    return fd;
  }
  // What comes until that has.
  std::string until(const Descriptor& client, const std::string& end) {
    std::string text;
    CHECK(turn_until([&] {
      text += testing::recv_text(client.get());
      return text.find(end) != std::string::npos;
    }));
    return text;
  }
  std::string ask(const std::string& request) {
    const Descriptor fd = client();
    send_text(fd.get(), request);
    return rest(fd);
  }

  Reactor reactor;
  Log log;
  Pages pages;
  AdminRules rules;
  AdminServer server{reactor, log, pages};
  Address address;
};

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("admin server: a request is answered once, with a length and an end") {
  Served served;
  const std::string answer = served.ask(get_metrics + get_metrics);
  CHECK(answer ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        "Connection: close\r\n\r\nxxx\n");
  CHECK(served.pages.asked == 1);
  CHECK(served.turn_until([&] { return served.server.clients() == 0; }));
}

TEST_CASE("admin server: a HEAD has the same head alone") {
  Served served;
  const std::string answer = served.ask("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(holds(answer, "Content-Length: 4\r\n"));
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("admin server: what is no request, or none that may be, is told how to do better") {
  Served served;
  served.rules.limits.max_header_bytes = 512;
  CHECK(holds(served.ask("GET /metrics HTTP/1.1\r\nHost localhost\r\n\r\n"), "HTTP/1.1 400 "));
  CHECK(holds(served.ask("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"), " 403 "));
  CHECK(holds(served.ask("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              "Allow: GET, HEAD\r\n"));
  CHECK(holds(served.ask("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"), "/status.json"));
  CHECK(holds(served.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(600, 'x') +
                         "\r\n\r\n"),
              "HTTP/1.1 431 "));
  CHECK(served.pages.asked == 0);
}

TEST_CASE("admin server: who is slow with a request is told so, who says nothing is closed") {
  Served served;
  CHECK(holds(served.ask("GET /metr"), "client_header_timeout 60ms"));
  CHECK(served.ask("") == "");
  CHECK(served.server.clients() == 0);
}

TEST_CASE("admin server: a new client takes the place of the one that waits longest") {
  Served served;
  served.rules.limits.client_header_timeout_ms = 60'000;
  std::vector<Descriptor> idle;
  for (size_t i = 0; i < AdminServer::most_clients + 36; ++i) {
    idle.push_back(served.client());
    CHECK(served.turn_until([&] { return served.server.clients() > 0; }));
  }
  CHECK(holds(served.ask(get_metrics), "200 OK"));
  CHECK(served.server.clients() <= AdminServer::most_clients);
  CHECK(served.rest(idle.front()) == "");  // the oldest is gone
  send_text(idle.back().get(), get_metrics);
  CHECK(holds(served.rest(idle.back()), "200 OK"));
}

TEST_CASE("admin server: answers that nobody reads have a bound together") {
  Served served;
  served.pages.bytes = size_t{12} << 20;
  std::vector<Descriptor> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(served.client());
    send_text(slow.back().get(), get_metrics);
    CHECK(served.turn_until([&] { return served.pages.asked == i + 1; }));
  }
  // What the kernel took of the first two counts as well, until all of an answer is sent.
  CHECK(holds(served.rest(slow[2]), "too much waits for readers"));
  CHECK(served.rest(slow[0]).size() > served.pages.bytes);
  CHECK(served.rest(slow[1]).size() > served.pages.bytes);
  CHECK(holds(served.ask(get_metrics), "200 OK"));
}

TEST_CASE("admin server: who comes from elsewhere is told to be named, and another socket serves") {
  Served served;
  served.rules.allow.push_back(Cidr::parse("10.0.0.0/8").value());
  CHECK(holds(served.ask(get_metrics), "name that address with admin_allow"));
  served.rules.allow.clear();
  served.address = sys::local_address(served.listener());
  CHECK(holds(served.ask(get_metrics), "200 OK"));
  served.server.listen(-1);
  const Descriptor late(sys::stream_socket(AF_INET));
  const int connected = sys::connect(late.get(), served.address);
  char byte = 0;
  CHECK((connected == -ECONNREFUSED || sys::recv(late.get(), &byte, 1) == -ECONNREFUSED));
}

TEST_CASE("admin server: who watches is told what was, what is, and each time what is new") {
  Served served;
  std::string told;
  const Descriptor watcher = served.watcher(&told);
  CHECK(told.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
  CHECK(!holds(told, "Content-Length"));
  CHECK(holds(told, "\r\n\r\ndata: first\n\ndata: 1\n\n"));
  CHECK(served.server.watchers() == 1);
  served.server.tell_watchers();
  served.server.tell_watchers();
  CHECK(served.until(watcher, "data: 3\n\n") == "data: 2\n\ndata: 3\n\n");
  CHECK(served.pages.asked == 0);

  const std::string head = served.ask("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(holds(head, "text/event-stream"));
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(served.server.watchers() == 1);
}

TEST_CASE("admin server: nobody makes events where nobody watches") {
  Served served;
  served.server.tell_watchers();
  CHECK(served.pages.events == 0);
}

TEST_CASE("admin server: watchers have a bound, keep their places, and give them back") {
  Served served;
  served.rules.limits.client_header_timeout_ms = 60'000;
  std::vector<Descriptor> watchers;
  for (size_t i = 0; i < AdminServer::most_watchers; ++i) watchers.push_back(served.watcher());
  const std::string refused = served.ask(get_events);
  CHECK(holds(refused, "HTTP/1.1 503 "));
  CHECK(holds(refused, "watch already"));
  std::vector<Descriptor> idle;
  for (size_t i = 0; i < AdminServer::most_clients; ++i) idle.push_back(served.client());
  CHECK(holds(served.ask(get_metrics), "200 OK"));
  CHECK(served.server.watchers() == AdminServer::most_watchers);
  watchers.pop_back();
  CHECK(served.turn_until(
      [&] { return served.server.watchers() == AdminServer::most_watchers - 1; }));
  watchers.push_back(served.watcher());
}

TEST_CASE("admin server: a watcher that is behind misses events, and is told later ones") {
  Served served;
  const Descriptor watcher = served.watcher();
  sys::set_receive_buffer(watcher.get(), 128 * 1024);
  served.pages.event_bytes = size_t{4} << 20;
  served.server.tell_watchers();
  const int begun = served.pages.events;
  for (int i = 0; i < 5; ++i) {
    served.reactor.turn(0);
    served.server.tell_watchers();
  }
  served.pages.event_bytes = 0;
  std::string all;
  CHECK(served.turn_until([&] {
    for (std::string more; !(more = testing::recv_text(watcher.get())).empty();) all += more;
    return all.ends_with("x\n\n");
  }));
  CHECK(all.size() > size_t{4} << 20);
  CHECK(all.size() < size_t{5} << 20);  // the one that it was behind with, and no other
  CHECK(all.starts_with("data: " + std::to_string(begun)));
  served.server.tell_watchers();
  served.until(watcher, "data: " + std::to_string(begun + 6) + "\n\n");
}

TEST_CASE("admin server: watchers go where the address does, and where they may ask no more") {
  Served served;
  const Descriptor first = served.watcher();
  served.address = sys::local_address(served.listener());
  CHECK(served.rest(first) == "");
  const Descriptor second = served.watcher();
  served.server.use(served.rules);
  CHECK(served.server.watchers() == 1);
  served.rules.allow.push_back(Cidr::parse("10.0.0.0/8").value());
  served.server.use(served.rules);
  CHECK(served.rest(second) == "");
  CHECK(served.server.watchers() == 0);
}

}  // namespace
}  // namespace sluice
