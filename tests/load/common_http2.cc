// nghttp2's callbacks only note what came; nobody is called from inside them.
#include "tests/load/common_http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "net/check.h"

namespace sluice::load {

namespace {

// Streams must not wait for each other: what they hold is bounded by their own windows.
constexpr int32_t connection_window_bytes = 64 * 1024 * 1024;

constexpr Readiness readable{.readable = true};
constexpr Readiness writable{.writable = true};
constexpr Readiness both{.readable = true, .writable = true};

std::vector<nghttp2_nv> name_values(const Http2Fields& fields) {
  std::vector<nghttp2_nv> out;
  out.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    const auto bytes = [](const std::string& text) {  // nghttp2 copies them
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    out.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return out;
}

size_t positive(int32_t window) {
  return static_cast<size_t>(std::max(window, 0));
}

void check_memory(int status) {
  if (status == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

}  // namespace

// What nghttp2 calls, from inside feed() and make_frame().
struct Http2Callbacks {
  static Http2Session& session_of(void* user_data) {
    return *static_cast<Http2Session*>(user_data);
  }

  static Http2Stream* stream_of(nghttp2_session* session, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    const int32_t id = frame->hd.stream_id;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      session_of(self).begun_ = std::make_unique<Http2Stream>(session_of(self), id);
      nghttp2_session_set_stream_user_data(session, id, session_of(self).begun_.get());
    }
    Http2Stream* stream = stream_of(session, id);
    if (stream != nullptr && !stream->head_whole_) stream->head_ = std::make_unique<Http2Fields>();
    return 0;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void*) {
    Http2Stream* stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr || stream->head_whole_) return 0;  // trailers say nothing to us
    size_t bytes = name_bytes + value_bytes;
    for (const auto& field : *stream->head_) bytes += field.first.size() + field.second.size();
    if (bytes > Http2Session::most_head_bytes) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->head_->emplace_back(std::string(reinterpret_cast<const char*>(name), name_bytes),
                                std::string(reinterpret_cast<const char*>(value), value_bytes));
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    Http2Session& own = session_of(self);
    Http2Stream* stream = stream_of(session, frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream != nullptr) take_head(own, *stream);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
        own.settled_ = true;
        own.unblock_windows();  // they may have grown
        break;
      case NGHTTP2_WINDOW_UPDATE:
        if (frame->hd.stream_id == 0) own.grant();
        if (stream != nullptr && stream->blocked_ == Http2Stream::Blocked::by_window) {
          own.unblock(*stream);
        }
        break;
      case NGHTTP2_GOAWAY:
        own.refuses_streams_ = true;
        own.reason_ = std::string("GOAWAY ") + nghttp2_http2_strerror(frame->goaway.error_code);
        break;
      default:
        break;
    }
    const bool ends = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (stream != nullptr && ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream->ended_ = true;
      own.note(*stream, readable);
    }
    return 0;
  }

  static void take_head(Http2Session& own, Http2Stream& stream) {
    if (stream.head_whole_) return;
    const bool request = own.begun_.get() == &stream;
    if (!request && value_of(*stream.head_, ":status").starts_with('1')) return;  // another follows
    stream.head_whole_ = true;
    if (request) own.requests_.push_back(std::move(own.begun_));
    own.note(stream, both);
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                     size_t bytes, void* self) {
    session_of(self).received_ += bytes;
    Http2Stream* stream = stream_of(session, id);
    if (stream == nullptr) return 0;
    stream->in_.insert(stream->in_.end(), data, data + bytes);
    session_of(self).note(*stream, readable);
    return 0;
  }

  static int on_invalid(nghttp2_session*, const nghttp2_frame*, int error, void* self) {
    session_of(self).reason_ = std::string("HTTP/2: ") + nghttp2_strerror(error);
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t error, void* self) {
    Http2Session& own = session_of(self);
    Http2Stream* stream = stream_of(session, id);
    if (stream == nullptr) return 0;
    nghttp2_session_set_stream_user_data(session, id, nullptr);
    stream->closed_ = true;
    if (error != NGHTTP2_NO_ERROR || !stream->ended_) {
      stream->fail(nghttp2_http2_strerror(error), true);
    }
    if (own.begun_.get() == stream) {
      own.begun_.reset();
    } else {
      own.note(*stream, both);
    }
    return 0;
  }

