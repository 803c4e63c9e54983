// A turn's walk: bytes go into the codec, which notes what became of streams; then sessions of new
// ones begin and readiness of others is announced; what sessions send meets in one buffer, which
// goes out at the turn's end.
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
constexpr int read_rounds = 16;  // reads in a row, then others get their turn
constexpr size_t read_bytes = size_t{64} * 1024;
constexpr size_t feed_bytes = size_t{16} * 1024;
// What the codec may append beyond its limit: a frame with its header.
constexpr size_t most_frame_bytes = size_t{16} * 1024 + 9;
// Frames without payload that go along with a full buffer.
constexpr size_t most_control_bytes = size_t{4} * 1024;
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

Http2Connection::Http2Connection(WorkerContext& context, Http2Sink& sink,
                                 Reactor::HandlerId handler, std::vector<Handle>& busy,
                                 std::vector<std::string>& spare, Http2Start start)
    : context_(context),
      sink_(sink),
      handler_(handler),
      busy_(busy),
      spare_(spare),
      start_(std::move(start)),
      session_(settings_of(listener()), *this) {}

Http2Connection::~Http2Connection() {
  SLUICE_CHECK(!leg_.is_open() && streams_.empty());
}

void Http2Connection::begin(Leg& from, Handle self) {
  self_ = self;
  const Status watched = leg_.take_over(context_.reactor, from, {handler_, self, 0});
  if (!watched.ok()) {
    context_.log.recurring(LogLevel::error, "watch", watched.fault().text());
    return close("it could not be watched", End::abort);
  }
  timer_.arm(context_.reactor, handler_, self_, listener().client_header_timeout_ms);
  if (context_.leaving || start_.refused != nullptr) shut_down(/*at_once=*/false);
  note_work();
  if (leg_.readable) put_off();
}

// The transport may hold bytes that no edge will announce.
void Http2Connection::put_off() {
  if (!std::exchange(run_queued_, true)) context_.reactor.enqueue(handler_, self_);
}

void Http2Connection::on_ready(Readiness ready) {
  if (closed_) return;
  leg_.note(ready);
  if (ready.writable) {
    leg_.flush_held();
    if (lingering_) leg_.shutdown_write();  // again, where TLS found no room for its last word
    note_work();
  }
  read();
  tell_waiting();
}

void Http2Connection::on_run() {
  run_queued_ = false;
  if (!closed_) read();
}

void Http2Connection::read() {
  static thread_local std::array<uint8_t, read_bytes> bytes;
  for (int round = 0; leg_.readable && (lingering_ || !session_.over()); ++round) {
    if (round == read_rounds) {
      put_off();
      break;
    }
    const iovec piece{bytes.data(), bytes.size()};
    const Io io = leg_.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) return close(lost, End::orderly);
    if (lingering_) continue;
    take({bytes.data(), io.bytes});
  }
  note_work();
}

// In pieces, behind each of which the answers to what stood in it go out: the codec holds no more
// than a piece can ask for.
void Http2Connection::take(std::span<const uint8_t> bytes) {
  while (!bytes.empty() && !session_.over()) {
    const size_t piece = std::min(bytes.size(), feed_bytes);
    session_.feed(bytes.first(piece));
    bytes = bytes.subspan(piece);
    session_.pull(output(), out_at_ + most_unsent_bytes);
    charge();
  }
  if (unsent_bytes() == 0) release_output();
  if (session_.over()) await_end();
  begin_sessions();
  announce_news();
  const uint32_t most = listener().keepalive_requests;
  if (most != 0 && requests_ >= most && !shutting_down_) shut_down(/*at_once=*/false);
}

// Of one that is over already nobody hears: what a stranger resets at once costs no session.
void Http2Connection::begin_sessions() {
  while (!new_.empty()) {
    std::vector<std::unique_ptr<Http2Stream>> begun = std::move(new_);
    new_.clear();
    for (std::unique_ptr<Http2Stream>& stream : begun) {
      if (!stream->is_over()) sink_.on_stream(std::move(stream));
    }
  }
}

// Those come first that have waited for longest.
void Http2Connection::announce_news() {
  if (news_.empty()) return;
  telling_.swap(news_);
  std::sort(telling_.begin(), telling_.end(), [](const Http2Stream* a, const Http2Stream* b) {
    return a->served_ != b->served_ ? a->served_ < b->served_ : a->id_ < b->id_;
  });
  const auto tell_all = [this] {
    for (Http2Stream* const stream : telling_) {
      const Readiness news = stream->take_news();
      if (stream->session() == Handle{}) continue;
      context_.reactor.announce(context_.handler, stream->session(), index_of(Side::client), news);
    }
  };
  try {
    tell_all();
  } catch (const std::bad_alloc&) {
    telling_.clear();
    throw;
  }
  telling_.clear();
}

