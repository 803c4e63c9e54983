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

Http2Stream::Http2Stream(Http2Link& link, int32_t id, Http2Message message)
    : link_(link), id_(id), message_(std::move(message)) {
  link_.join(*this);
}

Http2Stream::~Http2Stream() {
  link_.leave(*this);
}

void Http2Stream::put_text(std::string text, bool chunked) {
  text_.erase(0, std::exchange(text_at_, 0));
  text_.append(text);
  chunked_ = chunked;
}

Readiness Http2Stream::take_news() {
  listed_ = false;
  return std::exchange(news_, {});
}

void Http2Stream::tell_news() {
  if (!std::exchange(listed_, true)) link_.note_news(*this);
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
    in_.drop(taken, link_.buffers());
    link_.consumed(*this, taken);
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
  if (reset_ || out_over_) {
    io.state = Io::State::failed;
    io.error = EPIPE;
    return io;
  }
  const size_t offered = bytes_of(pieces);
  for (size_t i = 0; i < pieces.size() && message_; ++i) {
    const auto* const bytes = static_cast<const uint8_t*>(pieces[i].iov_base);
    const size_t taken = send_message({bytes, pieces[i].iov_len});
    io.bytes += taken;
    if (reset_ || taken < pieces[i].iov_len) break;
  }
  if (!message_ && io.bytes == 0) io.bytes = link_.send(*this, pieces, /*last=*/false);
  if (reset_) io.state = Io::State::failed;
  if (io.bytes == 0 && offered > 0 && !reset_) io.state = Io::State::blocked;
  io.short_count = io.bytes < offered;
  return io;
}

// How much of it was taken: less than all where a window is full, or the tunnel begins behind it.
size_t Http2Stream::send_message(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const std::span<const uint8_t> rest = bytes.subspan(taken);
    const Http2Message::Step step = message_->read(rest);
    switch (step.kind) {
      case Http2Message::Kind::payload: {
        const iovec piece{const_cast<uint8_t*>(rest.data()), step.consumed};
        const bool last = message_->payload_left() == step.consumed;
        const size_t sent = link_.send(*this, {&piece, 1}, last);
        message_->took(sent);
        taken += sent;
        if (sent < step.consumed) return taken;
        continue;
      }
      case Http2Message::Kind::bad:
        failure_ = "a message that HTTP/2 cannot tell";
        reset_ = true;
        link_.reset(*this, Http2Code::internal_error);
        return taken;
      case Http2Message::Kind::more:
        taken += step.consumed;
        if (step.consumed == 0) return taken;
        continue;
      case Http2Message::Kind::interim:
      case Http2Message::Kind::head:
        taken += step.consumed;
        tell_head(*message_, step.kind == Http2Message::Kind::interim, message_->whole());
        if (reset_) return taken;
        continue;
      case Http2Message::Kind::tunnel:
        taken += step.consumed;
        tell_head(*message_, /*interim=*/false, /*end=*/false);
        message_.reset();
        return taken;
      case Http2Message::Kind::end:
        taken += step.consumed;
        link_.end(*this, message_->fields());
        return bytes.size();  // nothing of it is for the other side
    }
  }
  if (message_->whole()) link_.end(*this, {});  // of a known length
  return taken;
}

// An answer that breaks off is visibly incomplete (RFC 9113 8.1); a request is not wanted any more.
bool Http2Stream::shutdown_write() {
  if (reset_) return true;
  if (message_ && !message_->may_end()) {
    reset_ = true;
    link_.reset(*this, message_->is_request() ? Http2Code::cancel : Http2Code::internal_error);
    return true;
  }
  link_.end(*this, {});
  return true;
}

void Http2Stream::abort() {
  if (std::exchange(reset_, true)) return;
  link_.reset(*this, Http2Code::cancel);
}

size_t Http2Stream::unsent_bytes() const {
  return reset_ ? 0 : link_.undelivered_bytes(*this);
}

int Http2Stream::socket() const {
  return link_.socket();
}

// The window bounds it.
void Http2Stream::on_data(std::span<const uint8_t> bytes) {
  in_.append(bytes, link_.buffers());
  on_news();
}

void Http2Stream::on_news() {
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

void Http2Stream::on_closed(Http2End end) {
  if (end == Http2End::whole) {
    out_over_ = true;  // a server that has answered need not hear the rest (RFC 9113 8.1)
    return on_writable();
  }
  if (*failure_ == '\0') failure_ = text_of(end);
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
  on_closed(Http2End::reset);
}

Http2ClientStream::Http2ClientStream(Http2Connection& connection, int32_t id,
                                     const Http2Request& request, bool ended)
    : Http2Stream(connection, id,
                  Http2Message::answer(request.asks_for_websocket(), request.is_head())),
      connection_(connection) {
  put_text(request.text(connection.make_key(), !ended),
           !ended && !request.asks_for_websocket() && !request.has_length());
  if (ended) end_input();
}

const char* Http2ClientStream::text_of(Http2End end) const {
  return end == Http2End::broken ? "the client broke HTTP/2 on its stream"
                                 : "the client reset its HTTP/2 stream";
}

void Http2ClientStream::tell_head(const Http2Message& message, bool interim, bool end) {
  connection_.answer(*this, message.fields(), interim, end);
}

}  // namespace sluice
