// What a client may ask for, at what rate, and how its connection ends.
#include "core/session/http2_connection.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "core/session/client_seats.h"
#include "core/session/direction.h"
#include "net/check.h"
#include "net/sys.h"
#include "protocol/handshake.h"

namespace sluice {

namespace {

constexpr const char* was_ended = "the HTTP/2 connection was ended";
constexpr const char* lost = "the client's HTTP/2 connection was lost";
// Between an early GOAWAY and the last: as long as a stream may have been on its way (RFC
// 9113 6.8).
constexpr uint64_t shutdown_notice_ms = 1'000;

Http2Settings settings_of(const ListenConfig& listener) {
  return {.max_streams = listener.http2_max_streams,
          .stream_window = listener.http2_stream_window_bytes,
          .max_header_bytes = listener.max_header_bytes};
}

BucketLimit bucket_of(const RateLimit& limit) {
  return {limit.a_second, limit.burst};
}

}  // namespace

Http2Connection::Http2Connection(WorkerContext& context, Http2Sink& sink, Http2Shared& shared,
                                 Http2Start start)
    : Http2Link(context, shared, settings_of(start.config->listeners[start.listener]), lost),
      sink_(sink),
      start_(std::move(start)) {}

void Http2Connection::begin(Leg& from, Handle self) {
  self_ = self;
  const Status watched = leg_.take_over(context_.reactor, from, {shared_.handler, self, 0});
  if (!watched.ok()) {
    context_.log.recurring(LogLevel::error, "watch", watched.fault().text());
    return close("it could not be watched", End::abort);
  }
  arm(listener().client_header_timeout_ms);
  if (context_.leaving || start_.refused != nullptr) shut_down(/*at_once=*/false);
  note_work();
  if (leg_.readable) put_off();
}

void Http2Connection::on_input() {
  if (session_.over()) await_end();
  begin_sessions();
  announce_news();
  const uint32_t most = listener().keepalive_requests;
  if (most != 0 && requests_ >= most && !shutting_down_) shut_down(/*at_once=*/false);
}

void Http2Connection::on_output() {
  if (!is_silent()) charge();
  tell_waiting();
  announce_news();
  if (is_silent() || unsent_bytes() > 0 || session_.wants_output()) return;
  const bool faulty = *session_.fault() != '\0';
  const bool over = session_.over() && (streams_.empty() || faulty);
  if (!over && !(refuses_all_ && streams_.empty() && !session_.has_streams())) return;
  linger();
}

void Http2Connection::on_left(Http2Stream&) {
  if (streams_.empty()) await_requests();
}

// Nobody serves them.
void Http2Connection::drop_unserved() {
  std::vector<std::unique_ptr<Http2ClientStream>>().swap(new_);
}

void Http2Connection::on_closing() noexcept {
  if (!start_.counted) return;
  leave_counts(context_.clients, counted_at_listener, client(), listener(), nullptr);
}

// Of one that is over already nobody hears: what a stranger resets at once costs no session.
void Http2Connection::begin_sessions() {
  while (!new_.empty()) {
    std::vector<std::unique_ptr<Http2ClientStream>> begun = std::move(new_);
    new_.clear();
    for (std::unique_ptr<Http2ClientStream>& stream : begun) {
      if (!stream->is_over()) sink_.on_stream(std::move(stream));
    }
  }
}

// What brings the connection nothing and costs us something is bounded.
void Http2Connection::charge() {
  const Http2Costs& costs = session_.costs();
  const auto now = static_cast<uint32_t>(now_ms());
  const auto take = [&](RateBucket& bucket, const RateLimit& limit, uint64_t amount,
                        const char* directive) {
    if (limit.a_second == 0 || amount == 0) return;
    bucket.take(amount, bucket_of(limit), now);
    if (!bucket.exceeded(bucket_of(limit), now) || session_.over()) return;
    over_budget(directive,
                std::to_string(limit.a_second) + "/s burst=" + std::to_string(limit.burst));
  };
  take(resets_, listener().http2_reset_rate, costs.resets - charged_.resets, "http2_reset_rate");
  take(idle_frames_, listener().http2_control_frame_rate, costs.idle_frames - charged_.idle_frames,
       "http2_control_frame_rate");
  charged_ = costs;
}

void Http2Connection::over_budget(const char* directive, const std::string& limit) {
  context_.log.recurring(LogLevel::warn, directive,
                         "client " + client().text() + ", HTTP/2 connection " +
                             context_.id_text(number()) + ": over " + directive + " " + limit +
                             ": ended with GOAWAY, ENHANCE_YOUR_CALM; raise it if this client "
                             "means well");
  session_.terminate(Http2Code::enhance_your_calm, directive);
  await_end();
}

Http2StreamEvents* Http2Connection::on_request(int32_t id, const Http2Request& request,
                                               bool ended) {
  if (refuses_all_ || session_.over()) return nullptr;
  new_.reserve(new_.size() + 1);
  auto stream = make_http2_stream(*this, id, request, ended);
  Http2ClientStream* const made = stream.get();
  new_.push_back(std::move(stream));
  ++requests_;
  return made;
}

std::string Http2Connection::make_key() const {
  std::array<uint8_t, 16> bytes{};
  sys::random_bytes(bytes.data(), bytes.size());
  return handshake_key(bytes);
}

void Http2Connection::await_requests() {
  if (ending_ || mute_) return;  // the timer runs for that
  if (shutting_down_) {
    if (refuses_all_) await_end();
    return;
  }
  arm(listener().keepalive_timeout_ms);
}

void Http2Connection::on_timer() {
  timer_.expired();
  if (closed_) return;
  if (mute_ || ending_) return look_at_end();
  if (shutting_down_ && !refuses_all_) {
    refuses_all_ = true;
    session_.shut_down();
    if (streams_.empty()) await_end();
  } else if (streams_.empty()) {
    refuses_all_ = shutting_down_ = true;
    session_.terminate(Http2Code::no_error, "");
    await_end();
  }
  note_work();
}

// A client that does not even read its GOAWAY is not waited for.
void Http2Connection::await_end() {
  if (std::exchange(ending_, true) || mute_) return;
  awaited_bytes_ = bytes_to_deliver();
  arm(listener().lingering_timeout_ms);
}

// Who takes anything of what is under way gets all of it.
void Http2Connection::look_at_end() {
  const size_t left = bytes_to_deliver();
  if (left < awaited_bytes_) {
    awaited_bytes_ = left;
    arm(listener().lingering_timeout_ms);
    return;
  }
  close(was_ended, unsent_bytes() == 0 ? End::orderly : End::abort);
}

void Http2Connection::shut_down(bool at_once) {
  if (closed_ || mute_ || refuses_all_) return;
  if (at_once || shutting_down_) {
    shutting_down_ = refuses_all_ = true;
    session_.shut_down();
    if (streams_.empty()) await_end();
  } else {
    shutting_down_ = true;
    session_.announce_shutdown();
    arm(shutdown_notice_ms);
  }
  note_work();
}

void Http2Connection::answer(Http2Stream& stream, const std::vector<Http2Field>& fields,
                             bool interim, bool end) {
  if (is_silent()) return;
  session_.answer(stream.id(), fields, interim, end);
  note_work();
}

// Closing at once would send RST over the GOAWAY, where the client still sends. No stream can go
// on: what comes is read and dropped until the client ends its side.
void Http2Connection::linger() {
  if (std::exchange(mute_, true)) return;
  tell_fault();
  lose_streams(was_ended);
  leg_.shutdown_write();
  awaited_bytes_ = bytes_to_deliver();
  arm(listener().lingering_timeout_ms);
  put_off();  // what came behind the GOAWAY's cause
}

void Http2Connection::tell_fault() {
  if (*session_.fault() == '\0') return;
  context_.log.recurring(LogLevel::info, session_.fault(),
                         "client " + client().text() + ", HTTP/2 connection " +
                             context_.id_text(number()) + ": ended: " + session_.fault());
}

}  // namespace sluice
