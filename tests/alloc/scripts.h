// Scripts: what client and upstream do around one session while one of the proxy's allocations
// fails. Each plays both peers over blocking sockets and only demands that nothing hangs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::alloc {

// Where the proxy listens, and where the script's own upstream does.
struct Stage {
  uint16_t proxy_port = 0;
  uint16_t tls_port = 0;
  int upstream = -1;  // a listening descriptor
};

struct Script {
  const char* name;
  // Plays it; returns "" or what went wrong. `healthy`: no allocation fails, everything must work.
  std::string (*play)(const Stage& stage, bool healthy);
  // With TLS there are thousands of allocations: an ordinary run lets every `step`-th fail.
  int step = 1;
  bool traced = false;
};

std::span<const Script> scripts();

// Clients of this process that got a 101 so far.
size_t clients_answered();

}  // namespace sluice::alloc
