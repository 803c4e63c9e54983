// The client's half of the opening handshake (RFC 6455 4.1, RFC 8441 5).
#pragma once

#include <cstddef>
#include <string>

#include "protocol/http1.h"
#include "tests/load/bench_options.h"
#include "tests/load/common_http2.h"

namespace sluice::load {

// Lives from the connect to the 101.
struct Opening {
  explicit Opening(const BenchOptions& options);

  // Why the answer must not be trusted, or "" where all is well.
  std::string find_fault(const BenchOptions& options) const;

  std::string key;  // random, base64
  std::string request;
  size_t sent = 0;  // of the request
  Http1Parser parser;
};

// The same over HTTP/2: the request, and why its answer must not be trusted.
Http2Fields stream_request(const BenchOptions& options);
std::string find_stream_fault(const Http2Fields& answer, const BenchOptions& options);

}  // namespace sluice::load
