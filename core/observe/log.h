// Log: the error log and the access log of one process, line by line. Lines are buffered for one
// turn and written by flush(); what cannot be written costs lines, which are counted, never time
// and never a session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/observe/line_text.h"
#include "core/observe/log_sink.h"
#include "core/observe/notices.h"
#include "net/result.h"
#include "net/sys_process.h"

namespace sluice {

class Log {
 public:
  void set_level(LogLevel level) { level_ = level; }
  bool enabled(LogLevel level) const { return level >= level_; }
  // Who writes, for the form of JSON: "master", "worker 0". Also in traces of fatal signals.
  void name_process(const std::string& name);

  // "2026-01-31T12:00:00.000Z warn text". For things that go wrong or change; never per message.
  void error(LogLevel level, std::string_view text) noexcept;
  // The same for events that strangers or the network may bring about at any rate: the first lines
  // of a kind are written at once, later ones once a minute with a count (Notices), by a later
  // flush(). `kind` is ours or the conf's, such as "refused no route"; strangers' words in `text`
  // are escaped and bounded.
  void recurring(LogLevel level, std::string_view kind, std::string_view text) noexcept;
  // An access line, made for access_format(); the time is put in front.
  void access(std::string_view text) noexcept;
  bool access_enabled() const { return access_sink.enabled(); }
  const LogFormat& access_format() const { return access_.format; }
  // Tells of lines that were lost, at once and then once a minute with their count.
  void flush() noexcept;
  // The last one: tells also what recurring() has counted, and losses, that were not told.
  void flush_all() noexcept;

  // Lines go there from then on. Failed checks and traces of fatal signals go to the error log,
  // too, in words and without a head.
  void use_for_errors(LogOutput output);
  void use_for_access(LogOutput output);

  LogSink error_sink;
  LogSink access_sink;

 private:
  void write_error(LogLevel level, std::string_view text);
  void write_access(std::string_view text);
  std::string syslog_head(const LogOutput& output, LogLevel level, const char* kind,
                          const std::string& time) const;
  void tell_losses();
  void tell_due();

  Notices notices_;
  LogOutput error_;
  LogOutput access_;
  std::string process_ = "master";
  uint64_t losses_due_ms_ = 0;  // losses are told again from then on
  LogLevel level_ = LogLevel::info;
};

// The descriptor that a log's path names: of "stdout", "stderr", "/dev/stdout", "/dev/stderr",
// "/dev/fd/N" and "/proc/self/fd/N"; else -1. A process that may not open such a path again (a
// worker's user, a socket) may all the same write to the descriptor.
int stream_of(std::string_view path);

// A log file opened for appending, what stream_of() names, or a socket for syslog; fd -1 for "off".
// A syslog daemon that is not there is no fault: `warning` says so then, and it is looked for with
// each later flush.
Result<LogOutput> open_log(const LogTarget& target, std::string& warning);

}  // namespace sluice