  static ssize_t read(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t room,
                      uint32_t* flags, nghttp2_data_source*, void* self) {
    Http2Session::Offer& offer = session_of(self).offer_;
    Http2Stream* stream = stream_of(session, id);
    size_t done = 0;
    if (stream != nullptr && offer.stream == stream) {
      size_t skipped = offer.taken;
      room = std::min(room, offer.most - offer.taken);
      for (const iovec& piece : offer.pieces) {
        const size_t from = std::min(skipped, piece.iov_len);
        const size_t bytes = std::min(piece.iov_len - from, room - done);
        if (bytes > 0) {
          std::memcpy(buffer + done, static_cast<const uint8_t*>(piece.iov_base) + from, bytes);
        }
        done += bytes;
        skipped -= from;
      }
      offer.taken += done;
    }
    if (done > 0) return static_cast<ssize_t>(done);
    if (stream != nullptr && !stream->ending_) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
  }
};

Http2Session::Http2Session(Role role, uint32_t most_streams) {
  nghttp2_session_callbacks* callbacks = nullptr;
  check_memory(nghttp2_session_callbacks_new(&callbacks));
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                          Http2Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Http2Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Http2Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Http2Callbacks::on_data);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
                                                               Http2Callbacks::on_invalid);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Http2Callbacks::on_close);
  nghttp2_option* options = nullptr;
  int status = nghttp2_option_new(&options);
  if (status == 0) {
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    status = role == Role::client
                 ? nghttp2_session_client_new2(&session_, callbacks, this, options)
                 : nghttp2_session_server_new2(&session_, callbacks, this, options);
    nghttp2_option_del(options);
  }
  nghttp2_session_callbacks_del(callbacks);
  check_memory(status);
  SLUICE_CHECK(status == 0);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams},
      role == Role::client ? nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}
                           : nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};
  check_memory(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
  check_memory(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                     connection_window_bytes));
}

Http2Session::~Http2Session() {
  lose();
  begun_.reset();
  requests_.clear();
  nghttp2_session_del(session_);
}

bool Http2Session::feed(std::span<const uint8_t> bytes) {
  received_ = 0;
  const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  mark_output();
  if (received_ > 0) check_memory(nghttp2_session_consume_connection(session_, received_));
  if (taken >= 0) return true;
  check_memory(static_cast<int>(taken));
  reason_ = std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken));
  return false;
}

std::span<const uint8_t> Http2Session::unsent() {
  marked_ = false;
  make_frames();
  grant();
  return {out_.data() + out_begin_, out_size()};
}

void Http2Session::sent(size_t bytes) {
  out_begin_ += bytes;
  if (out_begin_ == out_.size()) {
    out_.clear();
    out_begin_ = 0;
  } else if (out_begin_ >= out_bytes) {
    out_.erase(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(out_begin_));
    out_begin_ = 0;
  }
}

void Http2Session::report_output(std::vector<Handle>& list, Handle handle) {
  outputs_ = &list;
  handle_ = handle;
  mark_output();
}

void Http2Session::mark_output() {
  if (marked_ || outputs_ == nullptr) return;
  outputs_->push_back(handle_);
  marked_ = true;
}

// All but DATA, which only transmit() has.
void Http2Session::make_frames() {
  while (make_frame()) continue;
}

bool Http2Session::make_frame() {
  const uint8_t* data = nullptr;
  const ssize_t bytes = nghttp2_session_mem_send(session_, &data);
  if (bytes < 0) check_memory(static_cast<int>(bytes));
  if (bytes <= 0) return false;
  out_.insert(out_.end(), data, data + bytes);
  return true;
}

// What the connection has for this stream now, whatever the stream's own window.
size_t Http2Session::shared_room(const Http2Stream& stream) const {
  if (!waiting_.empty() && !stream.granted_) return 0;
  const size_t out = out_bytes - std::min(out_size(), out_bytes);
  const size_t room = std::min(out, positive(nghttp2_session_get_remote_window_size(session_)));
  return stream.granted_ ? std::min(room, grant_bytes) : room;
}

size_t Http2Session::own_window(const Http2Stream& stream) const {
  return positive(nghttp2_session_get_stream_remote_window_size(session_, stream.id_));
}

size_t Http2Session::transmit(Http2Stream& stream, std::span<const iovec> pieces) {
  const size_t most = std::min(shared_room(stream), bytes_of(pieces));
  stream.granted_ = false;
  if (most == 0) return 0;
  offer_ = {&stream, pieces, most, 0};
  nghttp2_session_resume_data(session_, stream.id_);  // it may not be waiting
  while (offer_.taken < most && make_frame()) continue;
  mark_output();
  return std::exchange(offer_, Offer{}).taken;
}

