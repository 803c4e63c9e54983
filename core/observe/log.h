// Log: where lines go. Lines are buffered for one turn and written by flush(); a full disk, a stuck
// pipe or a failed allocation costs lines, which are counted, never time and never a session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/observe/notices.h"
#include "net/sys_process.h"

namespace sluice {

// One log's sink. The descriptor is the owner's (master or worker); -1 drops everything.
class LogSink {
 public:
  static constexpr size_t most_buffered_bytes = 64 * 1024;

  LogSink() = default;
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  // Sends lines there from then on, buffered ones included. A descriptor that may block is written
  // only when it takes bytes at once.
  void use(sys::LogDescriptor descriptor) { descriptor_ = descriptor; }
  const sys::LogDescriptor& descriptor() const { return descriptor_; }
  bool enabled() const { return descriptor_.fd >= 0; }

  // `line` without its newline.
  void write(std::string_view line);
  void lose_line() { ++dropped_; }
  void flush();
  uint64_t dropped() const { return dropped_; }
  bool drained() const { return buffer_.empty(); }
  // Lines dropped since the last call, for a line that says so.
  uint64_t take_dropped();

 private:
  std::string buffer_;
  uint64_t dropped_ = 0;
  uint64_t reported_ = 0;
  sys::LogDescriptor descriptor_;
};

// The error log and the access log of one process.
class Log {
 public:
  void set_level(LogLevel level) { level_ = level; }
  bool enabled(LogLevel level) const { return level >= level_; }

  // "2026-01-31T12:00:00.000Z warn text". For things that go wrong or change; never per message.
  void error(LogLevel level, std::string_view text) noexcept;
  // The same for events that strangers or the network may bring about at any rate: the first lines
  // of a kind are written at once, later ones once a minute with a count (Notices), by a later
  // flush(). `kind` is ours or the conf's, such as "refused no route"; strangers' words in `text`
  // are escaped and bounded.
  void recurring(LogLevel level, std::string_view kind, std::string_view text) noexcept;
  // An access line; the time is put in front.
  void access(std::string_view text) noexcept;
  bool access_enabled() const { return access_sink.enabled(); }
  void flush() noexcept;
  // The last one: tells also what recurring() has counted and not told.
  void flush_all() noexcept;

  // As error_sink.use(), and failed checks and traces of fatal signals go there, too.
  void use_for_errors(sys::LogDescriptor descriptor);

  LogSink error_sink;
  LogSink access_sink;

 private:
  void tell_losses();
  void tell_due();

  Notices notices_;
  LogLevel level_ = LogLevel::info;
};

// "2026-01-31T12:00:00.000Z", UTC.
std::string timestamp_text(uint64_t wall_clock_ms);

// Appends ` name=value`; a value with blanks, quotes, control bytes or nothing in it is quoted,
// with quotes and backslashes escaped and control and non-ASCII bytes as \xNN, so that a line stays
// one.
void append_field(std::string& line, std::string_view name, std::string_view value);
void append_field(std::string& line, std::string_view name, uint64_t value);

// The descriptor that a log's path names: of "stdout", "stderr", "/dev/stdout", "/dev/stderr",
// "/dev/fd/N" and "/proc/self/fd/N"; else -1. A process that may not open such a path again (a
// worker's user, a socket) may all the same write to the descriptor.
int stream_of(std::string_view path);

// A log file opened for appending, or what stream_of() names; fd -1 for "off".
Result<sys::LogDescriptor> open_log(const LogTarget& target);

}  // namespace sluice
