// Writing never waits: files cannot block, pipes are opened again in non-blocking mode where the
// system permits it, else they are asked first.
#include "core/observe/log.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <new>

#include "net/sys.h"
#include "net/sys_trace.h"

namespace sluice {

namespace {

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

bool plain_in_field(char byte) {
  return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '=';
}

enum class Quotes { kept, escaped };

void append_escaped(std::string& line, std::string_view value, Quotes quotes) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const char byte : value) {
    const auto number = static_cast<unsigned char>(byte);
    if (quotes == Quotes::escaped && (byte == '"' || byte == '\\')) {
      line += '\\';
      line += byte;
    } else if (number < 0x20 || number >= 0x7f) {
      line += "\\x";
      line += digits[number >> 4];
      line += digits[number & 15];
    } else {
      line += byte;
    }
  }
}

}  // namespace

void LogSink::write(std::string_view line) {
  if (!enabled()) return;
  if (buffer_.size() + line.size() + 1 > most_buffered_bytes) flush();
  if (buffer_.size() + line.size() + 1 > most_buffered_bytes) {
    ++dropped_;
    return;
  }
  buffer_ += line;
  buffer_ += '\n';
}

// A sink that takes only a part of a batch keeps the rest of the line that was begun; whole lines
// that do not fit are dropped rather than kept for later, so that a stuck pipe holds no memory.
void LogSink::flush() {
  if (buffer_.empty() || !enabled()) return;
  size_t done = 0;
  while (done < buffer_.size()) {
    size_t piece = buffer_.size() - done;
    if (descriptor_.may_block) {
      if (!sys::writable_now(descriptor_.fd)) break;
      piece = std::min<size_t>(piece, sys::pipe_atomic_bytes);
    }
    const ssize_t written = sys::write(descriptor_.fd, buffer_.data() + done, piece);
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  if (done < buffer_.size()) {
    const bool line_begun = done > 0 && buffer_[done - 1] != '\n';
    const size_t keep_end = line_begun ? buffer_.find('\n', done) + 1 : done;
    for (size_t i = keep_end; i < buffer_.size(); ++i) dropped_ += buffer_[i] == '\n';
    buffer_.resize(keep_end);
  }
  buffer_.erase(0, done);
  if (buffer_.empty() && buffer_.capacity() > 4096) std::string().swap(buffer_);
}

uint64_t LogSink::take_dropped() {
  const uint64_t fresh = dropped_ - reported_;
  reported_ = dropped_;
  return fresh;
}

void Log::error(LogLevel level, std::string_view text) noexcept {
  if (!enabled(level)) return;
  try {
    std::string line = timestamp_text(sys::wall_clock_ms());
    line += ' ';
    line += level_name(level);
    line += ' ';
    append_escaped(line, text, Quotes::kept);
    error_sink.write(line);
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

void Log::access(std::string_view text) noexcept {
  if (!access_enabled()) return;
  try {
    std::string line = timestamp_text(sys::wall_clock_ms());
    line += ' ';
    line += text;
    access_sink.write(line);
  } catch (const std::bad_alloc&) {
    access_sink.lose_line();
  }
}

void Log::use_for_errors(sys::LogDescriptor descriptor) {
  error_sink.use(descriptor);
  sys::trace_to(descriptor.fd);
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
  flush();
}

void Log::tell_due() {
  while (const auto line = notices_.take_due(sys::monotonic_ms())) error(line->level, line->text);
}

void Log::tell_losses() {
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

std::string timestamp_text(uint64_t wall_clock_ms) {
  const auto seconds = static_cast<std::time_t>(wall_clock_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  const auto fraction = static_cast<unsigned>(wall_clock_ms % 1000);
  std::snprintf(text + length, sizeof text - length, ".%03uZ", fraction);
  return text;
}

void append_field(std::string& line, std::string_view name, std::string_view value) {
  line += ' ';
  line += name;
  line += '=';
  bool plain = !value.empty();
  for (const char byte : value) plain = plain && plain_in_field(byte);
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  append_escaped(line, value, Quotes::escaped);
  line += '"';
}

void append_field(std::string& line, std::string_view name, uint64_t value) {
  append_field(line, name, std::to_string(value));
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

Result<sys::LogDescriptor> open_log(const LogTarget& target) {
  if (target.path == "off") return sys::LogDescriptor{};
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

}  // namespace sluice