// It goes on when its own window opens, or when it is its turn to use what all share.
void Http2Session::block(Http2Stream& stream) {
  using Kind = Http2Stream::Blocked;
  if (stream.blocked_ != Kind::no) return;
  const bool own = own_window(stream) == 0;
  stream.blocked_ = own ? Kind::by_window : Kind::by_others;
  if (!own) waiting_.push_back(&stream);
  mark_output();  // unsent() says whose turn it is
}

void Http2Session::grant() {
  if (waiting_.empty() || out_size() > out_bytes / 2) return;
  if (nghttp2_session_get_remote_window_size(session_) <= 0) return;
  const size_t count = std::min(waiting_.size(), (out_bytes - out_size()) / grant_bytes);
  for (size_t i = 0; i < count; ++i) {
    waiting_[i]->granted_ = true;
    unblock(*waiting_[i]);
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(count));
}

void Http2Session::consume(const Http2Stream& stream, size_t bytes) {
  check_memory(nghttp2_session_consume_stream(session_, stream.id_, bytes));
  mark_output();
}

void Http2Session::answer(const Http2Stream& stream, const Http2Fields& fields) {
  const std::vector<nghttp2_nv> values = name_values(fields);
  const nghttp2_data_provider body{{}, Http2Callbacks::read};
  check_memory(nghttp2_submit_response(session_, stream.id_, values.data(), values.size(), &body));
  mark_output();
}

void Http2Session::end(const Http2Stream& stream) {
  nghttp2_session_resume_data(session_, stream.id_);  // it may not be waiting
  make_frames();
  mark_output();
}

std::unique_ptr<Http2Stream> Http2Session::open(const Http2Fields& fields) {
  const uint32_t id = nghttp2_session_get_next_stream_id(session_);
  if (refuses_streams_ || id > INT32_MAX) {
    refuses_streams_ = true;
    return nullptr;
  }
  auto stream = std::make_unique<Http2Stream>(*this, static_cast<int32_t>(id));
  const std::vector<nghttp2_nv> values = name_values(fields);
  const nghttp2_data_provider body{{}, Http2Callbacks::read};
  const int32_t status =
      nghttp2_submit_request(session_, nullptr, values.data(), values.size(), &body, stream.get());
  if (status < 0) {
    check_memory(status);
    refuses_streams_ = true;
    stream->closed_ = true;
    return nullptr;
  }
  SLUICE_CHECK(status == stream->id_);
  stream->has_body_ = true;
  make_frames();  // before that, nghttp2 knows no such stream
  mark_output();
  return stream;
}

bool Http2Session::extended_connect() const {
  return settled_ && nghttp2_session_get_remote_settings(
                         session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

uint32_t Http2Session::most_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void Http2Session::end() {
  check_memory(nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR));
  mark_output();
}

bool Http2Session::over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void Http2Session::lose() {
  for (Http2Stream* stream : streams_) {
    stream->session_ = nullptr;
    stream->closed_ = true;
    stream->fail("the HTTP/2 connection ended", false);
    if (stream != begun_.get()) note(*stream, both);
  }
  streams_.clear();
  waiting_.clear();
  refuses_streams_ = true;
}

void Http2Session::note(Http2Stream& stream, Readiness news) {
  stream.news_.readable = stream.news_.readable || news.readable;
  stream.news_.writable = stream.news_.writable || news.writable;
  if (!stream.in_news_) news_.push_back(&stream);
  stream.in_news_ = true;
}

void Http2Session::unblock(Http2Stream& stream) {
  stream.blocked_ = Http2Stream::Blocked::no;
  note(stream, writable);
}

void Http2Session::unblock_windows() {
  for (Http2Stream* stream : streams_) {
    if (stream->blocked_ == Http2Stream::Blocked::by_window) unblock(*stream);
  }
}

void Http2Session::attach(Http2Stream& stream) {
  stream.place_ = streams_.size();
  streams_.push_back(&stream);
}

void Http2Session::detach(Http2Stream& stream) {
  if (stream.in_news_) std::erase(news_, &stream);
  if (stream.blocked_ == Http2Stream::Blocked::by_others) std::erase(waiting_, &stream);
  streams_[stream.place_] = streams_.back();
  streams_[stream.place_]->place_ = stream.place_;
  streams_.pop_back();
  if (stream.closed_) return;
  nghttp2_session_set_stream_user_data(session_, stream.id_, nullptr);
  if (stream.ended_ && stream.has_body_) {
    nghttp2_session_resume_data(session_, stream.id_);  // read() sends END_STREAM
  } else {
    const uint32_t code = stream.ending_ ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, code);
  }
  mark_output();
}

}  // namespace sluice::load
