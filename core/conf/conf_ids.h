// ConfIds: which number stands for which peer, upstream and listener of the confs that a master
// loads. A value: a process that is to give the same numbers gets a copy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/ids.h"

namespace sluice {

// Each call gives the number that the same arguments had before, else the least one that is free.
class ConfIds {
 public:
  // For an upstream's name, or the expanded URI of a proxy_pass; a name has no "://" in it.
  UpstreamId upstream(const std::string& name);
  PeerId peer(UpstreamId upstream, const Address& address, const ServerUri& uri);
  ListenerId listener(const Address& address);
  RouteId route(const std::string& label);  // label_of()

  // Whether some conf so far had that, and its number.
  std::optional<UpstreamId> known_upstream(const std::string& name) const;
  bool knows_server(UpstreamId upstream, const ServerUri& uri) const;
  std::optional<ListenerId> known_listener(const Address& address) const;
  // What routes and listeners are called, by their numbers.
  std::vector<std::string> route_labels() const;
  std::vector<std::string> listener_labels() const;
  // The numbers that peers have, or had, are those below it.
  size_t peers() const { return peers_.size() + free_peers_.size(); }
  // The same as peer(), where that is below `most`; else nothing, and no number is given.
  std::optional<PeerId> peer_below(size_t most, UpstreamId upstream, const Address& address,
                                   const ServerUri& uri);
  // These peers' numbers are free for others. They had them, and nobody anywhere uses them any
  // more.
  void release(const std::set<PeerId>& ids);

  // For another process: bytes, and the same numbers from them. Nothing where the bytes are
  // malformed; what follows the ids is left in `bytes`.
  std::string bytes() const;
  static std::optional<ConfIds> from(std::string_view& bytes);

 private:
  std::map<std::string, uint32_t> upstreams_;
  std::map<std::string, uint32_t> peers_;
  std::map<std::string, uint32_t> listeners_;
  std::map<std::string, uint32_t> routes_;
  std::set<uint32_t> free_peers_;
};

// Hashes the route's path and conditions; its other fields do not matter.
RouteKey key_of(const RouteConfig& route);

// What counters call it: "/chat", "=/chat", "~^/c", "chat.example/", and what else it asks for:
// "/chat[X-Beta]", "[?room]", "[cookie beta]", "[client]", "[127.0.0.1:80]", "[GET,HEAD]", without
// the values of fields, parameters and cookies, which may be secrets. Routes that differ in those
// alone are counted together.
std::string label_of(const RouteConfig& route);

}  // namespace sluice
