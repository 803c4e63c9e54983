// Access lines are `event name=value ...`, in the same order in every line; a field that has
// nothing to tell is left out.
#include "core/observe/access_log.h"

#include "core/session/exchange.h"
#include "core/session/session.h"

namespace sluice {

namespace {

std::string line_begin(std::string_view event, const Session& session) {
  std::string line(event);
  append_field(line, "id", session.id_text());
  append_field(line, "client", session.client().text());
  if (session.route() != nullptr) append_field(line, "route", session.route()->path);
  if (session.peer() != nullptr) append_field(line, "peer", session.peer()->name);
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
void append_end(std::string& line, const Session& session) {
  append_field(line, "closed_by", name_of(session.closed_by()));
  if (session.fault() != Party::nobody) append_field(line, "fault", name_of(session.fault()));
  if (session.close_code() != 0) append_field(line, "code", session.close_code());
  if (const uint16_t code = session.own_code(Side::client)) append_field(line, "sent_client", code);
  if (const uint16_t code = session.own_code(Side::upstream)) {
    append_field(line, "sent_upstream", code);
  }
}

std::string seconds_text(uint64_t milliseconds) {
  std::string fraction = std::to_string(1000 + milliseconds % 1000);
  fraction[0] = '.';
  return std::to_string(milliseconds / 1000) + fraction;
}

void append_request(std::string& line, const Opening& opening,
                    size_t most_bytes = std::string_view::npos) {
  append_field(line, "host", opening.host_for_log().substr(0, most_bytes));
  append_field(line, "target", opening.target_for_log().substr(0, most_bytes));
}

}  // namespace

std::string open_line(const Session& session, const Opening& opening) {
  std::string line = line_begin("open", session);
  append_request(line, opening);
  append_field(line, "subprotocol", session.subprotocol());
  append_field(line, "status", 101);
  return line;
}

std::string close_line(const Session& session, std::string_view reason) {
  const Direction& up = session.direction(Side::client);
  const Direction& down = session.direction(Side::upstream);
  std::string line = line_begin("close", session);
  append_field(line, "subprotocol", session.subprotocol());
  append_field(line, "status", 101);
  append_field(line, "client_bytes", up.bytes());
  append_field(line, "client_messages", up.messages());
  append_field(line, "upstream_bytes", down.bytes());
  append_field(line, "upstream_messages", down.messages());
  append_field(line, "duration", seconds_text(session.now_ms() - session.opened_ms()));
  append_end(line, session);
  append_field(line, "reason", reason);
  return line;
}

std::string refused_line(const Session& session, const Opening& opening, int status,
                         size_t most_value_bytes) {
  std::string line = line_begin("refused", session);
  append_request(line, opening, most_value_bytes);
  if (status != 0) append_field(line, "status", static_cast<uint64_t>(status));
  append_field(line, "duration", seconds_text(session.now_ms() - session.opened_ms()));
  append_field(line, "reason", opening.reason());
  if (!opening.detail().empty()) append_field(line, "detail", opening.detail());
  return line;
}

std::string turned_away_line(std::string_view id, const Address& client, std::string_view reason) {
  std::string line = "turned away";
  append_field(line, "id", id);
  append_field(line, "client", ClientAddress(client).text());
  append_field(line, "reason", reason);
  return line;
}

}  // namespace sluice
