// nghttp2's callbacks only note; who speaks on a stream hears of it afterwards.
#include "tests/sim/http2_client.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/check.h"
#include "tests/sim/http_reader.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t leave_delay_ns = 100 * us;
// What has no place in HTTP/2, or another one (RFC 9113 8.2.2, RFC 8441 5).
constexpr std::string_view dropped_fields[] = {"connection", "upgrade",        "sec-websocket-key",
                                               "host",       "content-length", "x-hop"};

using Fields = std::vector<std::pair<std::string, std::string>>;

void check(int outcome) {
  if (outcome < 0) world().fail(std::string("the client's nghttp2: ") + nghttp2_strerror(outcome));
}

// The request in HTTP/2; `connects` where it asks for a WebSocket.
Fields fields_of(const std::string& text, bool in_tls, bool& connects) {
  PlainHead head;
  SLUICE_CHECK(head.read(text));
  connects = head.count("upgrade") > 0;
  const size_t method_end = head.line.find(' ');
  const size_t path_end = head.line.rfind(' ');
  Fields fields{{":method", connects ? "CONNECT" : head.line.substr(0, method_end)}};
  if (connects) fields.emplace_back(":protocol", "websocket");
  fields.emplace_back(":scheme", in_tls ? "https" : "http");
  fields.emplace_back(":path", head.line.substr(method_end + 1, path_end - method_end - 1));
  fields.emplace_back(":authority", head.value("host"));
  for (const auto& [name, value] : head.fields) {
    if (std::find(std::begin(dropped_fields), std::end(dropped_fields), name) ==
        std::end(dropped_fields)) {
      fields.emplace_back(name, value);
    }
  }
  return fields;
}

std::vector<nghttp2_nv> pairs_of(const Fields& fields) {
  std::vector<nghttp2_nv> pairs;
  const auto bytes = [](const std::string& text) {  // nghttp2 copies them
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  for (const auto& [name, value] : fields) {
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return pairs;
}

std::string text_of(const uint8_t* bytes, size_t count) {
  return {reinterpret_cast<const char*>(bytes), count};
}

}  // namespace

struct Http2ClientCallbacks {
  static Http2Client& of(void* user) { return *static_cast<Http2Client*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (Http2StreamWire* const stream = of(user).stream_of(frame->hd.stream_id)) {
      stream->answer_.clear();
    }
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void* user) {
    Http2StreamWire* const stream = of(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const std::string field = text_of(name, name_bytes);
    std::string text = text_of(value, value_bytes);
    if (field == ":status") {
      if (text == "101") of(user).fail("101 in HTTP/2");
      if (stream->connects_ && text == "200") text = "101";
      stream->answer_ = "HTTP/1.1 " + text + " .\r\n";
    } else {
      stream->answer_ += field + ": " + text + "\r\n";
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Client& client = of(user);
    if (frame->hd.type == NGHTTP2_SETTINGS) client.settled_ = true;
    if (frame->hd.type == NGHTTP2_GOAWAY) client.leaving_ = true;
    Http2StreamWire* const stream = client.stream_of(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && is_final(stream->answer_)) take_head(*stream);
    const bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream->got_end_ = stream->end_news_ = true;
    }
    return 0;
  }

  // Neither an interim answer nor trailers.
  static bool is_final(std::string_view head) {
    const bool interim = head.starts_with("HTTP/1.1 1") && !head.starts_with("HTTP/1.1 101");
    return head.starts_with("HTTP/1.1 ") && !interim;
  }

  static void take_head(Http2StreamWire& stream) {
    const std::string text = std::exchange(stream.answer_, "") + "\r\n";
    stream.head_unread_ += text.size();
    stream.inbox_.append(text);
    stream.bytes_news_ = true;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                     size_t count, void* user) {
    check(nghttp2_session_consume_connection(session, count));
    Http2StreamWire* const stream = of(user).stream_of(id);
    if (stream == nullptr) return 0;
    stream->inbox_.append(text_of(bytes, count));
    stream->bytes_news_ = true;
    return 0;
  }

  static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    Http2StreamWire* const stream = of(user).stream_of(id);
    if (stream == nullptr) return 0;
    world().note("stream #%lld: closed, code %lld", stream->leg_->number(), code);
    stream->over_ = true;
    // Nobody wants more of it, and it has all that there is.
    const bool whole = code == NGHTTP2_NO_ERROR && stream->got_end_;
    if (!whole) stream->fall_news_ = true;
    of(user).tell_news_soon();
    return 0;
  }

  // What nghttp2 resets by itself, the proxy has brought about.
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool reset = frame->hd.type == NGHTTP2_RST_STREAM &&
                       frame->rst_stream.error_code != NGHTTP2_CANCEL &&
                       frame->rst_stream.error_code != NGHTTP2_NO_ERROR;
    const bool goaway =
        frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
    if (reset || goaway) of(user).fail("the proxy breaks HTTP/2");
    return 0;
  }

  static int on_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Http2StreamWire* const stream = of(user).stream_of(frame->hd.stream_id)) {
      stream->over_ = stream->fall_news_ = true;
      of(user).tell_news_soon();
    }
    return 0;
  }

  static int on_invalid(nghttp2_session*, const nghttp2_frame*, int error, void* user) {
    of(user).fail(std::string("the proxy sent a wrong frame: ") + nghttp2_strerror(error));
  }

  static ssize_t on_read(nghttp2_session*, int32_t, uint8_t* room, size_t most, uint32_t* flags,
                         nghttp2_data_source* source, void* user) {
    auto& stream = *static_cast<Http2StreamWire*>(source->ptr);
    const size_t limit = std::min(most, of(user).plan_.most_frame_bytes);
    const std::string bytes = stream.outbox_.take(limit);
    std::memcpy(room, bytes.data(), bytes.size());
    if (stream.outbox_.empty() && stream.finished_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (bytes.empty()) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(bytes.size());
  }

  static ssize_t on_padding(nghttp2_session*, const nghttp2_frame* frame, size_t most, void* user) {
    Http2Client& client = of(user);
    const size_t length = frame->hd.length;
    if (frame->hd.type != NGHTTP2_DATA || !client.random_.chance(client.plan_.padding_percent)) {
      return static_cast<ssize_t>(length);
    }
    return static_cast<ssize_t>(std::min(most, length + client.random_.below(200)));
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* made = nullptr;
    check(nghttp2_session_callbacks_new(&made));
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, on_not_sent);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, on_invalid);
    nghttp2_session_callbacks_set_select_padding_callback(made, on_padding);
    return made;
  }
};

