// What a session reads comes in this order: the head, DATA, where the body is chunked between its
// lines, the trailers, the end.
#include "core/session/http2_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/session/http2_connection.h"

namespace sluice {

class Http2Stream::Filler {
 public:
  explicit Filler(std::span<const iovec> pieces) : pieces_(pieces), left_(bytes_of(pieces)) {}

  bool full() const { return left_ == 0; }
  size_t filled() const { return filled_; }
  size_t put(const void* from, size_t count) {
    size_t put = 0;
    while (put < count && left_ > 0) {
      const iovec& piece = pieces_.front();
      const size_t part = std::min(count - put, piece.iov_len - offset_);
      std::memcpy(static_cast<uint8_t*>(piece.iov_base) + offset_,
                  static_cast<const uint8_t*>(from) + put, part);
      put += part;
      left_ -= part;
      offset_ += part;
      if (offset_ < piece.iov_len) continue;
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
    filled_ += put;
    return put;
  }

 private:
  std::span<const iovec> pieces_;
  size_t offset_ = 0;  // in the first
  size_t left_;
  size_t filled_ = 0;
};

Http2Stream::Http2Stream(Http2Connection& connection, int32_t id, const Http2Request& request,
                         bool ended)
    : connection_(connection),
      text_(request.text(connection.make_key(), !ended)),
      answer_(std::in_place, request.asks_for_websocket(), request.is_head()),
      id_(id),
      chunked_(!ended && !request.asks_for_websocket() && !request.has_length()),
      in_ended_(ended) {
  connection_.join(*this);
}

Http2Stream::~Http2Stream() {
  connection_.leave(*this);
}

Readiness Http2Stream::take_news() {
  listed_ = false;
  return std::exchange(news_, {});
}

void Http2Stream::tell_news() {
  if (!std::exchange(listed_, true)) connection_.note_news(*this);
}

Io Http2Stream::recv(std::span<const iovec> pieces) {
  Filler room(pieces);
  while (!room.full() && fill_some(room)) continue;
  Io io{.bytes = room.filled()};
  if (io.bytes > 0) {
    io.short_count = !room.full() && !in_ended_ && !reset_;
  } else if (reset_) {
    io.state = Io::State::failed;
    io.error = ECONNRESET;
  } else {
    io.state = in_ended_ ? Io::State::ended : Io::State::blocked;
  }
  return io;
}

// One step; false: there is nothing more.
bool Http2Stream::fill_some(Filler& room) {
  if (text_at_ < text_.size()) {
    text_at_ += room.put(text_.data() + text_at_, text_.size() - text_at_);
    if (text_at_ < text_.size()) return true;
    std::string().swap(text_);
    text_at_ = 0;
    return true;
  }
  if (in_.size() > 0) {
    if (chunked_ && chunk_left_ == 0) {
      begin_chunk();
      return true;
    }
    const std::span<const uint8_t> front = in_.front();
    const size_t most = chunked_ ? chunk_left_ : front.size();
    const size_t taken = room.put(front.data(), std::min(front.size(), most));
    in_.drop(taken, connection_.buffers());
    connection_.consumed(*this, taken);
    if (chunked_ && (chunk_left_ -= static_cast<uint32_t>(taken)) == 0) text_ = "\r\n";
    return true;
  }
  if (!chunked_ || !in_ended_ || std::exchange(last_chunk_told_, true)) return false;
  text_ = "0\r\n" + trailers_ + "\r\n";
  return true;
}

void Http2Stream::begin_chunk() {
  chunk_left_ = static_cast<uint32_t>(in_.size());
  char line[16];
  std::snprintf(line, sizeof line, "%x\r\n", chunk_left_);
  text_ = line;
}

Io Http2Stream::send(std::span<const iovec> pieces) {
  Io io;
  if (reset_) {
    io.state = Io::State::failed;
    io.error = EPIPE;
    return io;
  }
  const size_t offered = bytes_of(pieces);
  for (size_t i = 0; i < pieces.size() && answer_; ++i) {
    const auto* const bytes = static_cast<const uint8_t*>(pieces[i].iov_base);
    const size_t taken = send_answer({bytes, pieces[i].iov_len});
    io.bytes += taken;
    if (reset_ || taken < pieces[i].iov_len) break;
  }
  if (!answer_ && io.bytes == 0) io.bytes = connection_.send(*this, pieces, /*last=*/false);
  if (reset_) io.state = Io::State::failed;
  if (io.bytes == 0 && offered > 0 && !reset_) io.state = Io::State::blocked;
  io.short_count = io.bytes < offered;
  return io;
}

// How much of it was taken: less than all where a window is full, or the tunnel begins behind it.
size_t Http2Stream::send_answer(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const std::span<const uint8_t> rest = bytes.subspan(taken);
    const Http2Answer::Step step = answer_->read(rest);
    switch (step.kind) {
      case Http2Answer::Kind::payload: {
        const iovec piece{const_cast<uint8_t*>(rest.data()), step.consumed};
        const bool last = answer_->payload_left() == step.consumed;
        const size_t sent = connection_.send(*this, {&piece, 1}, last);
        answer_->took(sent);
        taken += sent;
        if (sent < step.consumed) return taken;
        continue;
      }
      case Http2Answer::Kind::bad:
        failure_ = "an answer that HTTP/2 cannot tell";
        reset_ = true;
        connection_.reset(*this, Http2Code::internal_error);
        return taken;
      case Http2Answer::Kind::more:
        taken += step.consumed;
        if (step.consumed == 0) return taken;
        continue;
      case Http2Answer::Kind::interim:
      case Http2Answer::Kind::head:
        taken += step.consumed;
        connection_.answer(*this, answer_->fields(), step.kind == Http2Answer::Kind::interim,
                           answer_->whole());
        continue;
      case Http2Answer::Kind::tunnel:
        taken += step.consumed;
        connection_.answer(*this, answer_->fields(), /*interim=*/false, /*end=*/false);
        answer_.reset();
        return taken;
      case Http2Answer::Kind::end:
        taken += step.consumed;
        connection_.end(*this, answer_->fields());
        return bytes.size();  // nothing of it is for the client
    }
  }
  if (answer_->whole()) connection_.end(*this, {});  // of a known length
  return taken;
}

// An answer that breaks off is visibly incomplete (RFC 9113 8.1).
bool Http2Stream::shutdown_write() {
  if (reset_) return true;
  if (answer_ && !answer_->may_end()) {
    reset_ = true;
    connection_.reset(*this, Http2Code::internal_error);
    return true;
  }
  connection_.end(*this, {});
  return true;
}

void Http2Stream::abort() {
  if (std::exchange(reset_, true)) return;
  connection_.reset(*this, Http2Code::cancel);
}

size_t Http2Stream::unsent_bytes() const {
  return reset_ ? 0 : connection_.undelivered_bytes(*this);
}

int Http2Stream::socket() const {
  return connection_.socket();
}

// The window bounds it.
void Http2Stream::on_data(std::span<const uint8_t> bytes) {
  in_.append(bytes, connection_.buffers());
  news_.readable = true;
  tell_news();
}

void Http2Stream::on_trailers(std::string_view lines) {
  if (chunked_) trailers_ = lines;
}

void Http2Stream::on_end() {
  in_ended_ = true;
  news_.readable = news_.ended = true;
  tell_news();
}

void Http2Stream::on_closed(bool reset) {
  if (!reset) return;
  if (*failure_ == '\0') failure_ = "the client reset its HTTP/2 stream";
  reset_ = true;
  news_.readable = news_.writable = news_.hung_up = news_.failed = true;
  tell_news();
}

void Http2Stream::on_writable() {
  news_.writable = true;
  tell_news();
}

void Http2Stream::on_lost(const char* why) {
  if (*failure_ == '\0') failure_ = why;
  on_closed(/*reset=*/true);
}

}  // namespace sluice
