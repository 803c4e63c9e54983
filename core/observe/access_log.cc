// Access lines in text are `event name=value ...`, in JSON {"event":"...","name":value,...}. A
// field that has nothing to tell is left out; in a built-in format some stand also when they are
// empty.
#include "core/observe/access_log.h"

#include <algorithm>
#include <array>

#include "core/observe/line_text.h"

namespace sluice {

namespace {

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

std::string_view name_of(SessionEvent event) {
  switch (event) {
    case SessionEvent::open:
      return "open";
    case SessionEvent::close:
      return "close";
    case SessionEvent::refused:
      return "refused";
    case SessionEvent::request:
      return "request";
  }
  return "refused";
}

// Seconds with so many decimals, from as many parts of a second.
std::string seconds_text(uint64_t parts, unsigned decimals = 3) {
  uint64_t whole = 1;
  for (unsigned i = 0; i < decimals; ++i) whole *= 10;
  std::string fraction = std::to_string(whole + parts % whole);
  fraction[0] = '.';
  return std::to_string(parts / whole) + fraction;
}

// Of one field. Numbers are texts, too, which need no escape.
struct Value {
  enum class Kind : uint8_t { none, text, number };

  Kind kind = Kind::none;
  std::string_view text = {};
  std::string number = {};
};

Value text(std::string_view value) {
  return {Value::Kind::text, value, {}};
}
Value number(uint64_t value) {
  return {Value::Kind::number, {}, std::to_string(value)};
}
Value number_unless_0(uint64_t value) {
  return value == 0 ? Value() : number(value);
}
Value seconds(uint64_t parts, unsigned decimals = 3) {
  return {Value::Kind::number, {}, seconds_text(parts, decimals)};
}
Value milliseconds_if_known(uint32_t value) {
  return value == SessionRecord::no_ms ? Value() : seconds(value);
}
Value microseconds_unless_0(uint32_t value) {
  return value == 0 ? Value() : seconds(value, 6);
}

// What is known only at the end of a session that relayed.
Value value_at_close(LogField field, const SessionRecord& session) {
  switch (field) {
    case LogField::client_bytes:
      return number(session.from_client.bytes);
    case LogField::client_messages:
      return number(session.from_client.messages);
    case LogField::upstream_bytes:
      return number(session.from_upstream.bytes);
    case LogField::upstream_messages:
      return number(session.from_upstream.messages);
    case LogField::client_rtt:
      return microseconds_unless_0(session.client_rtt_us);
    case LogField::upstream_rtt:
      return microseconds_unless_0(session.upstream_rtt_us);
    case LogField::closed_by:
      return text(name_of(session.closed_by));
    case LogField::fault:
      return session.fault == Party::nobody ? Value() : text(name_of(session.fault));
    case LogField::code:
      return number_unless_0(session.code);
    case LogField::sent_client:
      return number_unless_0(session.sent_client);
    case LogField::sent_upstream:
      return number_unless_0(session.sent_upstream);
    case LogField::client_sent_close:
      return number_unless_0(session.client_closes.sent);
    case LogField::client_got_close:
      return number_unless_0(session.client_closes.got);
    case LogField::upstream_sent_close:
      return number_unless_0(session.upstream_closes.sent);
    case LogField::upstream_got_close:
      return number_unless_0(session.upstream_closes.got);
    default:
      return {};
  }
}

// What is known at the end of a plain request.
Value value_of_bodies(LogField field, const SessionRecord& session) {
  if (field == LogField::client_bytes) return number(session.from_client.bytes);
  return field == LogField::upstream_bytes ? number(session.from_upstream.bytes) : Value();
}

// What the client asked for, and by which way it came.
Value value_of_request(LogField field, const SessionRecord& session) {
  switch (field) {
    case LogField::host:
      return text(session.host);
    case LogField::method:
      return text(session.method);
    case LogField::target:
      return text(session.target);
    case LogField::origin:
      return text(session.origin);
    case LogField::user_agent:
      return text(session.user_agent);
    case LogField::forwarded_for:
      return text(session.forwarded_for);
    case LogField::request_id:
      return text(session.request_id);
    case LogField::subprotocol:
      return text(session.subprotocol);
    case LogField::protocol:
      return text(session.protocol);
    case LogField::connection:
      return text(session.connection);
    case LogField::tls_version:
      return text(session.tls_version);
    case LogField::tls_cipher:
      return text(session.tls_cipher);
    case LogField::tls_name:
      return text(session.tls_name);
    case LogField::tls_client_subject:
      return text(session.tls_client_subject);
    default:
      return {};
  }
}

Value value_of(LogField field, SessionEvent event, const SessionRecord& session) {
  const bool opens = event == SessionEvent::open;
  const bool relayed = opens || event == SessionEvent::close;
  switch (field) {
    case LogField::id:
      return text(session.id);
    case LogField::client:
      return text(session.client);
    case LogField::listener:
      return text(session.listener);
    case LogField::route:
      return text(session.route);
    case LogField::upstream:
      return text(session.upstream);
    case LogField::peer:
      return text(session.peer);
    case LogField::peers_tried:
      return text(session.peers_tried);
    case LogField::tries:
      return number_unless_0(session.tries);
    case LogField::status:
      return relayed ? number(101) : number_unless_0(session.status);
    case LogField::handshake_time:
      return milliseconds_if_known(session.handshake_ms);
    case LogField::connect_time:
      return milliseconds_if_known(session.connect_ms);
    case LogField::duration:
      return opens ? Value() : seconds(session.duration_ms);
    case LogField::reason:
      return opens ? Value() : text(session.reason);
    case LogField::detail:
      return text(session.detail);
    default:
      break;
  }
  const Value value = value_of_request(field, session);
  if (value.kind != Value::Kind::none) return value;
  if (event == SessionEvent::request) return value_of_bodies(field, session);
  return event == SessionEvent::close ? value_at_close(field, session) : Value();
}

bool stands_empty(LogField field) {
  constexpr LogFields always = {LogField::id,     LogField::client,      LogField::host,
                                LogField::target, LogField::subprotocol, LogField::reason};
  return always.has(field);
}

constexpr std::array open_fields = {LogField::id,          LogField::client, LogField::route,
                                    LogField::peer,        LogField::host,   LogField::target,
                                    LogField::subprotocol, LogField::status};
constexpr std::array close_fields = {LogField::id,
                                     LogField::client,
                                     LogField::route,
                                     LogField::peer,
                                     LogField::subprotocol,
                                     LogField::status,
                                     LogField::client_bytes,
                                     LogField::client_messages,
                                     LogField::upstream_bytes,
                                     LogField::upstream_messages,
                                     LogField::duration,
                                     LogField::client_rtt,
                                     LogField::upstream_rtt,
                                     LogField::closed_by,
                                     LogField::fault,
                                     LogField::code,
                                     LogField::sent_client,
                                     LogField::sent_upstream,
                                     LogField::reason};
constexpr std::array refused_fields = {
    LogField::id,     LogField::client, LogField::route,    LogField::peer,   LogField::host,
    LogField::target, LogField::status, LogField::duration, LogField::reason, LogField::detail};

constexpr std::array request_fields = {
    LogField::id,           LogField::client,         LogField::route,    LogField::peer,
    LogField::host,         LogField::method,         LogField::target,   LogField::status,
    LogField::client_bytes, LogField::upstream_bytes, LogField::duration, LogField::reason,
    LogField::detail};

void append_json(std::string& line, LogField field, const Value& value, size_t most_bytes) {
  line.append(",\"").append(sluice::name_of(field)).append("\":");
  if (value.kind == Value::Kind::number) {
    line += value.number;
  } else {
    append_json_text(line, value.text, most_bytes);
  }
}

void append_text(std::string& line, LogField field, const Value& value, size_t most_bytes) {
  const bool is_number = value.kind == Value::Kind::number;
  append_field(line, sluice::name_of(field), is_number ? value.number : value.text, most_bytes);
}

}  // namespace

std::span<const LogField> built_in_fields(SessionEvent event) {
  switch (event) {
    case SessionEvent::open:
      return open_fields;
    case SessionEvent::close:
      return close_fields;
    case SessionEvent::request:
      return request_fields;
    case SessionEvent::refused:
      break;
  }
  return refused_fields;
}

std::string access_line(const LogFormat& format, SessionEvent event, const SessionRecord& session) {
  const bool json = format.form == LogForm::json;
  const size_t most =
      format.most_value_bytes == 0 ? std::string_view::npos : format.most_value_bytes;
  std::string line(name_of(event));
  if (json) line = "\"event\":\"" + line + '"';
  const std::span<const LogField> fields =
      format.built_in() ? built_in_fields(event) : std::span<const LogField>(format.fields);
  for (const LogField field : fields) {
    const Value value = value_of(field, event, session);
    if (value.kind == Value::Kind::none) continue;
    const bool empty = value.kind == Value::Kind::text && value.text.empty();
    if (empty && !(format.built_in() && stands_empty(field))) continue;
    (json ? append_json : append_text)(line, field, value, most);
  }
  if (json) line += '}';
  return line;
}

std::string refused_notice(SessionRecord session, size_t most_value_bytes) {
  session.host.resize(std::min(session.host.size(), most_value_bytes));
  session.target.resize(std::min(session.target.size(), most_value_bytes));
  return access_line({}, SessionEvent::refused, session);
}

std::string turned_away_line(const SessionRecord& session) {
  std::string line = "turned away";
  append_field(line, "id", session.id);
  append_field(line, "client", session.client);
  append_field(line, "reason", session.reason);
  return line;
}

}  // namespace sluice
