// What sluice-bench was asked to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"
#include "protocol/uri.h"
#include "tests/load/bench_threshold.h"

namespace sluice::load {

struct BenchOptions {
  enum class Mode : uint8_t {
    echo,     // sends and awaits the same back
    receive,  // only receives
    idle,     // holds connections
    connect,  // opens, shakes hands, closes, and again
  };

  // What is to come back for each message that is sent.
  enum class Expect : uint8_t {
    echo,     // the same
    answer,   // any message
    nothing,  // what comes is dropped; what was sent counts
  };

  std::string url;
  ServerUri server;
  std::vector<Address> addresses;  // of the server, never none
  Mode mode = Mode::echo;
  Expect expect = Expect::echo;
  uint32_t connections = 50;
  uint32_t pipeline = 1;  // messages on their way per connection
  uint64_t payload_bytes = 125;
  bool text = false;            // text messages, else binary ones
  std::string file;             // what is sent instead of made-up messages: a file as one message,
  std::string lines_file;       // or the lines of one in turn; "": made-up ones
  uint64_t duration_ms = 5000;  // 0 where `messages` decides
  uint64_t messages = 0;        // in total
  uint64_t warm_up_ms = 0;      // messages flow so long before they are counted
  uint64_t ramp_ms = 0;         // over which the connections are opened; 0: as fast as possible
  uint64_t rate = 0;            // messages a second in total; 0: as fast as answers come
  uint64_t connect_rate = 0;    // cycles a second in total; 0: as fast as possible
  uint64_t idle_messages = 0;   // with mode idle: echoes of each connection before it rests
  uint32_t threads = 1;
  bool http2 = false;                     // WebSockets are streams of HTTP/2 (RFC 8441)
  uint32_t streams_per_connection = 100;  // at most
  std::vector<Address> sources;
  std::vector<std::string> headers;  // "Name: value"
  std::string subprotocol;
  std::string tls_ca;         // a file; "": the system's authorities
  bool tls_insecure = false;  // verifies nothing
  bool tls_resume = false;    // else every TLS handshake is a full one
  bool json = false;
  bool quiet = false;
  bool marks = false;  // lines on stderr where the counting begins and ends

  std::vector<Threshold> thresholds;

  bool sends() const { return mode == Mode::echo || idle_messages > 0; }
  bool awaits() const { return sends() && expect != Expect::nothing; }
  bool compares() const { return sends() && expect == Expect::echo; }
};

// Returns -1 to go on, else the exit status. Resolves the URL's host, which blocks.
int read_bench_options(int count, char** arguments, BenchOptions& options);

const char* mode_name(BenchOptions::Mode mode);

}  // namespace sluice::load