// Streams that wait for room are told of it, as many as it is for: here their sessions go first,
// the rest gets its turn behind them.
void Http2Connection::tell_waiting() {
  if (closed_ || lingering_) return;
  if (session_.tell_waiting(most_unsent_bytes - std::min(unsent_bytes(), most_unsent_bytes))) {
    put_off();
  }
  announce_news();
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
  auto stream = std::make_unique<Http2Stream>(*this, id, request, ended);
  Http2Stream* const made = stream.get();
  new_.push_back(std::move(stream));
  ++requests_;
  return made;
}

std::string Http2Connection::make_key() const {
  std::array<uint8_t, 16> bytes{};
  sys::random_bytes(bytes.data(), bytes.size());
  return handshake_key(bytes);
}

void Http2Connection::join(Http2Stream& stream) {
  const size_t wanted = streams_.size() + 1;
  if (news_.capacity() < wanted) news_.reserve(2 * wanted);  // to tell of a loss needs no memory
  if (telling_.capacity() < wanted) telling_.reserve(2 * wanted);
  stream.place_ = static_cast<uint32_t>(streams_.size());
  streams_.push_back(&stream);
}

void Http2Connection::leave(Http2Stream& stream) {
  stream.in_.release(buffers());
  Http2Stream* const last = streams_.back();
  streams_[stream.place_] = last;
  last->place_ = stream.place_;
  streams_.pop_back();
  if (stream.listed_) {
    news_.erase(std::remove(news_.begin(), news_.end(), &stream), news_.end());
  }
  note_work();
  try {
    if (!closed_ && !lingering_) session_.disown(stream.id_);
    if (!closed_ && streams_.empty()) await_requests();
  } catch (const std::bad_alloc&) {
    out_of_memory_ = true;
  }
  if (closed_ && streams_.empty()) leg_.close(context_.reactor, ended_);
}

void Http2Connection::await_requests() {
  if (ending_ || lingering_) return;  // the timer runs for that
  if (shutting_down_) {
    if (refuses_all_) await_end();
    return;
  }
  timer_.arm(context_.reactor, handler_, self_, listener().keepalive_timeout_ms);
}

void Http2Connection::on_timer() {
  timer_.expired();
  if (closed_) return;
  if (lingering_ || ending_) return look_at_end();
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
  if (std::exchange(ending_, true) || lingering_) return;
  awaited_bytes_ = bytes_to_deliver();
  timer_.arm(context_.reactor, handler_, self_, listener().lingering_timeout_ms);
}

// Who takes anything of what is under way gets all of it.
void Http2Connection::look_at_end() {
  const size_t left = bytes_to_deliver();
  if (left < awaited_bytes_) {
    awaited_bytes_ = left;
    timer_.arm(context_.reactor, handler_, self_, listener().lingering_timeout_ms);
    return;
  }
  close(was_ended, unsent_bytes() == 0 ? End::orderly : End::abort);
}

size_t Http2Connection::bytes_to_deliver() const {
  return unsent_bytes() + static_cast<size_t>(std::max(leg_.undelivered_bytes(), 0));
}

// As its session asks whether it moves: where the client opens no window, others' bytes on the same
// connection tell nothing.
size_t Http2Connection::undelivered_bytes(const Http2Stream& stream) const {
  return session_.window_shut(stream.id_) ? 1 : bytes_to_deliver();
}

void Http2Connection::shut_down(bool at_once) {
  if (closed_ || lingering_ || refuses_all_) return;
  if (at_once || shutting_down_) {
    shutting_down_ = refuses_all_ = true;
    session_.shut_down();
    if (streams_.empty()) await_end();
  } else {
    shutting_down_ = true;
    session_.announce_shutdown();
    timer_.arm(context_.reactor, handler_, self_, shutdown_notice_ms);
  }
  note_work();
}

void Http2Connection::consumed(Http2Stream& stream, size_t bytes) {
  if (closed_ || lingering_) return;
  session_.consumed(stream.id_, bytes);
  note_work();
}

void Http2Connection::answer(Http2Stream& stream, const std::vector<Http2Field>& fields,
                             bool interim, bool end) {
  if (closed_ || lingering_) return;
  session_.answer(stream.id_, fields, interim, end);
  note_work();
}

