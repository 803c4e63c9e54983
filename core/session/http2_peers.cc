// Which connection a session gets a stream of.
#include "core/session/http2_peers.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sluice {

namespace {

// A peer that chose HTTP/1.1 is not asked again so soon.
constexpr uint64_t choice_lasts_ms = 60'000;
// Connections that a session waited for and that were closed for new streams with their greeting.
constexpr uint32_t most_passed_over = 3;
constexpr const char* takes_none = "its HTTP/2 connections take no streams";

}  // namespace

// Connections that are gone are forgotten here.
Http2Peers::Known& Http2Peers::of(PeerId peer) {
  const auto place = static_cast<size_t>(peer);
  if (place >= by_peer_.size()) by_peer_.resize(place + 1);
  Known& known = by_peer_[place];
  std::erase_if(known.connections, [this](Handle handle) {
    const Http2PeerConnection* const connection = connections_.get(handle);
    return connection == nullptr || connection->state() >= Http2PeerConnection::State::http1;
  });
  return known;
}

Http2Peers::Joined Http2Peers::join(const Http2PeerTerms& terms, bool websocket,
                                    uint32_t most_head_bytes, Leg& leg, const Watch& watch,
                                    Place& place) {
  if (place.waits) {
    Http2PeerConnection* const awaited = connections_.get(place.connection);
    if (awaited != nullptr && awaited->is_awaited()) {
      place.connected = awaited->state() != Http2PeerConnection::State::connecting;
      return Joined::waits;
    }
    Joined joined = Joined::waits;
    if (awaited != nullptr) joined = look(*awaited, watch, leg, place);
    leave(watch.handle, place);
    if (joined != Joined::waits) return joined;
  }
  Known& known = of(terms.peer);
  if (known.chose_http1_with == terms.secured_by &&
      context_.reactor.now_ms() < known.chose_http1_until_ms) {
    return Joined::http1;
  }
  size_t alike = 0;
  for (const Handle handle : known.connections) {
    Http2PeerConnection& connection = *connections_.get(handle);
    if (connection.terms().secured_by != terms.secured_by || connection.is_doubtful()) continue;
    ++alike;
    if (connection.takes_none()) return Joined::full;  // another one would say the same
    if (!connection.has_room()) continue;
    if (connection.is_awaited()) return await(connection, handle, watch, place);
    return open(connection, websocket, most_head_bytes, leg, watch);
  }
  if (terms.settings.h2_connections != 0 && alike >= terms.settings.h2_connections) {
    return Joined::full;
  }
  reserve();
  known.connections.reserve(known.connections.size() + 1);
  const Handle handle = connections_.create(context_, shared_, terms);
  known.connections.push_back(handle);
  with(handle, [&](Http2PeerConnection& connection) { connection.begin(handle); });
  Http2PeerConnection& made = *connections_.get(handle);
  if (!made.is_awaited()) return fail(made);
  return await(made, handle, watch, place);
}

Http2Peers::Joined Http2Peers::await(Http2PeerConnection& connection, Handle handle,
                                     const Watch& watch, Place& place) {
  connection.await(watch.handle);
  place.connection = handle;
  place.waits = true;
  place.connected = connection.state() != Http2PeerConnection::State::connecting;
  return Joined::waits;
}

Http2Peers::Joined Http2Peers::open(Http2PeerConnection& connection, bool websocket,
                                    uint32_t most_head_bytes, Leg& leg, const Watch& watch) {
  if (websocket && !connection.takes_websockets()) return Joined::http1;
  leg.open_stream(std::make_unique<Http2PeerStream>(connection, most_head_bytes), watch);
  return Joined::stream;
}

// What became of the one that was awaited; `waits`: another one is to be looked for.
Http2Peers::Joined Http2Peers::look(Http2PeerConnection& connection, const Watch& watch, Leg& leg,
                                    Place& place) {
  switch (connection.state()) {
    case Http2PeerConnection::State::failed:
      return fail(connection);
    case Http2PeerConnection::State::retired:
      if (++place.passed_over < most_passed_over) return Joined::waits;
      failure_ = {takes_none, takes_none, 0, true};
      return Joined::failed;
    case Http2PeerConnection::State::http1:
      break;
    default:
      return Joined::waits;
  }
  Known& known = of(connection.terms().peer);
  known.chose_http1_with = connection.terms().secured_by;
  known.chose_http1_until_ms = context_.reactor.now_ms() + choice_lasts_ms;
  if (!connection.leg().is_open()) return Joined::http1;
  const bool taken = leg.take_over(context_.reactor, connection.leg(), watch).ok();
  connection.close("", End::orderly);
  return taken ? Joined::adopted : Joined::http1;
}

Http2Peers::Joined Http2Peers::fail(Http2PeerConnection& connection) {
  failure_ = {connection.failure(), connection.failure_text(), connection.error(),
              connection.take_fault()};
  if (failure_.text.empty()) failure_.text = failure_.reason;
  return Joined::failed;
}

void Http2Peers::leave(Handle session, Place& place) {
  if (!place.waits) return;
  Http2PeerConnection* const connection = connections_.get(place.connection);
  place.waits = place.connected = false;
  if (connection != nullptr) connection->forget(session);
}

void Http2Peers::retire_all() {
  connections_.for_each([&](Handle handle, Http2PeerConnection&) {
    with(handle, [](Http2PeerConnection& connection) { connection.retire(); });
  });
}

void Http2Peers::end_idle() {
  connections_.for_each([&](Handle handle, const Http2PeerConnection& connection) {
    if (!connection.is_idle()) return;
    with(handle, [](Http2PeerConnection& idle) { idle.end_now(); });
  });
}

}  // namespace sluice
