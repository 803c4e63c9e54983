// A session's two ends, over blocking sockets, as hot_path_tests plays them, and what alloc_tests
// shares with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tls/client.h"
#include "tls/transport.h"

namespace sluice::alloc {

// Whole, or the program ends.
void send_all(int fd, const std::string& bytes);
void receive(int fd, size_t bytes);
// A client's descriptor, its owner's to close; -1 where nobody listens there.
int try_dial(uint16_t port);
int dial(uint16_t port);  // or the program ends

// Both descriptors are its owner's to close; the client's is in TLS where `tls` is there.
struct Pair {
  int client = -1;
  int server = -1;
  std::unique_ptr<TlsTransport> tls;

  // The client's.
  void send(const std::string& bytes) const;
  void receive(size_t bytes) const;
};

// `upstream`: a blocking listener. `tls`: null for none.
Pair open_pair(uint16_t port, int upstream, const TlsClient* tls, TlsSessionSlot& session,
               const std::string& target = "/");
void close_pair(const Pair& pair);

// A whole binary message; a client's is masked, by zeros.
std::string frame(uint64_t payload_bytes, bool masked);
void echo(const Pair& pair, const std::string& there, const std::string& back);

// Tells what does not hold. Returns the failures, 0 or 1.
int claim(bool holds, const char* what);

}  // namespace sluice::alloc
