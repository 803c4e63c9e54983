// Access lines are `event name=value ...`, in the same order in every line. A field whose value may
// be missing is left out then; the request's own and the subprotocol always stand, also empty.
#include "core/observe/access_log.h"

#include "core/observe/log.h"

namespace sluice {

namespace {

std::string line_begin(std::string_view event, const SessionRecord& session) {
  std::string line(event);
  append_field(line, "id", session.id);
  append_field(line, "client", session.client);
  if (!session.route.empty()) append_field(line, "route", session.route);
  if (!session.peer.empty()) append_field(line, "peer", session.peer);
  return line;
}

std::string_view name_of(Party party) {
  switch (party) {
    case Party::nobody:
      return "nobody";
    case Party::client:
      return "client";
    case Party::upstream:
      return "upstream";
    case Party::proxy:
      return "proxy";
  }
  return "nobody";
}

// Whose Close went where, so that no code reads as if another had sent it.
void append_end(std::string& line, const SessionRecord& session) {
  append_field(line, "closed_by", name_of(session.closed_by));
  if (session.fault != Party::nobody) append_field(line, "fault", name_of(session.fault));
  if (session.code != 0) append_field(line, "code", session.code);
  if (session.sent_client != 0) append_field(line, "sent_client", session.sent_client);
  if (session.sent_upstream != 0) append_field(line, "sent_upstream", session.sent_upstream);
}

// Seconds with so many decimals, from as many parts of a second.
std::string seconds_text(uint64_t parts, unsigned decimals = 3) {
  uint64_t whole = 1;
  for (unsigned i = 0; i < decimals; ++i) whole *= 10;
  std::string fraction = std::to_string(whole + parts % whole);
  fraction[0] = '.';
  return std::to_string(parts / whole) + fraction;
}

void append_request(std::string& line, const SessionRecord& session,
                    size_t most_bytes = std::string_view::npos) {
  append_field(line, "host", std::string_view(session.host).substr(0, most_bytes));
  append_field(line, "target", std::string_view(session.target).substr(0, most_bytes));
}

}  // namespace

std::string open_line(const SessionRecord& session) {
  std::string line = line_begin("open", session);
  append_request(line, session);
  append_field(line, "subprotocol", session.subprotocol);
  append_field(line, "status", 101);
  return line;
}

std::string close_line(const SessionRecord& session) {
  std::string line = line_begin("close", session);
  append_field(line, "subprotocol", session.subprotocol);
  append_field(line, "status", 101);
  append_field(line, "client_bytes", session.from_client.bytes);
  append_field(line, "client_messages", session.from_client.messages);
  append_field(line, "upstream_bytes", session.from_upstream.bytes);
  append_field(line, "upstream_messages", session.from_upstream.messages);
  append_field(line, "duration", seconds_text(session.duration_ms));
  if (session.client_rtt_us != 0) {
    append_field(line, "client_rtt", seconds_text(session.client_rtt_us, 6));
  }
  if (session.upstream_rtt_us != 0) {
    append_field(line, "upstream_rtt", seconds_text(session.upstream_rtt_us, 6));
  }
  append_end(line, session);
  append_field(line, "reason", session.reason);
  return line;
}

std::string refused_line(const SessionRecord& session, int status, size_t most_value_bytes) {
  std::string line = line_begin("refused", session);
  append_request(line, session, most_value_bytes);
  if (status != 0) append_field(line, "status", static_cast<uint64_t>(status));
  append_field(line, "duration", seconds_text(session.duration_ms));
  append_field(line, "reason", session.reason);
  if (!session.detail.empty()) append_field(line, "detail", session.detail);
  return line;
}

std::string turned_away_line(const SessionRecord& session) {
  std::string line = line_begin("turned away", session);
  append_field(line, "reason", session.reason);
  return line;
}

}  // namespace sluice
