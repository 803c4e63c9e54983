// EndCause: why a session ended, as a kind that can be counted and as the words of the log.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

enum class EndKind : uint8_t {
  none,             // it goes on, or never relayed
  peer_close,       // a peer's Close
  no_close,         // a peer ended its connection without a Close
  connection_lost,  // a connection failed; the text says why
  protocol_error,   // a peer broke the protocol or a limit of a message; the text says which
  idle_timeout,
  send_timeout,   // a peer took nothing
  close_timeout,  // a peer did not end its side
  buffer_memory,  // the worker's was spent, and this session's target took nothing for longest
  shutdown,       // the worker ends
  drain,          // it, or what the session belongs to, is emptied at a pace
  command,        // whoever runs sluice ended this session
  session_age,    // max_session_age
  ping_timeout,   // a peer answered no ping of ours
  rate,           // a peer sent more than message_rate or byte_rate allow
  queued_time,    // a peer took too slowly what was for it
  token_expired,  // the client's JSON Web Token
  resources,      // memory or descriptors were missing
};
inline constexpr size_t end_kinds = static_cast<size_t>(EndKind::resources) + 1;

struct EndCause {
  EndKind kind = EndKind::none;
  const char* text = "";  // static text
};

}  // namespace sluice
