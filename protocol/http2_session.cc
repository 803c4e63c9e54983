// What nghttp2 calls back only notes and tells; nothing is sent from within.
#include "protocol/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace sluice {

namespace {

// A head that max_answer_header_size let in is to go out.
constexpr size_t most_head_to_send = size_t{4} << 20;
// Each frame of DATA may be answered by an update of its stream's window and of the connection's.
constexpr uint32_t updates_a_frame = 2;
constexpr uint32_t most_awaited_updates = 1'000;
// It opens on receipt, and so bounds nothing but what is on its way; streams' windows bound what is
// held.
constexpr int32_t connection_window_bytes = 16 * 1024 * 1024;
// A stream's before the client has heard of another one (RFC 9113 6.9.2).
constexpr uint32_t first_window_bytes = 65'535;
// Frames of the standard end before these; an unknown kind is only told where it is asked for.
constexpr unsigned first_unknown_kind = 0x0a;
constexpr unsigned last_unknown_kind = 0xff;

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const {
    nghttp2_session_callbacks_del(callbacks);
  }
};

std::vector<nghttp2_nv> pairs_of(const std::vector<Http2Field>& fields) {
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  for (const Http2Field& field : fields) {
    // nghttp2 copies both; its interface lacks the const.
    auto* const name = reinterpret_cast<uint8_t*>(const_cast<char*>(field.name.data()));
    auto* const value = reinterpret_cast<uint8_t*>(const_cast<char*>(field.value.data()));
    pairs.push_back({name, value, field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return pairs;
}

std::string_view view(const uint8_t* text, size_t bytes) {
  return {reinterpret_cast<const char*>(text), bytes};
}

}  // namespace

// nghttp2's callbacks. None of them lets an exception through C.
struct Http2Callbacks {
  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }

  template <class Call>
  static int guarded(Http2Session& self, Call call) {
    try {
      return call();
    } catch (const std::bad_alloc&) {
      self.out_of_memory_ = true;
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int refuse(Http2Session& self, int32_t stream, Http2Code code) {
    return nghttp2_submit_rst_stream(self.session_, NGHTTP2_FLAG_NONE, stream,
                                     static_cast<uint32_t>(code));
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    Http2Session& self = of(user);
    switch (head->type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_CONTINUATION:
        return 0;
      case NGHTTP2_DATA:
        if (head->length == 0 && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          ++self.costs_.idle_frames;
        }
        return 0;
      case NGHTTP2_RST_STREAM:
        ++self.costs_.resets;
        return 0;
      case NGHTTP2_WINDOW_UPDATE:
        if (self.awaited_updates_ > 0) {
          --self.awaited_updates_;
          return 0;
        }
        [[fallthrough]];
      default:
        ++self.costs_.idle_frames;
        return 0;
    }
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    return guarded(self, [&] {
      self.trailers_.clear();
      if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
      self.request_.emplace(self.settings_.max_header_bytes);
      ++self.streams_;
      return 0;
    });
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void* user) {
    Http2Session& self = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    return guarded(self, [&] {
      const std::string_view field = view(name, name_bytes);
      const std::string_view text = view(value, value_bytes);
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        if (self.request_->add(field, text)) return 0;
      } else if (self.trailers_.size() + field.size() + text.size() <=
                 self.settings_.max_header_bytes) {
        self.trailers_.append(field).append(": ").append(text).append("\r\n");
        return 0;
      }
      refuse(self, frame->hd.stream_id, Http2Code::protocol_error);
      return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
    });
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = of(user);
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      return guarded(self, [&] { return take_request(self, frame->hd.stream_id, ended); });
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Http2StreamEvents* const owner = self.owner_of(frame->hd.stream_id);
    if (owner == nullptr) return 0;
    return guarded(self, [&] {
      if (frame->hd.type == NGHTTP2_HEADERS) owner->on_trailers(self.trailers_);
      if (ended) owner->on_end();
      return 0;
    });
  }

  static int take_request(Http2Session& self, int32_t stream, bool ended) {
    if (!self.request_->whole()) return refuse(self, stream, Http2Code::protocol_error);
    Http2StreamEvents* const owner = self.events_.on_request(stream, *self.request_, ended);
    self.request_.reset();
    if (owner == nullptr) {
      return nghttp2_submit_rst_stream(self.session_, NGHTTP2_FLAG_NONE, stream,
                                       NGHTTP2_REFUSED_STREAM);
    }
    return nghttp2_session_set_stream_user_data(self.session_, stream, owner);
  }

  // The connection's window opens at once, the stream's as its owner passes the bytes on.
  static int on_data(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* bytes,
                     size_t count, void* user) {
    Http2Session& self = of(user);
    if (const int failed = nghttp2_session_consume_connection(session, count); failed != 0) {
      return failed;
    }
    Http2StreamEvents* const owner = self.owner_of(stream);
    if (owner == nullptr) return 0;
    // Beyond the stream's window nghttp2 tells what came, too, and resets the stream behind it.
    if (count > std::max(self.settings_.stream_window, first_window_bytes) - owner->unread_)
      return 0;
    owner->unread_ += static_cast<uint32_t>(count);
    return guarded(self, [&] {
      owner->on_data({bytes, count});
      return 0;
    });
  }

  static int on_close(nghttp2_session* session, int32_t stream, uint32_t code, void* user) {
    Http2Session& self = of(user);
    if (self.streams_ > 0) --self.streams_;
    Http2StreamEvents* const owner = self.owner_of(stream);
    if (owner == nullptr) return 0;
    const bool whole = code == NGHTTP2_NO_ERROR &&
                       nghttp2_session_get_stream_remote_close(session, stream) == 1 &&
                       nghttp2_session_get_stream_local_close(session, stream) == 1;
    self.waiting_.leave(*owner);
    nghttp2_session_set_stream_user_data(session, stream, nullptr);
    return guarded(self, [&] {
      owner->on_closed(!whole);
      return 0;
    });
  }

  // nghttp2 resets streams for what came on them, and tells of some of that only by the frame.
  static bool is_clients_fault(uint32_t code) {
    return code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
           code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR;
  }

  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Session& self = of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        *self.fault_ == '\0') {
      self.fault_ = nghttp2_http2_strerror(frame->goaway.error_code);
    }
    if (frame->hd.type == NGHTTP2_DATA) {
      self.awaited_updates_ =
          std::min(self.awaited_updates_ + updates_a_frame, most_awaited_updates);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && is_clients_fault(frame->rst_stream.error_code)) {
      ++self.costs_.resets;
    }
    const int32_t stream = frame->hd.stream_id;
    const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || self.owner_of(stream) != nullptr) return 0;
    if (nghttp2_session_get_stream_remote_close(session, stream) != 0) return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
  }

  static ssize_t on_read(nghttp2_session*, int32_t stream, uint8_t* room, size_t most,
                         uint32_t* flags, nghttp2_data_source*, void* user) {
    Http2Session& self = of(user);
    if (self.source_.stream == stream && self.source_.left > 0) {
      const size_t copied = self.copy_to(room, most);
      if (self.source_.left == 0 && self.source_.last) {
        self.owner_of(stream)->ended_ = true;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
      }
      return static_cast<ssize_t>(copied);
    }
    Http2StreamEvents* const owner = self.owner_of(stream);
    if (owner == nullptr || owner->ended_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      return 0;
    }
    if (self.source_.stream == stream) return NGHTTP2_ERR_DEFERRED;  // it gave all it has
    if (owner->told_ || owner->in_line()) return NGHTTP2_ERR_DEFERRED;
    if (!self.waiting_.empty()) {
      self.wait_in_line(*owner, Http2Session::most_wanted_bytes);
      return NGHTTP2_ERR_DEFERRED;
    }
    return guarded(self, [&] {
      self.tell(*owner);
      return static_cast<int>(NGHTTP2_ERR_DEFERRED);
    });
  }

  // It was counted when it began; nothing of it is looked at.
  static int on_unknown(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) {
    return NGHTTP2_ERR_CANCEL;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown);
    return callbacks;
  }
};

