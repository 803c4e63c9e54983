// Writing is LogSink's, how values stand in a line line_text's.
#include "core/observe/log.h"

#include <cerrno>
#include <charconv>
#include <new>
#include <utility>

#include "net/sys.h"
#include "net/sys_trace.h"

namespace sluice {

namespace {

// Of a line to syslog, which receivers may cut (RFC 5424 6.1); and of a message in JSON.
constexpr size_t most_message_bytes = 8 * 1024;

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::notice:
      return "notice";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

// RFC 5424 6.2.1.
unsigned severity_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return 7;
    case LogLevel::info:
      return 6;
    case LogLevel::notice:
      return 5;
    case LogLevel::warn:
      return 4;
    case LogLevel::error:
      return 3;
  }
  return 3;
}

// Its first bytes, with the mark where there are more.
void cut(std::string& text) {
  if (text.size() <= most_message_bytes) return;
  text.resize(most_message_bytes);
  text += cut_mark;
}

void use(LogSink& sink, const LogOutput& output) {
  if (output.syslog) {
    sink.use(output.descriptor, output.syslog->address);
  } else {
    sink.use(output.descriptor);
  }
}

}  // namespace

void Log::name_process(const std::string& name) {
  process_ = name;
  sys::name_traced_process(name);
}

// RFC 5424 6: what is unknown is "-", and there is no structured data.
std::string Log::syslog_head(const LogOutput& output, LogLevel level, const char* kind,
                             const std::string& time) const {
  if (!output.syslog) return "";
  const unsigned priority = output.syslog->facility * 8u + severity_of(level);
  std::string head = "<" + std::to_string(priority) + ">1 " + time + ' ';
  head += output.host_name.empty() ? "-" : output.host_name;
  head += ' ' + output.syslog->tag + ' ' + std::to_string(sys::process_id()) + ' ';
  return head + kind + " - ";
}

void Log::write_error(LogLevel level, std::string_view text) {
  const std::string time = timestamp_text(sys::wall_clock_ms());
  std::string line = syslog_head(error_, level, "error", time);
  const std::string name(level_name(level));
  if (error_.format.form == LogForm::json) {
    line += "{\"time\":\"" + time + "\",\"level\":\"" + name + "\",\"process\":";
    append_json_text(line, process_);
    line += ",\"pid\":" + std::to_string(sys::process_id()) + ",\"message\":";
    append_json_text(line, text, most_message_bytes);
    line += '}';
  } else {
    std::string told = name + ' ';
    append_printable(told, text);
    if (error_.syslog) {
      cut(told);
    } else {
      line += time + ' ';
    }
    line += told;
  }
  error_sink.write(line);
}

void Log::error(LogLevel level, std::string_view text) noexcept {
  if (!enabled(level)) return;
  try {
    write_error(level, text);
  } catch (const std::bad_alloc&) {
    error_sink.lose_line();
  }
}

void Log::recurring(LogLevel level, std::string_view kind, std::string_view text) noexcept {
  if (!enabled(level)) return;
  try {
    if (notices_.admit(level, kind, text, sys::monotonic_ms())) error(level, text);
  } catch (const std::bad_alloc&) {
    error_sink.lose_line();
  }
}

void Log::write_access(std::string_view text) {
  const std::string time = timestamp_text(sys::wall_clock_ms());
  std::string line = syslog_head(access_, LogLevel::info, "access", time);
  if (access_.format.form == LogForm::json) {
    line.append("{\"time\":\"").append(time).append("\",").append(text);
  } else if (access_.syslog) {
    std::string told(text);
    cut(told);
    line += told;
  } else {
    line.append(time).append(" ").append(text);
  }
  access_sink.write(line);
}

void Log::access(std::string_view text) noexcept {
  if (!access_enabled()) return;
  try {
    write_access(text);
  } catch (const std::bad_alloc&) {
    access_sink.lose_line();
  }
}

void Log::use_for_errors(LogOutput output) {
  error_ = std::move(output);
  use(error_sink, error_);
  sys::trace_to(error_.descriptor.fd);
}

void Log::use_for_access(LogOutput output) {
  access_ = std::move(output);
  use(access_sink, access_);
}

void Log::flush() noexcept {
  try {
    if (notices_.pending()) tell_due();
  } catch (const std::bad_alloc&) {
    // They stay counted.
  }
  error_sink.flush();
  access_sink.flush();
  try {
    tell_losses();
  } catch (const std::bad_alloc&) {
    // They are told at the next loss.
  }
}

void Log::flush_all() noexcept {
  try {
    while (const auto line = notices_.take_any(sys::monotonic_ms())) error(line->level, line->text);
  } catch (const std::bad_alloc&) {
    error_sink.lose_line();
  }
  losses_due_ms_ = 0;
  flush();
  error_sink.flush();
}

void Log::tell_due() {
  while (const auto line = notices_.take_due(sys::monotonic_ms())) error(line->level, line->text);
}

// A syslog daemon may be away for long, and the error log is not to fill with that.
void Log::tell_losses() {
  if (!access_sink.has_losses() && !error_sink.has_losses()) return;
  const uint64_t now_ms = sys::monotonic_ms();
  if (now_ms < losses_due_ms_) return;
  losses_due_ms_ = now_ms + Notices::window_ms;
  if (const uint64_t lost = access_sink.take_dropped(); lost > 0) {
    error(LogLevel::warn, "access log: " + std::to_string(lost) + " lines dropped");
    error_sink.flush();
  }
  // Its own losses are told once it takes lines again.
  if (!error_sink.drained()) return;
  if (const uint64_t lost = error_sink.take_dropped(); lost > 0) {
    error(LogLevel::warn, "error log: " + std::to_string(lost) + " lines dropped");
  }
}

int stream_of(std::string_view path) {
  if (path == "stdout" || path == "/dev/stdout") return 1;
  if (path == "stderr" || path == "/dev/stderr") return 2;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    path.remove_prefix(folder.size());
    int number = 0;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
    return error == std::errc() && end == path.data() + path.size() && number > 0 ? number : -1;
  }
  return -1;
}

namespace {

Result<sys::LogDescriptor> open_file(const LogTarget& target) {
  if (const int stream = stream_of(target.path); stream >= 0) {
    const sys::LogDescriptor opened = sys::open_standard_stream(stream);
    // A program started without them logs nothing there; any other number is a mistake.
    if (opened.fd < 0 && stream > 2) return Fault{"open", EBADF};
    return opened;
  }
  const int fd = sys::open_for_append(target.path.c_str());
  if (fd < 0) return sys::open_fault(fd);
  return sys::LogDescriptor{fd, false};
}

}  // namespace

Result<LogOutput> open_log(const LogTarget& target, std::string& warning) {
  LogOutput output{{}, target.format, target.syslog, {}};
  if (target.path == "off") return output;
  if (!target.syslog) {
    const Result<sys::LogDescriptor> opened = open_file(target);
    if (!opened.ok()) return opened.fault();
    output.descriptor = opened.value();
    return output;
  }
  output.host_name = sys::host_name();
  output.descriptor.fd = sys::datagram_socket(target.syslog->address.family());
  if (output.descriptor.fd < 0) return Fault{"socket", -output.descriptor.fd};
  const int connected = sys::connect(output.descriptor.fd, target.syslog->address);
  if (connected < 0) {
    warning = target.path + ": " + Fault{"connect", -connected}.text() +
              "; lines are dropped until somebody listens there";
  }
  return output;
}

}  // namespace sluice
