// LogFormat: what an access line tells of a session, and how lines of either log look. What the
// fields stand for is SessionRecord's (observe/access_log.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace sluice {

// In the order in which help and errors name them. Master and workers, which are one binary, tell
// each other the numbers.
enum class LogField : uint8_t {
  id,
  client,
  listener,
  route,
  upstream,
  peer,
  peers_tried,
  tries,
  host,
  method,
  target,
  origin,
  user_agent,
  forwarded_for,
  request_id,
  subprotocol,
  status,
  protocol,
  connection,
  tls_version,
  tls_cipher,
  tls_name,
  tls_client_subject,
  handshake_time,
  connect_time,
  duration,
  client_bytes,
  client_messages,
  upstream_bytes,
  upstream_messages,
  client_rtt,
  upstream_rtt,
  closed_by,
  fault,
  code,
  sent_client,
  sent_upstream,
  client_sent_close,
  client_got_close,
  upstream_sent_close,
  upstream_got_close,
  reason,
  detail,
};

// All names, by the fields' numbers.
std::span<const std::string_view> log_field_names();
std::string_view name_of(LogField field);
std::optional<LogField> log_field_named(std::string_view name);

// A set of fields.
class LogFields {
 public:
  constexpr LogFields() = default;
  constexpr LogFields(std::initializer_list<LogField> fields) {
    for (const LogField each : fields) add(each);
  }
  constexpr void add(LogField field) { bits_ |= bit(field); }
  constexpr bool has(LogField field) const { return (bits_ & bit(field)) != 0; }
  constexpr bool none() const { return bits_ == 0; }
  constexpr LogFields both(LogFields other) const { return LogFields(bits_ & other.bits_); }

 private:
  constexpr explicit LogFields(uint64_t bits) : bits_(bits) {}
  static constexpr uint64_t bit(LogField field) {
    return uint64_t{1} << static_cast<unsigned>(field);
  }
  uint64_t bits_ = 0;
};

enum class LogForm : uint8_t { text, json };

// Values are cut where the line would get more than so many bytes of one, with "..." behind.
inline constexpr uint32_t default_log_value_bytes = 1024;
inline constexpr uint32_t least_log_value_bytes = 64;
// A line of all fields stays a datagram that any system sends.
inline constexpr uint32_t most_log_value_bytes = 4096;

struct LogFormat {
  LogForm form = LogForm::text;
  std::vector<LogField> fields = {};  // none: each event has its own (built_in_fields())
  uint32_t most_value_bytes = 0;      // 0: values are whole

  bool built_in() const { return fields.empty(); }
  // Of those that the format names; a built-in one needs nothing but what a record always has.
  LogFields wanted() const {
    LogFields all;
    for (const LogField each : fields) all.add(each);
    return all;
  }
  bool operator==(const LogFormat&) const = default;
};

// A syslog daemon (RFC 5424), which is sent a datagram a line.
struct SyslogTarget {
  static constexpr size_t most_tag_bytes = 48;  // RFC 5424 6, APP-NAME

  Address address;        // UDP, or a unix datagram socket
  uint8_t facility = 23;  // local7, as nginx has it
  std::string tag = "sluice";

  bool operator==(const SyslogTarget&) const = default;
};

// By their numbers: RFC 5424 6.2.1, with the names that syslog.conf(5) has.
std::span<const std::string_view> syslog_facility_names();

}  // namespace sluice