Http2Session::Http2Session(const Http2Settings& settings, Http2Events& events)
    : events_(events), settings_(settings) {
  const std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> callbacks(
      Http2Callbacks::make());
  nghttp2_option* made = nullptr;
  if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_option, OptionDeleter> option(made);
  nghttp2_option_set_no_auto_window_update(option.get(), 1);
  nghttp2_option_set_max_send_header_block_length(option.get(), most_head_to_send);
  for (unsigned kind = first_unknown_kind; kind <= last_unknown_kind; ++kind) {
    nghttp2_option_set_user_recv_extension_type(option.get(), static_cast<uint8_t>(kind));
  }
  // Their owner counts resets, by its own measure.
  nghttp2_option_set_stream_reset_rate_limit(option.get(), UINT32_MAX, UINT32_MAX);
  if (nghttp2_session_server_new2(&session_, callbacks.get(), this, option.get()) != 0) {
    throw std::bad_alloc();
  }
  const std::array<nghttp2_settings_entry, 5> entries = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.max_header_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) != 0 ||
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                            connection_window_bytes) != 0) {
    nghttp2_session_del(session_);
    throw std::bad_alloc();
  }
}

Http2Session::~Http2Session() {
  nghttp2_session_del(session_);
}

Http2StreamEvents* Http2Session::owner_of(int32_t stream) const {
  return static_cast<Http2StreamEvents*>(nghttp2_session_get_stream_user_data(session_, stream));
}

