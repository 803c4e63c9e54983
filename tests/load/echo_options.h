// What sluice-echo was asked to do.
#pragma once

#include <cstdint>
#include <string>

#include "net/address.h"

namespace sluice::load {

struct EchoOptions {
  enum class Mode : uint8_t { echo, sink, flood };

  Address listen;
  Mode mode = Mode::echo;
  uint64_t payload_bytes = 125;  // of the messages of flood
  uint32_t threads = 1;
  uint16_t once_close_code = 0;  // 0: never; else sent after the first message of a connection
  uint32_t refuse_status = 0;    // 0: never; else the answer to every handshake
  uint64_t delay_ms = 0;         // before messages are answered
  uint64_t handshake_delay_ms = 0;
  bool http2 = false;             // HTTP/2 as well, for clients that want it
  uint32_t http2_streams = 1000;  // of a client's connection at a time
  bool page = false;              // a GET without an upgrade gets the test page
  bool send_head = false;         // the request's head is the first message
  std::string subprotocol;        // "": none is ever agreed on
  std::string tls_certificate;    // a file, as tls_key; both or neither
  std::string tls_key;
  bool quiet = false;
  bool print_stats = false;
};

// Returns -1 to go on, else the exit status.
int read_echo_options(int count, char** arguments, EchoOptions& options);

}  // namespace sluice::load
