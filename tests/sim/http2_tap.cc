// What flow control permits is reckoned anew here, from the frames alone.
#include "tests/sim/http2_tap.h"

#include <algorithm>

#include "tests/sim/kernel.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t first_window_bytes = 65'535;  // before anybody says more (RFC 9113 6.9.2)
constexpr uint16_t initial_window_size = 0x4;
constexpr uint64_t slack_ns = 5 * ms;
constexpr std::string_view head_end = "\r\n\r\n";

// The setting in a frame of them, or what it was before.
uint32_t window_of(std::string_view settings, uint32_t before) {
  for (size_t at = 0; at + 6 <= settings.size(); at += 6) {
    const auto id = static_cast<uint16_t>(http2_number(settings, at) >> 16);
    if (id == initial_window_size) before = http2_number(settings, at + 2);
  }
  return before;
}

bool is_settings(const Http2Frame& frame) {
  return frame.type == Http2Frame::settings && (frame.flags & Http2Frame::ack) == 0;
}

}  // namespace

// --- a stream
// -------------------------------------------------------------------------------------

bool Http2Leg::unread_by_proxy() const {
  const Http2Tap::Stream* const stream = tap_.find(id_);
  if (stream == nullptr || end_told_) return false;
  return stream->in > payload_read_ || stream->ended_in || stream->reset_in;
}

bool Http2Leg::writable() const {
  const Connection& below = tap_.connection();
  if (below.state() == State::dead) return true;
  return below.writable() && below.untaken == 0 && tap_.window_open(id_);
}

void Http2Leg::take() {
  if (taken()) return;
  handed_ns = world().now_ns();
  remote = tap_.connection().remote;
  fd = tap_.connection().fd;
  world().note("stream #%lld: a session's, id %lld", number(), id_);
}

// Takes a head's bytes off the front; whether it was whole before.
bool Http2Leg::take_head(std::string& head, std::string_view& bytes) const {
  if (head.ends_with(head_end)) return true;
  const size_t before = head.size();
  head += bytes;
  const size_t end = head.find(head_end);
  if (end == std::string::npos) {
    bytes = {};
    return false;
  }
  head.resize(end + head_end.size());
  bytes.remove_prefix(head.size() - before);
  return false;
}

void Http2Leg::told_input(std::string_view bytes) {
  world().note("stream #%lld: %lld bytes in", number(), static_cast<int64_t>(bytes.size()));
  count(true, bytes.size());
  kernel().progress();
  take_head(head_in_, bytes);
  payload_read_ += bytes.size();
  if (observer != nullptr && !bytes.empty()) observer->on_recv(*this, bytes);
}

void Http2Leg::told_end(int error) {
  if (end_told_) return;
  end_told_ = true;
  world().note("stream #%lld: end, error %lld", number(), error);
  if (observer != nullptr) observer->on_input_end(*this, error);
}

// In front of the tunnel stand lines of HTTP/1.1.
void Http2Leg::told_output(std::string_view bytes) {
  world().note("stream #%lld: %lld bytes out", number(), static_cast<int64_t>(bytes.size()));
  count(false, bytes.size());
  if (bytes.empty()) return;
  std::string_view rest = bytes;
  take_head(head_out_, rest);
  tunnel_ = tunnel_ || (head_out_.ends_with(head_end) && head_out_.starts_with("HTTP/1.1 101"));
  if (tunnel_) payload_sent_ += rest.size();
  if (observer != nullptr) observer->on_send(*this, bytes);
}

void Http2Leg::told_send_error(int error) {
  world().note("stream #%lld: send fails, error %lld", number(), error);
  if (observer != nullptr) observer->on_send_error(*this, error);
}

void Http2Leg::told_event(Readiness ready) {
  if (taken() && observer != nullptr) observer->on_event(*this, ready);
}

void Http2Leg::ended_output() {
  if (left_ns == 0) left_ns = world().now_ns();
}

