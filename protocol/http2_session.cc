// What is sent is asked for by nghttp2 while send() or pull() runs, and by nobody else.
#include "protocol/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "protocol/http2_callbacks.h"

namespace sluice {

namespace {

// A head that max_answer_header_size let in is to go out.
constexpr size_t most_head_to_send = size_t{4} << 20;
// It opens on receipt, and so bounds nothing but what is on its way; streams' windows bound what is
// held.
constexpr int32_t connection_window_bytes = 16 * 1024 * 1024;
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
  const auto make = is_client() ? nghttp2_session_client_new2 : nghttp2_session_server_new2;
  if (make(&session_, callbacks.get(), this, option.get()) != 0) throw std::bad_alloc();
  if (submit_settings() != 0 || nghttp2_session_set_local_window_size(
                                    session_, NGHTTP2_FLAG_NONE, 0, connection_window_bytes) != 0) {
    nghttp2_session_del(session_);
    throw std::bad_alloc();
  }
}

int Http2Session::submit_settings() {
  const std::array<nghttp2_settings_entry, 5> of_server = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings_.max_header_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  const std::array<nghttp2_settings_entry, 3> of_client = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings_.stream_window},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  const std::span<const nghttp2_settings_entry> entries =
      is_client() ? std::span<const nghttp2_settings_entry>(of_client) : of_server;
  return nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
}

Http2Session::~Http2Session() {
  nghttp2_session_del(session_);
}

Http2StreamEvents* Http2Session::owner_of(int32_t stream) const {
  return static_cast<Http2StreamEvents*>(nghttp2_session_get_stream_user_data(session_, stream));
}

// From here on nghttp2 is asked for nothing: it may know owners that are gone.
void Http2Session::fail_for_memory() {
  broken_ = out_of_memory_ = true;
  throw std::bad_alloc();
}

void Http2Session::check(int outcome) {
  if (outcome == NGHTTP2_ERR_NOMEM || out_of_memory_) fail_for_memory();
}

void Http2Session::feed(std::span<const uint8_t> bytes) {
  if (broken_) return;
  const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  if (taken >= 0) return;
  broken_ = true;
  check(static_cast<int>(taken));
  if (*fault_ == '\0') {
    fault_ = taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "no HTTP/2 preface"
                                                   : nghttp2_strerror(static_cast<int>(taken));
  }
  const bool flood = taken == NGHTTP2_ERR_FLOODED;
  check(nghttp2_session_terminate_session(
      session_, flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR));
}

void Http2Session::pull(std::string& out, size_t most) {
  if (out_of_memory_) fail_for_memory();
  while (out.size() < most) {
    const uint8_t* frame = nullptr;
    const ssize_t bytes = nghttp2_session_mem_send(session_, &frame);
    if (bytes < 0) {
      broken_ = true;
      check(static_cast<int>(bytes));
      return;
    }
    if (bytes == 0) return;
    try {
      out.append(view(frame, static_cast<size_t>(bytes)));
    } catch (const std::bad_alloc&) {
      fail_for_memory();  // nghttp2 counts it as sent
    }
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
  // A server lets only so many be open: one whose end no window lets out is not left there.
  const bool held = ended && nghttp2_session_get_stream_local_close(session_, stream) != 1;
  if (held && is_client() && window_shut(stream)) reset(stream, unwanted());
  waiting_.leave(*owner);
  nghttp2_session_set_stream_user_data(session_, stream, nullptr);
  if (!ended || nghttp2_session_get_stream_local_close(session_, stream) != 1) return;
  if (nghttp2_session_get_stream_remote_close(session_, stream) != 0) return;
  check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream,
                                  static_cast<uint32_t>(unwanted())));
}

void Http2Session::consumed(int32_t stream, size_t bytes) {
  Http2StreamEvents* const owner = owner_of(stream);
  if (owner == nullptr) return;
  owner->unread_ -= static_cast<uint32_t>(std::min<size_t>(bytes, owner->unread_));
  check(nghttp2_session_consume_stream(session_, stream, bytes));
}

bool Http2Session::may_open_websockets() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) ==
         1;
}

uint32_t Http2Session::most_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Session::may_ask() const {
  return !over() && nghttp2_session_check_request_allowed(session_) != 0;
}

// Until the head is written, nghttp2 knows no stream that calls could be about. Only frames that
// carry no payload come before it.
int32_t Http2Session::ask(Http2StreamEvents& owner, const std::vector<Http2Field>& fields, bool end,
                          uint32_t most_head_bytes, std::string& out) {
  if (streams_ >= most_streams()) return 0;  // it would wait in nghttp2, out of reach
  const std::vector<nghttp2_nv> pairs = pairs_of(fields);
  nghttp2_data_provider provider{};
  provider.read_callback = Http2Callbacks::on_read;
  owner.ended_ = end;
  owner.broke_ = owner.told_ = false;
  owner.head_bytes_ = 0;
  owner.replied_ = false;
  owner.unread_ = 0;
  owner.most_head_bytes_ = most_head_bytes;
  const int32_t stream = nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                                end ? nullptr : &provider, &owner);
  if (stream < 0) {
    check(stream);
    return 0;
  }
  ++streams_;
  while (owner_of(stream) == nullptr) {
    const size_t before = out.size();
    pull(out, before + 1);
    if (out.size() == before) break;  // it was closed at once, which its owner was told
  }
  return stream;
}

void Http2Session::ping() {
  check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
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
