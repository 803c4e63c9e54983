// LogSink: where one log's lines go. They are buffered for one turn and written by flush(); a full
// disk, a stuck pipe or a syslog daemon that is not there costs lines, which are counted, never
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "net/address.h"
#include "net/sys_process.h"

namespace sluice {

// A log that is open: where its lines go and how they look. The descriptor is the owner's (master
// or worker); -1 drops everything.
struct LogOutput {
  sys::LogDescriptor descriptor = {};
  LogFormat format = {};
  // Set: the descriptor is a datagram socket, connected there once the daemon is.
  std::optional<SyslogTarget> syslog = {};
  std::string host_name = {};  // of this machine, for lines to syslog

  bool on() const { return descriptor.fd >= 0; }
};

class LogSink {
 public:
  static constexpr size_t most_buffered_bytes = 64 * 1024;

  LogSink() = default;
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  // Sends lines there from then on, buffered ones included. A descriptor that may block is written
  // only when it takes bytes at once.
  void use(sys::LogDescriptor descriptor) {
    descriptor_ = descriptor;
    daemon_.reset();
  }
  // The same to a non-blocking datagram socket, a datagram a line. Where nobody listens (any more)
  // it is connected to that address anew, once for each flush.
  void use(sys::LogDescriptor socket, const Address& daemon) {
    descriptor_ = socket;
    daemon_ = daemon;
  }
  const sys::LogDescriptor& descriptor() const { return descriptor_; }
  bool enabled() const { return descriptor_.fd >= 0; }

  // `line` without its newline.
  void write(std::string_view line);
  void lose_line() { ++dropped_; }
  void flush();
  uint64_t dropped() const { return dropped_; }
  bool drained() const { return buffer_.empty(); }
  bool has_losses() const { return dropped_ != reported_; }
  // Lines dropped since the last call, for a line that says so.
  uint64_t take_dropped();

 private:
  size_t write_out();
  void send_lines();
  bool send_line(std::string_view line);

  std::string buffer_;
  uint64_t dropped_ = 0;
  uint64_t reported_ = 0;
  sys::LogDescriptor descriptor_;
  std::optional<Address> daemon_;  // nothing: the descriptor is no socket for datagrams
};

}  // namespace sluice
