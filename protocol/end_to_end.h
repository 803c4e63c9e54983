// Which fields of a head travel on past this hop: end-to-end ones do, those that concern one
// connection do not; in a request nor do those that a stranger may not be believed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/head.h"

namespace sluice {

// Fields that concern one connection only (RFC 9110 7.6.1), whether Connection names them or not.
bool is_hop_by_hop(std::string_view name);
// Fields in which hops say who the client is or what it asked for: Forwarded, X-Forwarded-*,
// X-Real-IP and those of the large networks, with any other byte in a hyphen's place, too. A
// stranger's own are lies until shown otherwise.
bool is_forwarding_field(std::string_view name);
// Letters, digits and '-'. CGI and what descends from it read every other byte as '_', and so X.A
// and X_A as X-A: a client could set with them what a route sets or removes.
bool is_plain_name(std::string_view name);
// True for fields that set_header may not set: Connection, Upgrade, Sec-WebSocket-*,
// Content-Length, Transfer-Encoding (core/DESIGN.md section 7, headers).
bool header_is_reserved(std::string_view name);
// Whether it is one of these names, in any case.
bool named_in(std::span<const std::string_view> names, std::string_view name);

// Drops what is not end-to-end, what Connection nominates, and what framing and handshake decide.
// Views into the head, which must outlive it.
class EndToEnd {
 public:
  explicit EndToEnd(const Head& head);

  bool keeps(std::string_view name) const;
  // For tests. Names compared so far: with n bytes of head at most n log n, whatever Connection
  // nominates.
  uint64_t comparisons() const { return comparisons_; }

 private:
  bool nominated(std::string_view name) const;
  bool less(std::string_view a, std::string_view b) const;

  std::vector<std::string_view> nominated_;  // sorted, without case
  mutable uint64_t comparisons_ = 0;
};

}  // namespace sluice
