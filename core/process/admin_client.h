// Admin client: asks a running sluice's admin address, for programs without a reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/result.h"

namespace sluice {

// More than the status of as many routes, peers and workers as there can be.
inline constexpr size_t most_admin_reply_bytes = size_t{64} << 20;

struct AdminReply {
  bool ok = false;
  std::string text;  // the body where `ok`, else what is wrong and what helps
};

// GET of that path, which answers with 200. Blocks until the deadline by the monotonic clock at
// most. An address that takes every address is asked at this machine's own.
AdminReply ask_admin(const Address& address, std::string_view path, uint64_t deadline_ms);

// Reads an answer as it came, to the connection's end.
AdminReply read_admin_reply(std::string_view bytes);

}  // namespace sluice
