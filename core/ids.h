// Ids of what a conf names. The same thing keeps its number over every conf that a master loads, so
// that what lives longer than one Config (a session, a ticket, a socket) can refer to it.
#pragma once

#include <cstdint>

namespace sluice {

// Numbers from 0 on, given in the order in which a master first meets what they stand for
// (core/conf/conf_ids.h).
enum class PeerId : uint32_t {};      // an upstream's (address, URI)
enum class UpstreamId : uint32_t {};  // a name, or the URI of a proxy_pass
enum class ListenerId : uint32_t {};  // an address
enum class RouteId : uint32_t {};     // a route's label: what counters say of it

// Stands for no peer.
inline constexpr PeerId no_peer{UINT32_MAX};

// A hash of what a route matches (path, host, header fields): the same in every process, whatever
// confs it has loaded.
enum class RouteKey : uint64_t {};

}  // namespace sluice
