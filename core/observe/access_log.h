// Access lines: one when a session opens, one when it closes, one for a refused handshake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// The one who ended a session first, or was at fault.
enum class Party : uint8_t { nobody, client, upstream, proxy };

// Everything that a line may tell of a session. The views are the caller's and good for the call.
// Values from strangers stand as they came; secrets (set headers, conf values) never do.
struct SessionRecord {
  struct Traffic {
    uint64_t bytes = 0;  // of frames
    uint64_t messages = 0;
  };

  std::string id;
  std::string client;      // its address
  std::string_view route;  // its path; "": none was taken yet
  std::string_view peer;   // "": none was dialled yet
  std::string host;        // of the request, as far as it was read
  std::string target;
  std::string_view subprotocol;
  Traffic from_client;
  Traffic from_upstream;
  uint64_t duration_ms = 0;
  uint32_t client_rtt_us = 0;  // of the latest ping of the proxy's that was answered; 0: none was
  uint32_t upstream_rtt_us = 0;
  Party closed_by = Party::nobody;
  Party fault = Party::nobody;  // the peer that made the proxy end it
  uint16_t code = 0;            // of the Close with which a peer ended it; 0: it was none
  uint16_t sent_client = 0;     // of a Close of the proxy's own that went out whole; 0: none did
  uint16_t sent_upstream = 0;
  std::string reason;
  std::string detail;  // "": there is none
};

// Each returns the line without time and newline; values are escaped.
std::string open_line(const SessionRecord& session);
std::string close_line(const SessionRecord& session);
// `status` is 0 where the client got no answer. Of host and target at most `most_value_bytes` each.
std::string refused_line(const SessionRecord& session, int status,
                         size_t most_value_bytes = std::string_view::npos);
// For a client that gets not even a session; its record holds id, client and reason.
std::string turned_away_line(const SessionRecord& session);

}  // namespace sluice
