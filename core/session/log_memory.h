// LogMemory: what a session keeps of its handshake for its close line, where the access log's
// format names it, and which Closes went by.
#pragma once

#include <cstdint>
#include <memory>

#include "core/log_format.h"
#include "core/observe/access_log.h"

namespace sluice {

class LogMemory {
 public:
  // Fields of a close line that nothing else of the session tells.
  static constexpr LogFields fields = {LogField::host,
                                       LogField::target,
                                       LogField::origin,
                                       LogField::user_agent,
                                       LogField::forwarded_for,
                                       LogField::request_id,
                                       LogField::protocol,
                                       LogField::connection,
                                       LogField::tls_version,
                                       LogField::tls_cipher,
                                       LogField::tls_name,
                                       LogField::tls_client_subject,
                                       LogField::peers_tried,
                                       LogField::tries,
                                       LogField::handshake_time,
                                       LogField::connect_time,
                                       LogField::client_sent_close,
                                       LogField::client_got_close,
                                       LogField::upstream_sent_close,
                                       LogField::upstream_got_close};

  // Keeps of `opened` what the format wants, of each value no more than its line has room for.
  LogMemory(const SessionRecord& opened, const LogFormat& format);

  // Into a record whose other fields stand.
  void recall(SessionRecord& record) const;

  // Codes of Closes of the peers', by the sides that sent them, and by those to which they were
  // passed on; 0: there was none, or it did not go out whole.
  uint16_t sent[2] = {};
  uint16_t passed[2] = {};

 private:
  std::unique_ptr<char[]> texts_;  // each with its length in two bytes before it
  uint32_t tries_;
  uint32_t handshake_ms_;
  uint32_t connect_ms_;
};

}  // namespace sluice
