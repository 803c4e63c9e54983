// Writing never waits: files cannot block, pipes are opened again in non-blocking mode where the
// system permits it, else they are asked first; a datagram is taken at once or not at all.
#include "core/observe/log_sink.h"

#include <algorithm>
#include <cerrno>

#include "net/sys.h"

namespace sluice {

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
  if (daemon_) {
    send_lines();
    buffer_.clear();
  } else {
    const size_t done = write_out();
    if (done < buffer_.size()) {
      const bool line_begun = done > 0 && buffer_[done - 1] != '\n';
      const size_t keep_end = line_begun ? buffer_.find('\n', done) + 1 : done;
      for (size_t i = keep_end; i < buffer_.size(); ++i) dropped_ += buffer_[i] == '\n';
      buffer_.resize(keep_end);
    }
    buffer_.erase(0, done);
  }
  if (buffer_.empty() && buffer_.capacity() > 4096) std::string().swap(buffer_);
}

// Returns how many bytes were taken.
size_t LogSink::write_out() {
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
  return done;
}

// Once a line found no room or no receiver, those behind it are dropped unasked.
void LogSink::send_lines() {
  bool takes = true;
  for (size_t begin = 0; begin < buffer_.size();) {
    const size_t end = buffer_.find('\n', begin);
    const std::string_view line(buffer_.data() + begin, end - begin);
    if (!takes) {
      ++dropped_;
    } else {
      takes = send_line(line);
    }
    begin = end + 1;
  }
}

// Returns whether it makes sense to send another one. A daemon that was started anew has another
// socket at the same path: that of before refuses. Over UDP the refusal of an earlier datagram is
// told, and this one may be taken all the same.
bool LogSink::send_line(std::string_view line) {
  ssize_t sent = sys::send(descriptor_.fd, line.data(), line.size());
  if (sent == -ECONNREFUSED && !daemon_->is_unix()) {
    ++dropped_;
    sent = sys::send(descriptor_.fd, line.data(), line.size());
  } else if (sent == -ECONNREFUSED || sent == -ENOTCONN || sent == -EDESTADDRREQ) {
    if (sys::connect(descriptor_.fd, *daemon_) == 0) {
      sent = sys::send(descriptor_.fd, line.data(), line.size());
    }
  }
  if (sent >= 0) return true;
  ++dropped_;
  return sent == -EMSGSIZE;
}

uint64_t LogSink::take_dropped() {
  const uint64_t fresh = dropped_ - reported_;
  reported_ = dropped_;
  return fresh;
}

}  // namespace sluice
