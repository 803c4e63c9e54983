// Http2Callbacks: what nghttp2 calls back, for http2_session.cc alone. It only notes and tells;
// nothing is sent from within.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <string_view>

#include "protocol/http2_session.h"

namespace sluice {

// None of them lets an exception through C.
struct Http2Callbacks {
  // Each frame of DATA may be answered by an update of its stream's window and of the connection's.
  static constexpr uint32_t updates_a_frame = 2;
  static constexpr uint32_t most_awaited_updates = 1'000;
  // A stream's before the peer has heard of another one (RFC 9113 6.9.2).
  static constexpr uint32_t first_window_bytes = 65'535;

  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }

  static std::string_view text_of(const uint8_t* text, size_t bytes) {
    return {reinterpret_cast<const char*>(text), bytes};
  }

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
      case NGHTTP2_PUSH_PROMISE:
        // Whoever was asked has read our settings, which forbid it (RFC 9113 6.6); nghttp2 would
        // queue a reset for each.
        self.fault_ = "PUSH_PROMISE";
        return NGHTTP2_ERR_CALLBACK_FAILURE;
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
      self.reply_.reset();
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        self.request_.emplace(self.settings_.max_header_bytes);
        ++self.streams_;
      } else if (self.is_client()) {
        const Http2StreamEvents* const owner = self.owner_of(frame->hd.stream_id);
        if (owner != nullptr && !owner->replied_) self.reply_.emplace(owner->most_head_bytes_);
      }
      return 0;
    });
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void* user) {
    Http2Session& self = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    return guarded(self, [&] {
      const std::string_view field = text_of(name, name_bytes);
      const std::string_view text = text_of(value, value_bytes);
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        if (self.request_->add(field, text)) return 0;
      } else if (self.reply_) {
        if (self.reply_->add(field, text)) return 0;
        if (self.reply_->is_too_large()) tell_too_large(self, frame->hd.stream_id);
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
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
      self.heard_settings_ = true;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Http2StreamEvents* const owner = self.owner_of(frame->hd.stream_id);
    if (owner == nullptr) return 0;
    return guarded(self, [&] {
      if (frame->hd.type == NGHTTP2_HEADERS) {
        if (self.reply_) return take_reply(self, *owner, frame->hd.stream_id, ended);
        owner->on_trailers(self.trailers_);
      }
      if (ended) owner->on_end();
      return 0;
    });
  }

  // Who reads it sees that it is, and says so.
  static void tell_too_large(Http2Session& self, int32_t stream) {
    Http2StreamEvents* const owner = self.owner_of(stream);
    if (owner == nullptr || !self.reply_->whole()) return;
    owner->replied_ = true;
    owner->on_reply(*self.reply_, /*ended=*/false);
  }

  static int take_reply(Http2Session& self, Http2StreamEvents& owner, int32_t stream, bool ended) {
    if (!self.reply_->whole()) return refuse(self, stream, Http2Code::protocol_error);
    const bool interim = self.reply_->is_interim();
    owner.replied_ = !interim;
    owner.head_bytes_ += self.reply_->bytes();
    owner.on_reply(*self.reply_, ended);
    self.reply_.reset();
    if (interim && owner.head_bytes_ > owner.most_head_bytes_) {  // its reader refuses that, too
      owner.replied_ = true;
      return refuse(self, stream, Http2Code::protocol_error);
    }
    if (ended) owner.on_end();
    return 0;
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
    // A client need not say all that it wanted to where the answer is whole (RFC 9113 8.1).
    const bool whole =
        code == NGHTTP2_NO_ERROR && nghttp2_session_get_stream_remote_close(session, stream) == 1 &&
        (self.is_client() || nghttp2_session_get_stream_local_close(session, stream) == 1);
    Http2End end = whole ? Http2End::whole : Http2End::reset;
    if (code == NGHTTP2_REFUSED_STREAM) end = Http2End::refused;
    if (owner->broke_) end = Http2End::broken;
    self.waiting_.leave(*owner);
    nghttp2_session_set_stream_user_data(session, stream, nullptr);
    return guarded(self, [&] {
      owner->on_closed(end);
      return 0;
    });
  }

  // nghttp2 resets streams for what came on them, and tells of some of that only by the frame.
  static bool is_peers_fault(uint32_t code) {
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
    if (frame->hd.type == NGHTTP2_RST_STREAM && is_peers_fault(frame->rst_stream.error_code)) {
      ++self.costs_.resets;
      if (Http2StreamEvents* const owner = self.owner_of(frame->hd.stream_id)) owner->broke_ = true;
    }
    const int32_t stream = frame->hd.stream_id;
    const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || self.owner_of(stream) != nullptr) return 0;
    if (nghttp2_session_get_stream_remote_close(session, stream) != 0) return 0;
    return refuse(self, stream, self.unwanted());
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

}  // namespace sluice
