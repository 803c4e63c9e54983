// Rows of conf_directives_test: a listener's HTTP/2.
#include <string>
#include <vector>

#include "tests/unit/conf_rows.h"

namespace sluice::testing {

namespace {

std::string rate_text(const RateLimit& rate) {
  return std::to_string(rate.a_second) + " " + std::to_string(rate.burst);
}

}  // namespace

std::vector<ConfRow> http2_rows() {
  return {
      {"http2", "top, listen", "http2 cleartext",
       [](const Config& c) { return std::to_string(static_cast<int>(c.listeners[0].http2)); }, "2"},
      {"http2_max_concurrent_streams", "top, listen", "http2_max_concurrent_streams 7",
       [](const Config& c) { return std::to_string(c.listeners[0].http2_max_streams); }, "7"},
      {"http2_stream_window", "top, listen", "http2_stream_window 16k",
       [](const Config& c) { return std::to_string(c.listeners[0].http2_stream_window_bytes); },
       "16384"},
      {"http2_reset_rate", "top, listen", "http2_reset_rate 7/s",
       [](const Config& c) { return rate_text(c.listeners[0].http2_reset_rate); }, "7 70"},
      {"http2_control_frame_rate", "top, listen", "http2_control_frame_rate 7/s burst=9",
       [](const Config& c) { return rate_text(c.listeners[0].http2_control_frame_rate); }, "7 9"},
      {"upstream_http", "top, upstream", "upstream_http auto",
       [](const Config& c) {
         return std::to_string(static_cast<int>(c.upstreams[0].upstream_http));
       },
       "2"},
      {"h2_streams_per_connection", "top, upstream", "h2_streams_per_connection 7",
       [](const Config& c) { return std::to_string(c.upstreams[0].h2_streams); }, "7"},
      {"h2_connections_per_peer", "top, upstream", "h2_connections_per_peer 7",
       [](const Config& c) { return std::to_string(c.upstreams[0].h2_connections); }, "7"},
      {"h2_stream_window", "top, upstream", "h2_stream_window 16k",
       [](const Config& c) { return std::to_string(c.upstreams[0].h2_stream_window_bytes); },
       "16384"},
  };
}

}  // namespace sluice::testing
