// A client of HTTP/2 in memory, nghttp2's own, opposite an Http2Session.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/http2_session.h"

namespace sluice::testing {

using Http2Pairs = std::vector<std::pair<std::string, std::string>>;

// What came on one stream of the client's.
struct Http2Heard {
  std::string heads;  // "name=value;" of all heads, each behind a '|'
  std::string data;
  bool ended = false;
  bool closed = false;
  uint32_t code = 0;  // with which it was closed
};

class Http2TestClient {
 public:
  explicit Http2TestClient(uint32_t window = 65'535) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);  // it may say what no client should
    nghttp2_session_client_new2(&session, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &entry, 1);
  }
  Http2TestClient(const Http2TestClient&) = delete;
  Http2TestClient& operator=(const Http2TestClient&) = delete;
  ~Http2TestClient() { nghttp2_session_del(session); }

  // With `body` the stream stays open, and sends what is put into `bodies`.
  int32_t request(const Http2Pairs& pairs, bool body) {
    std::vector<nghttp2_nv> fields;
    for (const auto& pair : pairs) {
      fields.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(pair.first.data())),
                        reinterpret_cast<uint8_t*>(const_cast<char*>(pair.second.data())),
                        pair.first.size(), pair.second.size(), NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider provider{};
    provider.read_callback = on_read;
    return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(),
                                  body ? &provider : nullptr, nullptr);
  }
  int32_t websocket() {
    return request({{":method", "CONNECT"},
                    {":protocol", "websocket"},
                    {":scheme", "https"},
                    {":path", "/"},
                    {":authority", "h"}},
                   true);
  }
  void send(int32_t stream, std::string_view bytes, bool end = false) {
    bodies[stream] += bytes;
    ends[stream] = end;
    nghttp2_session_resume_data(session, stream);
  }
  void reset(int32_t stream) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  }
  void open_window(int32_t stream, int32_t bytes) {
    nghttp2_submit_window_update(session, NGHTTP2_FLAG_NONE, stream, bytes);
  }

  // Everything that either has to say goes to the other one, as often as it takes.
  void talk(Http2Session& server) {
    for (int round = 0; round < 100; ++round) {
      const uint8_t* bytes = nullptr;
      bool any = false;
      while (const ssize_t count = nghttp2_session_mem_send(session, &bytes)) {
        if (count < 0) break;
        server.feed({bytes, static_cast<size_t>(count)});
        any = true;
      }
      server.pull(out, SIZE_MAX);
      server.tell_waiting(SIZE_MAX);
      if (out.empty() && !any) return;
      const std::string told = std::exchange(out, {});
      nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(told.data()), told.size());
    }
  }

  nghttp2_session* session = nullptr;
  std::string out;  // the server's, that did not reach this client yet
  std::map<int32_t, std::string> bodies;
  std::map<int32_t, bool> ends;
  std::map<int32_t, Http2Heard> heard;
  uint32_t goaway_code = UINT32_MAX;

 private:
  static Http2TestClient& of(void* user) { return *static_cast<Http2TestClient*>(user); }
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    of(user).heard[frame->hd.stream_id].heads += "|";
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void* user) {
    std::string& heads = of(user).heard[frame->hd.stream_id].heads;
    heads.append(reinterpret_cast<const char*>(name), name_bytes).append("=");
    heads.append(reinterpret_cast<const char*>(value), value_bytes).append(";");
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* bytes, size_t count,
                     void* user) {
    of(user).heard[stream].data.append(reinterpret_cast<const char*>(bytes), count);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) of(user).goaway_code = frame->goaway.error_code;
    const bool ends = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      of(user).heard[frame->hd.stream_id].ended = true;
    }
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t stream, uint32_t code, void* user) {
    of(user).heard[stream].closed = true;
    of(user).heard[stream].code = code;
    return 0;
  }
  static ssize_t on_read(nghttp2_session*, int32_t stream, uint8_t* room, size_t most,
                         uint32_t* flags, nghttp2_data_source*, void* user) {
    std::string& body = of(user).bodies[stream];
    const size_t count = std::min(most, body.size());
    std::memcpy(room, body.data(), count);
    body.erase(0, count);
    if (body.empty() && of(user).ends[stream]) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }
};

}  // namespace sluice::testing
