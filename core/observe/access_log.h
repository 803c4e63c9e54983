// Access lines: one when a session opens, one when it closes, one for a refused handshake, and one
// for each plain request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/log_format.h"

namespace sluice {

// The one who ended a session first, or was at fault.
enum class Party : uint8_t { nobody, client, upstream, proxy };

// What a line is about.
enum class SessionEvent : uint8_t { open, close, refused, request };

// Everything that a line may tell of a session. The views are the caller's and good for the call.
// Values from strangers stand as they came; secrets (set headers, conf values) never do.
struct SessionRecord {
  struct Traffic {
    uint64_t bytes = 0;  // of frames, or of a plain request's body and its answer's
    uint64_t messages = 0;
  };
  // Codes of Closes between the proxy and one side; 0: there was none.
  struct Closes {
    uint16_t sent = 0;  // by that side
    uint16_t got = 0;   // that went out to it whole: the other side's, or one of the proxy's own
  };

  std::string id;
  std::string client;     // its address
  std::string route;      // its name; "": none was taken yet
  std::string_view peer;  // "": none was dialled yet
  std::string host;       // of the request, as far as it was read
  std::string method;     // of a plain request
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
  std::string detail;   // "": there is none
  uint16_t status = 0;  // of the answer; 0: the client got none

  // --- what is filled in only where the format wants it (LogFormat::wanted)
  std::string listener;  // its address
  std::string upstream;  // its name
  std::string peers_tried;
  std::string origin;
  std::string user_agent;
  std::string forwarded_for;
  std::string request_id;
  std::string protocol;    // "HTTP/1.1", "HTTP/2"
  std::string connection;  // of HTTP/2: the id of the connection whose stream it is
  std::string tls_version;
  std::string tls_cipher;
  std::string tls_name;
  std::string tls_client_subject;
  uint32_t tries = 0;             // peers that the request was given to
  uint32_t handshake_ms = no_ms;  // from accept to the 101
  uint32_t connect_ms = no_ms;    // of it, until a peer was connected
  Closes client_closes;
  Closes upstream_closes;

  static constexpr uint32_t no_ms = UINT32_MAX;  // it has not come to that
};

// The line of that event as the format has it, without what Log::access() puts in front. Values are
// escaped.
std::string access_line(const LogFormat& format, SessionEvent event, const SessionRecord& session);

// The fields of that event's lines in a built-in format.
std::span<const LogField> built_in_fields(SessionEvent event);

// For the error log: the line of a refusal in the built-in format "text". Of host and target at
// most so many bytes each.
std::string refused_notice(SessionRecord session, size_t most_value_bytes);
// For a client that gets not even a session; its record holds id, client and reason.
std::string turned_away_line(const SessionRecord& session);

}  // namespace sluice
