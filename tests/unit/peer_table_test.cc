// PeerTable: a peer lives as long as it has users, at one place, with its TLS session.
#include "core/peers/peer_table.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <string>

#include "core/peers/upstream.h"

using namespace sluice;

namespace {

PeerConfig peer_of(uint32_t id, const std::string& uri = "wss://127.0.0.1:9001/chat") {
  PeerConfig config;
  config.id = PeerId{id};
  config.address = Address::parse("127.0.0.1:9001").value();
  config.uri = parse_server_uri(uri).value();
  config.name = "peer " + std::to_string(id);
  return config;
}

}  // namespace

TEST_CASE("peer table: a peer is what its first user's conf says") {
  PeerTable peers;
  Peer& peer = peers.use(peer_of(3));
  CHECK(peer.id == PeerId{3});
  CHECK(peer.name == "peer 3");
  CHECK(peer.address.text() == "127.0.0.1:9001");
  CHECK(peer.uri.secure);
  CHECK(peer.uri.path == "/chat");
  CHECK(peer.tls_session.session() == nullptr);
  CHECK(&peers.at(PeerId{3}) == &peer);
  CHECK(peers.size() == 1);
  peers.release(PeerId{3});
  CHECK(peers.size() == 0);
}

TEST_CASE("peer table: it stays where it is while others come, and goes with its last user") {
  PeerTable peers;
  Peer* const first = &peers.use(peer_of(0));
  CHECK(&peers.use(peer_of(0)) == first);
  CHECK(&peers.enter(PeerId{0}) == first);
  CHECK(peers.board().active(PeerId{0}) == 1);
  peers.leave(PeerId{0});
  CHECK(&peers.use(peer_of(0)) == first);
  CHECK(peers.board().active(PeerId{0}) == 0);
  for (uint32_t id = 1; id < 1000; ++id) peers.use(peer_of(id));
  CHECK(&peers.at(PeerId{0}) == first);
  CHECK(peers.size() == 1000);
  for (uint32_t id = 1; id < 1000; ++id) peers.release(PeerId{id});
  peers.release(PeerId{0});
  peers.release(PeerId{0});
  CHECK(peers.at(PeerId{0}).name == "peer 0");
  peers.release(PeerId{0});
  CHECK(peers.size() == 0);
  CHECK(peers.use(peer_of(0)).name == "peer 0");  // as new
  peers.release(PeerId{0});
}

TEST_CASE("peer table: a use counts for one peer at a time") {
  PeerTable peers;
  peers.use(peer_of(0));
  peers.use(peer_of(1));
  {
    PeerUse use(peers);
    CHECK(use.get() == nullptr);
    use.choose(PeerId{0});
    CHECK(use->name == "peer 0");
    CHECK(peers.board().active(PeerId{0}) == 1);
    peers.release(PeerId{0});
    CHECK(peers.size() == 2);
    use.choose(PeerId{0});  // the same again: it stays
    CHECK(use->name == "peer 0");
    use.choose(PeerId{1});
    CHECK(peers.size() == 1);
    peers.release(PeerId{1});
    CHECK(use->name == "peer 1");
    CHECK(peers.board().active(PeerId{0}) == 0);
    CHECK(peers.board().active(PeerId{1}) == 1);
  }
  CHECK(peers.board().active(PeerId{1}) == 0);
  CHECK(peers.size() == 0);
}

TEST_CASE("peer table: a ticket finds its slot after the upstream that listed the peer is gone") {
  PeerTable peers;
  UpstreamConfig config;
  config.peers.push_back(peer_of(5));
  auto upstream = std::make_unique<Upstream>(config, peers, 0);
  TlsSessionSlot& slot = peers.enter(PeerId{5}).tls_session;  // a session's, whose transport has it
  upstream.reset();
  config = {};
  SSL_SESSION* const ticket = SSL_SESSION_new();
  slot.keep(ticket);
  CHECK(peers.at(PeerId{5}).tls_session.session() == ticket);
  // A newer Config that lists the peer again resumes with it.
  config.peers.push_back(peer_of(5));
  upstream = std::make_unique<Upstream>(config, peers, 0);
  peers.leave(PeerId{5});
  CHECK(peers.at(PeerId{5}).tls_session.session() == ticket);
  upstream.reset();
  CHECK(peers.size() == 0);
}
