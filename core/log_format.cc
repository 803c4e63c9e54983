// The names of fields.
#include "core/log_format.h"

#include <algorithm>
#include <array>

namespace sluice {

namespace {

constexpr std::array<std::string_view, 43> names = {
    "id",
    "client",
    "listener",
    "route",
    "upstream",
    "peer",
    "peers_tried",
    "tries",
    "host",
    "method",
    "target",
    "origin",
    "user_agent",
    "forwarded_for",
    "request_id",
    "subprotocol",
    "status",
    "protocol",
    "connection",
    "tls_version",
    "tls_cipher",
    "tls_name",
    "tls_client_subject",
    "handshake_time",
    "connect_time",
    "duration",
    "client_bytes",
    "client_messages",
    "upstream_bytes",
    "upstream_messages",
    "client_rtt",
    "upstream_rtt",
    "closed_by",
    "fault",
    "code",
    "sent_client",
    "sent_upstream",
    "client_sent_close",
    "client_got_close",
    "upstream_sent_close",
    "upstream_got_close",
    "reason",
    "detail",
};
static_assert(names.size() == static_cast<size_t>(LogField::detail) + 1 && names.size() <= 64);

constexpr std::array<std::string_view, 24> facilities = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};

}  // namespace

std::span<const std::string_view> log_field_names() {
  return names;
}

std::string_view name_of(LogField field) {
  return names[static_cast<size_t>(field)];
}

std::optional<LogField> log_field_named(std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<LogField>(found - names.begin());
}

std::span<const std::string_view> syslog_facility_names() {
  return facilities;
}

}  // namespace sluice
