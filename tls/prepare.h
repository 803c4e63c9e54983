// Has OpenSSL make at once what it otherwise makes at first use: algorithms that it looks up,
// tables that it fills.
#pragma once

namespace sluice {

// For the master, before it starts workers: one that met a lack of memory in the middle of a
// look-up would be without that algorithm for good. They share the memory, and their first TLS
// handshake is as quick as any.
void prepare_tls();

}  // namespace sluice