void Http2Session::check(int outcome) {
  if (outcome == NGHTTP2_ERR_NOMEM || out_of_memory_) {
    broken_ = true;
    throw std::bad_alloc();
  }
}

void Http2Session::feed(std::span<const uint8_t> bytes) {
  if (broken_) return;
  const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  if (taken >= 0) return;
  broken_ = true;
  check(static_cast<int>(taken));
  fault_ = taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "no HTTP/2 preface"
                                                 : nghttp2_strerror(static_cast<int>(taken));
  const bool flood = taken == NGHTTP2_ERR_FLOODED;
  check(nghttp2_session_terminate_session(
      session_, flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR));
}

void Http2Session::pull(std::string& out, size_t most) {
  while (out.size() < most) {
    const uint8_t* frame = nullptr;
    const ssize_t bytes = nghttp2_session_mem_send(session_, &frame);
    if (bytes < 0) {
      broken_ = true;
      check(static_cast<int>(bytes));
      return;
    }
    if (bytes == 0) return;
    out.append(view(frame, static_cast<size_t>(bytes)));
  }
}

bool Http2Session::wants_output() const {
  return nghttp2_session_want_write(session_) != 0;
}

bool Http2Session::window_shut(int32_t stream) const {
  return nghttp2_session_get_remote_window_size(session_) <= 0 ||
         nghttp2_session_get_stream_remote_window_size(session_, stream) <= 0;
}

bool Http2Session::over() const {
  return broken_ || nghttp2_session_want_read(session_) == 0;
}

void Http2Session::answer(int32_t stream, const std::vector<Http2Field>& fields, bool interim,
                          bool end) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr) return;
  const std::vector<nghttp2_nv> pairs = pairs_of(fields);
  if (interim) {
    check(nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, pairs.data(),
                                 pairs.size(), nullptr));
    return;
  }
  nghttp2_data_provider provider{};
  provider.read_callback = Http2Callbacks::on_read;
  owner->ended_ = end;
  check(nghttp2_submit_response(session_, stream, pairs.data(), pairs.size(),
                                end ? nullptr : &provider));
}

size_t Http2Session::copy_to(uint8_t* room, size_t most) {
  size_t copied = 0;
  while (copied < most && source_.left > 0) {
    const iovec& piece = source_.pieces.front();
    const size_t part = std::min(most - copied, piece.iov_len - source_.offset);
    std::memcpy(room + copied, static_cast<const uint8_t*>(piece.iov_base) + source_.offset, part);
    copied += part;
    source_.offset += part;
    source_.left -= part;
    if (source_.offset == piece.iov_len) {
      source_.pieces = source_.pieces.subspan(1);
      source_.offset = 0;
    }
  }
  return copied;
}