size_t Http2Connection::send(Http2Stream& stream, std::span<const iovec> pieces, bool last) {
  if (closed_ || lingering_) return 0;
  stream.served_ = ++sends_;
  note_work();
  const bool full = unsent_bytes() + bytes_of(pieces) > most_unsent_bytes;
  if (full && unsent_bytes() > 0 && leg_.writable) write_out();
  return session_.send(stream.id_, pieces, output(), out_at_ + most_unsent_bytes, last);
}

void Http2Connection::end(Http2Stream& stream, const std::vector<Http2Field>& trailers) {
  if (closed_ || lingering_) return;
  session_.end(stream.id_, trailers);
  note_work();
}

void Http2Connection::reset(Http2Stream& stream, Http2Code code) {
  if (closed_ || lingering_) return;
  session_.reset(stream.id_, code);
  note_work();
}

void Http2Connection::flush() {
  dirty_ = false;
  if (out_of_memory_ && !closed_) return close("out of memory", End::abort);
  if (write_failed_ && !closed_) return close(lost, End::orderly);
  while (!closed_ && !lingering_) {
    session_.pull(output(), out_at_ + most_unsent_bytes + most_control_bytes);
    if (unsent_bytes() == 0 || !leg_.writable) break;
    write_out();
    if (write_failed_) return close(lost, End::orderly);
  }
  if (unsent_bytes() == 0) release_output();
  if (!closed_ && !lingering_) charge();
  tell_waiting();
  announce_news();
  if (closed_ || lingering_ || unsent_bytes() > 0 || session_.wants_output()) return;
  const bool faulty = *session_.fault() != '\0';
  const bool over = session_.over() && (streams_.empty() || faulty);
  if (!over && !(refuses_all_ && streams_.empty() && !session_.has_streams())) return;
  linger();
}

// At the turn's end, and before it where no more would fit: a stream that waits for room holds a
// buffer, and as many of them as wait are more than the pool keeps warm.
void Http2Connection::write_out() {
  const iovec piece{out_.data() + out_at_, unsent_bytes()};
  const Io io = leg_.send({&piece, 1});
  if (io.state == Io::State::failed) {
    write_failed_ = true;
    return;
  }
  out_at_ += io.bytes;
  drop_written();
}

// Closing at once would send RST over the GOAWAY, where the client still sends. No stream can go
// on: what comes is read and dropped until the client ends its side.
void Http2Connection::linger() {
  if (std::exchange(lingering_, true)) return;
  tell_fault();
  lose_streams(was_ended);
  leg_.shutdown_write();
  awaited_bytes_ = bytes_to_deliver();
  timer_.arm(context_.reactor, handler_, self_, listener().lingering_timeout_ms);
  put_off();  // what came behind the GOAWAY's cause
}

void Http2Connection::lose_streams(const char* why) {
  std::vector<std::unique_ptr<Http2Stream>>().swap(new_);  // nobody serves them
  for (Http2Stream* const stream : streams_) stream->on_lost(why);
  try {
    announce_news();
  } catch (const std::bad_alloc&) {
    // Their sessions find out when they send or their timers run.
  }
}

void Http2Connection::drop_written() {
  if (unsent_bytes() == 0) {
    release_output();
  } else if (out_at_ > most_unsent_bytes / 2) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
}

// Buffers go from one connection to the next, so that an idle one holds none and a busy one does
// not allocate.
std::string& Http2Connection::output() {
  if (!out_.empty() || out_.capacity() >= most_unsent_bytes) return out_;
  if (spare_.empty()) {
    out_.reserve(most_unsent_bytes + most_frame_bytes);
  } else {
    spare_.back().swap(out_);
    spare_.pop_back();
  }
  return out_;
}

void Http2Connection::release_output() {
  out_.clear();
  out_at_ = 0;
  if (out_.capacity() >= most_unsent_bytes && spare_.size() < spare_.capacity()) {
    spare_.push_back(std::move(out_));
  }
  std::string().swap(out_);
}

void Http2Connection::tell_fault() {
  if (*session_.fault() == '\0') return;
  context_.log.recurring(LogLevel::info, session_.fault(),
                         "client " + client().text() + ", HTTP/2 connection " +
                             context_.id_text(number()) + ": ended: " + session_.fault());
}

void Http2Connection::close(const char* why, End how) {
  if (std::exchange(closed_, true)) return;
  timer_.cancel(context_.reactor);
  release_output();
  lose_streams(why);
  if (start_.counted) {
    leave_counts(context_.clients, counted_at_listener, client(), listener(), nullptr);
  }
  ended_ = how;
  note_work();
  if (streams_.empty()) leg_.close(context_.reactor, ended_);
}

void Http2Connection::note_work() {
  if (!std::exchange(dirty_, true)) busy_.push_back(self_);
}

}  // namespace sluice
