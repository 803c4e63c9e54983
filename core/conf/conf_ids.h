// ConfIds: which number stands for which peer, upstream and listener of the confs that a master
// loads. A value: a process that is to give the same numbers gets a copy.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/config.h"
#include "core/ids.h"

namespace sluice {

// Each call gives the number that the same arguments had before, else the next one that is free.
class ConfIds {
 public:
  // For an upstream's name, or the expanded URI of a proxy_pass; a name has no "://" in it.
  UpstreamId upstream(const std::string& name);
  PeerId peer(UpstreamId upstream, const Address& address, const ServerUri& uri);
  ListenerId listener(const Address& address);

 private:
  // Each number is the map's size when its text was met.
  std::map<std::string, uint32_t> upstreams_;
  std::map<std::string, uint32_t> peers_;
  std::map<std::string, uint32_t> listeners_;
};

// Hashes the route's path and conditions; its other fields do not matter.
RouteKey key_of(const RouteConfig& route);

}  // namespace sluice