// --- the connection
// -------------------------------------------------------------------------------

Http2Client::Http2Client(Wire& wire, Http2Tap& tap, const Http2Plan& plan, uint64_t random_seed)
    : wire_(wire), tap_(tap), plan_(plan), random_(random_seed) {
  wire_.attach(*this);
  nghttp2_session_callbacks* const callbacks = Http2ClientCallbacks::make();
  nghttp2_option* option = nullptr;
  check(nghttp2_option_new(&option));
  nghttp2_option_set_no_auto_window_update(option, 1);
  check(nghttp2_session_client_new2(&session_, callbacks, this, option));
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, plan_.window_bytes}};
  check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
}

Http2Client::~Http2Client() {
  nghttp2_session_del(session_);
}

void Http2Client::start() {
  started_ = true;
  submit_waiting();
  flush();
  plan_trouble();
  if (plan_.pings > 0) chatter(plan_.pings);
}

// Frames that bring nothing.
void Http2Client::chatter(unsigned left) {
  world().after(random_.below(200 * ms), [this, left] {
    if (lost_ || cut_ || frozen_) return;
    check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
    flush();
    if (left > 1) chatter(left - 1);
  });
}

void Http2Client::plan_trouble() {
  using Trouble = Http2Plan::Trouble;
  if (plan_.trouble == Trouble::none || plan_.by_bytes()) return;
  world().after(plan_.trouble_after_ns, [this] {
    if (lost_) return;
    world().note("client #%lld: trouble %lld of its connection", wire_.number(),
                 static_cast<int>(plan_.trouble));
    switch (plan_.trouble) {
      case Trouble::goaway:
        leaving_ = true;
        give_up_waiting();
        check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0));
        flush();
        return leave_soon();
      case Trouble::freeze:
        frozen_ = true;
        return give_up_waiting();
      case Trouble::stall:
        stalled_ = true;
        return world().after(plan_.stall_ns, [this] {
          stalled_ = false;
          read_some();
        });
      default:
        return cut();
    }
  });
}

void Http2Client::cut() {
  cut_ = true;
  using Trouble = Http2Plan::Trouble;
  if (plan_.trouble == Trouble::fin || plan_.trouble == Trouble::cut_fin) {
    wire_.close_both();
  } else {
    wire_.reset();
  }
  lose();
}

Http2StreamWire& Http2Client::open(const Link& link, uint32_t number) {
  return *streams_.emplace_back(
      std::make_unique<Http2StreamWire>(*this, tap_.make_leg(link, number)));
}

Http2StreamWire* Http2Client::stream_of(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

bool Http2Client::has_streams() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& stream) {
    return !stream->over_ && !(stream->gone_ && !stream->asked());
  });
}

// --- in
// -------------------------------------------------------------------------------------------

void Http2Client::on_bytes() {
  for (const auto& stream : streams_) {  // what moves is anybody's whose window is open
    if (tap_.window_open(stream->leg_->id())) stream->leg_->delivered_ns = world().now_ns();
  }
  read_some();
}

void Http2Client::read_some() {
  if (frozen_ || stalled_ || lost_) return;
  while (wire_.unread() > 0 && !wire_.gone()) {
    const std::string bytes = wire_.read(wire_.unread());
    if (bytes.empty()) break;
    feed(bytes);
  }
}