bool Http2Session::has_room(const std::string& out, size_t most) const {
  return out.size() < most && nghttp2_session_get_remote_window_size(session_) > 0;
}

// To have nghttp2 ask all of them whenever there is room would cost each message as much as there
// are streams.
bool Http2Session::tell_waiting(size_t room) {
  const int32_t window = nghttp2_session_get_remote_window_size(session_);
  if (window <= 0 || room == 0) return false;
  room = std::min(room, static_cast<size_t>(window));
  while (!waiting_.empty() && room > 0) {
    auto& owner = static_cast<Http2StreamEvents&>(waiting_.front());
    room -= std::min<size_t>(room, waiting_.front_wants_bytes());
    waiting_.leave(owner);
    tell(owner);
  }
  return !waiting_.empty();
}

size_t Http2Session::send(int32_t stream, std::span<const iovec> pieces, std::string& out,
                          size_t most, bool last) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr) return 0;
  size_t offered = 0;
  for (const iovec& piece : pieces) offered += piece.iov_len;
  const auto own_window_open = [&] {
    return nghttp2_session_get_stream_remote_window_size(session_, stream) > 0;
  };
  const bool told = std::exchange(owner->told_, false);
  if (!own_window_open()) {
    waiting_.leave(*owner);
  } else if (owner->in_line()) {
    return 0;
  } else if (!has_room(out, most) || (!told && !waiting_.empty())) {
    wait_in_line(*owner, offered);
    return 0;
  }
  // Also where its window is shut: nghttp2 asks for it once that opens.
  const int resumed = nghttp2_session_resume_data(session_, stream);
  if (resumed == NGHTTP2_ERR_NOMEM) check(resumed);
  if (out.size() >= most) return 0;
  source_ = {stream, pieces, 0, offered, last};
  pull(out, most);
  const size_t left = std::exchange(source_, {}).left;
  const bool lives = owner_of(stream) == owner;
  if (lives && left > 0 && own_window_open() && !has_room(out, most)) wait_in_line(*owner, left);
  return offered - left;
}

void Http2Session::end(int32_t stream, const std::vector<Http2Field>& trailers) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr || owner->ended_) return;
  waiting_.leave(*owner);
  owner->ended_ = true;
  if (trailers.empty()) {
    const int resumed = nghttp2_session_resume_data(session_, stream);
    if (resumed == NGHTTP2_ERR_NOMEM) check(resumed);
    return;
  }
  // All payload was taken by send(): nothing is left that trailers could overtake.
  const std::vector<nghttp2_nv> pairs = pairs_of(trailers);
  check(nghttp2_submit_trailer(session_, stream, pairs.data(), pairs.size()));
}

void Http2Session::reset(int32_t stream, Http2Code code) {
  if (owner_of(stream) == nullptr) return;
  check(
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, static_cast<uint32_t>(code)));
}

void Http2Session::disown(int32_t stream) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr) return;
  const bool ended = owner->ended_;
  if (!ended) reset(stream, Http2Code::cancel);
  waiting_.leave(*owner);
  nghttp2_session_set_stream_user_data(session_, stream, nullptr);
  if (!ended || nghttp2_session_get_stream_local_close(session_, stream) != 1) return;
  if (nghttp2_session_get_stream_remote_close(session_, stream) != 0) return;
  check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR));
}

void Http2Session::consumed(int32_t stream, size_t bytes) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr) return;
  owner->unread_ -= static_cast<uint32_t>(std::min<size_t>(bytes, owner->unread_));
  check(nghttp2_session_consume_stream(session_, stream, bytes));
}

void Http2Session::announce_shutdown() {
  check(nghttp2_submit_shutdown_notice(session_));
}

void Http2Session::shut_down() {
  check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                              nullptr, 0));
}

void Http2Session::terminate(Http2Code code, const char* why) {
  if (*fault_ == '\0') fault_ = why;
  check(nghttp2_session_terminate_session(session_, static_cast<uint32_t>(code)));
}

}  // namespace sluice
