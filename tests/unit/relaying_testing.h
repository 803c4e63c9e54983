// What the tests of drains and lists share: a worker's parts with sessions that relay.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/worker_testing.h"

namespace sluice::testing {

// A session, with both of its far ends in the test's hand.
struct RelayedSession {
  Handle handle;
  Descriptor client;
  Descriptor peer;
  std::string early;  // what came to the client behind its 101 at once
};

// Routes "/" and "/b", to an upstream each, with a peer each.
class RelayingWorker {
 public:
  explicit RelayingWorker(const std::string& more = "")
      : worker(more + "upstream a\nserver " + first.uri() + "\nupstream b\nserver " + second.uri() +
               "\nroute /b\nproxy_pass b\nroute /\nproxy_pass a\n") {}

  // A session that relays.
  RelayedSession relay(const std::string& path = "/") {
    static const std::string accepted =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    RelayedSession made;
    made.client = worker.accept(made.handle);
    send_text(made.client.get(), request(path));
    const TestUpstream& upstream = path == "/b" ? second : first;
    worker.turn_until([&] { return state(made) == Session::State::exchanging; });
    made.peer = upstream.accept();
    std::string asked;
    REQUIRE(worker.turn_until([&] {
      asked += recv_text(made.peer.get());
      return asked.ends_with("\r\n\r\n");
    }));
    send_text(made.peer.get(), accepted);
    made.early = worker.await(made.client, accepted.size());
    REQUIRE(made.early.starts_with(accepted));
    made.early.erase(0, accepted.size());
    return made;
  }
  std::vector<RelayedSession> relay_many(size_t count, const std::string& path = "/") {
    std::vector<RelayedSession> sessions;
    for (size_t i = 0; i < count; ++i) sessions.push_back(relay(path));
    return sessions;
  }
  static std::string request(const std::string& path) {
    return "GET " + path +
           " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }
  Session* find(const RelayedSession& session) { return worker.sessions.get(session.handle); }
  Session::State state(const RelayedSession& session) {
    Session* const found = find(session);
    return found == nullptr ? Session::State::closed : found->state();
  }
  // How many of them relay and have not been told to go.
  size_t relaying(const std::vector<RelayedSession>& sessions) {
    size_t count = 0;
    for (const RelayedSession& each : sessions) {
      count += state(each) == Session::State::relaying ? 1 : 0;
    }
    return count;
  }

  TestUpstream first;
  TestUpstream second;
  TestWorker worker;
};

}  // namespace sluice::testing
