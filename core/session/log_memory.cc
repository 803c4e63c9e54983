// The texts lie in one block: many sessions have one.
#include "core/session/log_memory.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/session/leg.h"

namespace sluice {

namespace {

constexpr struct {
  LogField field;
  std::string SessionRecord::*text;
} texts[] = {{LogField::host, &SessionRecord::host},
             {LogField::target, &SessionRecord::target},
             {LogField::origin, &SessionRecord::origin},
             {LogField::user_agent, &SessionRecord::user_agent},
             {LogField::forwarded_for, &SessionRecord::forwarded_for},
             {LogField::request_id, &SessionRecord::request_id},
             {LogField::protocol, &SessionRecord::protocol},
             {LogField::connection, &SessionRecord::connection},
             {LogField::tls_version, &SessionRecord::tls_version},
             {LogField::tls_cipher, &SessionRecord::tls_cipher},
             {LogField::tls_name, &SessionRecord::tls_name},
             {LogField::tls_client_subject, &SessionRecord::tls_client_subject},
             {LogField::peers_tried, &SessionRecord::peers_tried}};

constexpr size_t length_bytes = sizeof(uint16_t);
static_assert(most_log_value_bytes < UINT16_MAX);

}  // namespace

// A byte more than a line has room for, where there is one, so that the line marks the cut.
LogMemory::LogMemory(const SessionRecord& opened, const LogFormat& format)
    : tries_(opened.tries), handshake_ms_(opened.handshake_ms), connect_ms_(opened.connect_ms) {
  const LogFields wanted = format.wanted();
  const auto kept = [&](const auto& each) {
    if (!wanted.has(each.field)) return std::string_view();
    return std::string_view(opened.*each.text).substr(0, format.most_value_bytes + size_t{1});
  };
  size_t bytes = 0;
  for (const auto& each : texts) bytes += length_bytes + kept(each).size();
  texts_ = std::make_unique<char[]>(bytes);
  char* at = texts_.get();
  for (const auto& each : texts) {
    const std::string_view text = kept(each);
    const auto length = static_cast<uint16_t>(text.size());
    std::memcpy(at, &length, length_bytes);
    at = std::copy(text.begin(), text.end(), at + length_bytes);
  }
}

void LogMemory::recall(SessionRecord& record) const {
  const char* at = texts_.get();
  for (const auto& each : texts) {
    uint16_t length = 0;
    std::memcpy(&length, at, length_bytes);
    at += length_bytes;
    (record.*each.text).assign(at, length);
    at += length;
  }
  record.tries = tries_;
  record.handshake_ms = handshake_ms_;
  record.connect_ms = connect_ms_;
  const auto got = [&](Side side, uint16_t own) { return own != 0 ? own : passed[index_of(side)]; };
  record.client_closes = {sent[index_of(Side::client)], got(Side::client, record.sent_client)};
  record.upstream_closes = {sent[index_of(Side::upstream)],
                            got(Side::upstream, record.sent_upstream)};
}

}  // namespace sluice
