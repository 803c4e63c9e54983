// Http2Stream: bytes that came are kept here, bytes to be sent are the session's at once.
#include <algorithm>
#include <cstring>

#include "tests/load/common_http2.h"

namespace sluice::load {

std::string_view value_of(const Http2Fields& fields, std::string_view name) {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return "";
}

void add_views(const Http2Fields& fields, Head& head) {
  for (const auto& [name, value] : fields) head.add(name, value);
}

Http2Stream::Http2Stream(Http2Session& session, int32_t id) : session_(&session), id_(id) {
  session.attach(*this);
}

Http2Stream::~Http2Stream() {
  if (session_ != nullptr) session_->detach(*this);
}

Io Http2Stream::recv(std::span<const iovec> pieces) {
  Io io;
  for (const iovec& piece : pieces) {
    const size_t bytes = std::min(piece.iov_len, in_.size() - in_begin_);
    if (bytes > 0) std::memcpy(piece.iov_base, in_.data() + in_begin_, bytes);
    in_begin_ += bytes;
    io.bytes += bytes;
  }
  const bool empty = in_begin_ == in_.size();
  if (empty) {
    std::vector<uint8_t>().swap(in_);  // idle streams hold none
    in_begin_ = 0;
  }
  if (io.bytes > 0) {
    io.short_count = empty && !ended_ && failure_ == nullptr;
    if (!usable()) return io;
    session_->consume(*this, io.bytes);
  } else if (ended_) {
    io.state = Io::State::ended;
  } else {
    io.state = failure_ == nullptr ? Io::State::blocked : Io::State::failed;
  }
  return io;
}

Io Http2Stream::send(std::span<const iovec> pieces) {
  Io io;
  if (!usable() || ending_) {
    io.state = Io::State::failed;
    return io;
  }
  io.bytes = session_->transmit(*this, pieces);
  if (io.bytes == bytes_of(pieces)) return io;
  session_->block(*this);
  if (io.bytes == 0) {
    io.state = Io::State::blocked;
  } else {
    io.short_count = true;
  }
  return io;
}

bool Http2Stream::shutdown_write() {
  if (!usable() || ending_) return true;
  ending_ = true;
  session_->end(*this);
  return true;
}

size_t Http2Stream::room() const {
  if (!usable()) return 0;
  return std::min(session_->own_window(*this), session_->shared_room(*this));
}

void Http2Stream::answer(const Http2Fields& fields) {
  if (!usable()) return;
  has_body_ = true;
  session_->answer(*this, fields);
}

void Http2Stream::fail(const char* failure, bool was_reset) {
  if (failure_ != nullptr) return;
  failure_ = failure;
  was_reset_ = was_reset;
}

}  // namespace sluice::load
