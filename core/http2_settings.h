// What a listener says of its clients' HTTP/2 connections, and an upstream of those to its peers.
#pragma once

#include <cstdint>

#include "protocol/frames.h"

namespace sluice {

// Whether clients may speak HTTP/2: not at all; in TLS, where they ask for it (ALPN, RFC 9113 3.2);
// or also without TLS, by prior knowledge (3.3).
enum class Http2Use : uint8_t { off, on, cleartext };

// The least that a client may send on a stream before it has heard of any setting (RFC 9113 6.9.2).
inline constexpr uint32_t least_http2_ring_bytes = 64 * 1024;

struct Http2ListenSettings {
  Http2Use http2 = Http2Use::off;
  uint32_t http2_max_streams = 128;             // of a connection at a time
  uint32_t http2_stream_window_bytes = 65'535;  // that may come unread on one of them
  // Of a connection. Resets are streams that the client reset, or made us reset; control frames
  // those that carry neither a request nor payload.
  RateLimit http2_reset_rate{20, 200};
  RateLimit http2_control_frame_rate{100, 1000};
};

// What a peer is spoken to: HTTP/1.1; HTTP/2, over ws:// by prior knowledge (RFC 9113 3.3); or what
// it chooses in TLS (ALPN).
enum class UpstreamHttp : uint8_t { one, two, by_alpn };

struct Http2UpstreamSettings {
  UpstreamHttp upstream_http = UpstreamHttp::one;
  uint32_t h2_streams = 100;                 // on one connection at a time
  uint32_t h2_connections = 0;               // of a worker to one peer; 0: as many as it takes
  uint32_t h2_stream_window_bytes = 65'535;  // that may come unread on a stream
};

}  // namespace sluice