void Http2Leg::part(Farewell how) {
  world().note("stream #%lld: left, farewell %lld", number(), static_cast<int>(how));
  if (!taken()) {
    dropped_ = true;
    return;
  }
  ended_output();
  if (observer != nullptr) observer->on_farewell(*this, how);
  fd = -1;
}

// --- the connection
// -------------------------------------------------------------------------------

Http2Tap::Http2Tap(Connection& connection)
    : connection_(connection), introduction_left_(connection.introduction_bytes) {
  // Where the client speaks TLS, nothing but what that says is told here.
  if (connection.peer_in_tls) introduction_left_ = 0;
  connection.observer = this;
  connection.streams = this;
}

void Http2Tap::open(Http2Leg& leg, int32_t stream) {
  leg.be(stream);
  streams_[stream].leg = &leg;
}

Http2Leg& Http2Tap::leg_of(int32_t stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.leg == nullptr) fail("a stream of nobody's");
  return *found->second.leg;
}

const Http2Tap::Stream* Http2Tap::find(int32_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

bool Http2Tap::over() const {
  if (connection_.state() == Connection::State::dead || connection_.closed_by_proxy()) return true;
  return connection_.handed_ns != 0 && connection_.fd < 0;
}

// What a session has sent may still await its turn in the connection's buffer.
bool Http2Tap::window_open(int32_t id) const {
  uint64_t sent = 0;
  for (const auto& [number, stream] : streams_) {
    const uint64_t own = stream.leg == nullptr ? 0 : stream.leg->payload_sent();
    sent += std::max(stream.out, own);
  }
  const auto found = streams_.find(id);
  if (found == streams_.end()) return false;
  const Stream& stream = found->second;
  const uint64_t own = std::max(stream.out, stream.leg->payload_sent());
  return sent < first_window_bytes + granted_ && own < client_window_ + stream.granted;
}

void Http2Tap::on_recv(Connection&, std::string_view bytes) {
  const auto introduction = std::min<size_t>(introduction_left_, bytes.size());
  introduction_left_ -= introduction;
  bytes.remove_prefix(introduction);
  frames_in_.feed(bytes);
}

void Http2Tap::on_send(Connection&, std::string_view bytes) {
  if (!begun_) http1_ = bytes.starts_with("H");
  if (http1_) return;
  begun_ = true;
  frames_out_.feed(bytes);
}

// --- frames from the client
// -----------------------------------------------------------------------

void Http2Tap::Inward::on_data(const Http2Frame& frame, size_t bytes, size_t padding) {
  Stream& stream = tap.streams_[frame.stream];
  stream.in += bytes;
  stream.padding_in += padding;
  tap.in_ += bytes + padding;
}

void Http2Tap::Inward::on_frame(const Http2Frame& frame, std::string_view payload) {
  if (is_settings(frame)) tap.client_window_ = window_of(payload, tap.client_window_);
  if (frame.type == Http2Frame::window_update) {
    (frame.stream == 0 ? tap.granted_ : tap.streams_[frame.stream].granted) +=
        http2_number(payload, 0);
  }
  if (frame.stream == 0) return;
  Stream& stream = tap.streams_[frame.stream];
  stream.asked = stream.asked || frame.type == Http2Frame::headers;
  stream.ended_in = stream.ended_in || frame.ends_stream();
  stream.reset_in = stream.reset_in || frame.type == Http2Frame::rst_stream;
}

// --- frames to the client
// -------------------------------------------------------------------------

void Http2Tap::Outward::on_data(const Http2Frame& frame, size_t bytes, size_t padding) {
  Stream& stream = tap.streams_[frame.stream];
  stream.out += bytes + padding;
  tap.out_ += bytes + padding;
  if (stream.ended_out || stream.reset_out) tap.fail("DATA behind a stream's end");
  if (stream.out > tap.client_window_ + stream.granted) tap.fail("DATA beyond a stream's window");
  if (tap.out_ > first_window_bytes + tap.granted_) tap.fail("DATA beyond the connection's window");
}

void Http2Tap::Outward::on_frame(const Http2Frame& frame, std::string_view payload) {
  if (is_settings(frame)) tap.proxy_window_ = window_of(payload, tap.proxy_window_);
  if (frame.type == Http2Frame::window_update) {
    tap.judge_window_update(frame.stream, http2_number(payload, 0));
  }
  if (frame.type == Http2Frame::goaway) tap.judge_goaway(payload);
  if (frame.stream == 0) return;
  Stream& stream = tap.streams_[frame.stream];
  stream.ended_out = stream.ended_out || frame.ends_stream();
  stream.reset_out = stream.reset_out || frame.type == Http2Frame::rst_stream;
}

// A window opens for what has left it, and for nothing else.
void Http2Tap::judge_window_update(int32_t id, uint32_t more) {
  if (id == 0) {
    opened_ += more;
    if (first_opened_ == 0) first_opened_ = opened_;  // what the proxy begins with
    if (opened_ > first_opened_ + in_) fail("the connection's window opens for what never came");
    return;
  }
  Stream& stream = streams_[id];
  stream.opened += more;
  const uint64_t read = stream.leg == nullptr ? 0 : stream.leg->payload_read();
  if (stream.opened > read + stream.padding_in) {
    fail("the window of stream " + std::to_string(id) + " opens for what was not read: " +
         std::to_string(stream.opened) + " bytes, read were " + std::to_string(read));
  }
}

void Http2Tap::judge_goaway(std::string_view payload) {
  if (goaway_ns_ == 0) goaway_ns_ = world().now_ns();
  const auto last = static_cast<int32_t>(http2_number(payload, 0) & 0x7fffffff);
  const uint32_t code = http2_number(payload, 4);
  world().note("#%lld: GOAWAY, last stream %lld, code %lld", connection_.number(), last, code);
  if (last > last_stream_) fail("a GOAWAY takes back the one before");
  last_stream_ = last;
  if (code != 0) fail("GOAWAY with code " + std::to_string(code));
}

// --- at any time
// ----------------------------------------------------------------------------------

void Http2Tap::expect_goaway() {
  if (begun_ && goaway_due_ns_ == 0) goaway_due_ns_ = world().now_ns();
}

void Http2Tap::check_turn() const {
  const bool due = goaway_due_ns_ != 0 && world().now_ns() > goaway_due_ns_ + slack_ns;
  const bool takes = connection_.state() == Connection::State::open && connection_.writable() &&
                     connection_.untaken == 0;
  if (due && goaway_ns_ == 0 && lives() && takes && !broken_) fail("no GOAWAY is said");
}

// Nothing is ready: is anything forgotten?
void Http2Tap::check_quiet() const {
  if (!lives() || !begun_ || connection_.state() != Connection::State::open) return;
  const bool held = connection_.in_tls && connection_.untaken > 0;
  if (connection_.unread_by_proxy() && !input_ended_ && !held) {
    fail("input of an HTTP/2 connection is forgotten");
  }
  if (connection_.writable() && connection_.untaken == 0) check_windows();
}

// What was read of a stream opens its window again, if not byte by byte.
void Http2Tap::check_windows() const {
  if (in_ > opened_ - first_opened_ + first_opened_ / 2 + first_window_bytes) {
    fail("the connection's window is not opened again");
  }
  for (const auto& [id, stream] : streams_) {
    if (stream.leg == nullptr || stream.leg->fd < 0 || stream.ended_in || stream.reset_in) continue;
    if (stream.ended_out || stream.reset_out) continue;
    const uint64_t read = stream.leg->payload_read() + stream.padding_in;
    if (read > stream.opened + proxy_window_ / 2 + 1) {
      fail("the window of stream " + std::to_string(id) + " is not opened again");
    }
  }
}

void Http2Tap::fail(const std::string& what) const {
  world().fail("HTTP/2 connection #" + std::to_string(connection_.number()) + ": " + what);
}

}  // namespace sluice::sim