void Http2Client::feed(std::string_view bytes) {
  if (lost_) return;
  if (!tap_.begun()) return lose();  // an answer in HTTP/1.1
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_, data, bytes.size());
  if (taken < 0) fail(std::string("what the proxy sent: ") + nghttp2_strerror(int(taken)));
  if (leaving_) give_up_waiting();
  submit_waiting();
  flush();
  tell_news();
}

void Http2Client::on_fin() {
  if (lost_) return;
  read_some();
  lose();
}

void Http2Client::on_reset() {
  lose();
}

void Http2Client::lose() {
  if (std::exchange(lost_, true)) return;
  for (const auto& stream : streams_) {
    if (!stream->over_) stream->fall_news_ = true;
    stream->over_ = true;
  }
  tell_news_soon();
  if (frozen_) return;
  world().after(leave_delay_ns, [this] { wire_.close_both(); });
}

// Nobody asks any more on this connection.
void Http2Client::give_up_waiting() {
  for (const auto& stream : streams_) {
    if (stream->asked() || stream->over_) continue;
    stream->over_ = stream->fall_news_ = true;
  }
  tell_news_soon();
}

void Http2Client::tell_news_soon() {
  if (std::exchange(news_due_, true)) return;
  world().after(0, [this] {
    news_due_ = false;
    tell_news();
  });
}

void Http2Client::tell_news() {
  for (size_t i = 0; i < streams_.size(); ++i) {
    Http2StreamWire& stream = *streams_[i];
    if (std::exchange(stream.bytes_news_, false)) {
      if (!stream.gone_) {
        stream.user_->on_bytes();
      } else if (!stream.inbox_.empty()) {  // nobody reads it any more
        stream.inbox_.clear();
        reset(stream);
      }
    }
    if (std::exchange(stream.end_news_, false) && !stream.gone_) stream.user_->on_fin();
    if (std::exchange(stream.fall_news_, false)) stream.fall();
  }
  leave_soon();
}

// Once nothing is under way.
void Http2Client::leave_soon() {
  if (!leaving_ || lost_ || cut_ || frozen_ || has_streams()) return;
  const bool own = plan_.trouble == Http2Plan::Trouble::goaway && !tap_.said_goaway();
  if (!plan_.leaves_at_goaway && !own) return;
  if (std::exchange(leave_due_, true)) return;
  world().after(leave_delay_ns, [this] { lose(); });
}

// --- out
// ------------------------------------------------------------------------------------------

void Http2Client::flush() {
  while (started_ && !lost_ && !frozen_ && !cut_) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    check(static_cast<int>(count));
    if (count <= 0) return;
    send({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)});
  }
}

void Http2Client::send(std::string_view bytes) {
  const uint64_t before = written_;
  written_ += bytes.size();
  if (!plan_.by_bytes() || written_ < plan_.cut_at_bytes) return wire_.write(bytes);
  wire_.write(bytes.substr(0, static_cast<size_t>(plan_.cut_at_bytes - before)));
  world().note("client #%lld: trouble %lld of its connection, at %lld", wire_.number(),
               static_cast<int>(plan_.trouble), static_cast<int64_t>(plan_.cut_at_bytes));
  cut();
}

// Streams come in the order in which their requests were written.
void Http2Client::submit_waiting() {
  if (!started_ || lost_ || leaving_ || (!settled_ && !plan_.hasty)) return;
  for (size_t i = 0; i < streams_.size(); ++i) {
    Http2StreamWire& stream = *streams_[i];
    if (stream.head_whole_ && !stream.asked() && !stream.gone_) submit(stream);
  }
}

void Http2Client::submit(Http2StreamWire& stream) {
  const Fields fields = fields_of(stream.head_, wire_.tls() != nullptr, stream.connects_);
  const std::vector<nghttp2_nv> pairs = pairs_of(fields);
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Http2ClientCallbacks::on_read;
  const int32_t id = nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                            stream.connects_ ? &provider : nullptr, nullptr);
  check(id);
  tap_.open(*stream.leg_, id);
  by_id_[id] = &stream;
  flush();
}

void Http2Client::resume(Http2StreamWire& stream) {
  if (lost_ || stream.over_) return;
  nghttp2_session_resume_data(session_, stream.leg_->id());  // it may not be waiting
  flush();
}

void Http2Client::consume(Http2StreamWire& stream, size_t bytes) {
  if (lost_ || stream.over_) return;
  check(nghttp2_session_consume_stream(session_, stream.leg_->id(), bytes));
  flush();
}

void Http2Client::reset(Http2StreamWire& stream) {
  if (lost_ || stream.over_ || !stream.asked()) return;
  check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.leg_->id(), NGHTTP2_CANCEL));
  flush();
}

void Http2Client::fail(const std::string& what) const {
  world().fail("HTTP/2 client #" + std::to_string(wire_.number()) + ": " + what);
}

}  // namespace sluice::sim
