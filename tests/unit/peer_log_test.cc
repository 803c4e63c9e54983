// PeerLog: a line names upstream, peer and session, and one kind about one peer is bounded.
#include "core/session/peer_log.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

TEST_CASE("peer log: who, what and whose") {
  testing::TestWorker worker("upstream chat\nserver ws://127.0.0.1:9\nroute /\nproxy_pass chat\n");
  const testing::Pair pipe = testing::unix_pair();
  worker.log.error_sink.use({.fd = pipe.near.get()});
  const UpstreamConfig& upstream = worker.config().upstreams[0];
  const Peer& peer = worker.upstreams.peers().at(upstream.peers[0].id);
  const PeerLog log{worker.context, upstream, "session", 12};
  log.tell(peer, LogLevel::warn, "a kind", "what it did");
  log.tell(peer, LogLevel::debug, "a kind", "below the level");
  worker.log.flush();
  const std::string lines = testing::recv_text(pipe.far.get());
  CHECK(lines.find("warn upstream chat: peer 127.0.0.1:9: what it did, session 0-test-12\n") !=
        std::string::npos);
  CHECK(lines.find("below") == std::string::npos);
  for (int i = 0; i < 1'000; ++i) log.tell(peer, LogLevel::warn, "a kind", "again and again");
  worker.log.flush();
  CHECK(testing::recv_text(pipe.far.get()).size() < 4'000);
  worker.log.error_sink.use({});
}

}  // namespace
}  // namespace sluice
