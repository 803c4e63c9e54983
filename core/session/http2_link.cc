// A turn's walk: bytes go into the codec, which notes what became of streams; then readiness is
// announced; what sessions send meets in one buffer, which goes out at the turn's end.
#include "core/session/http2_link.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "net/check.h"

namespace sluice {

namespace {

constexpr int read_rounds = 16;  // reads in a row, then others get their turn
constexpr size_t most_read_bytes = size_t{64} * 1024;
constexpr size_t feed_bytes = size_t{16} * 1024;
// What the codec may append beyond its limit: a frame with its header.
constexpr size_t most_frame_bytes = size_t{16} * 1024 + 9;
// Frames without payload that go along with a full buffer.
constexpr size_t most_control_bytes = size_t{4} * 1024;

}  // namespace

Http2Link::Http2Link(WorkerContext& context, Http2Shared& shared, const Http2Settings& settings,
                     const char* lost)
    : context_(context), shared_(shared), session_(settings, *this), lost_(lost) {}

Http2Link::~Http2Link() {
  SLUICE_CHECK(!leg_.is_open() && streams_.empty());
}

// The transport may hold bytes that no edge will announce.
void Http2Link::put_off() {
  if (!std::exchange(run_queued_, true)) context_.reactor.enqueue(shared_.handler, self_);
}

void Http2Link::on_run() {
  run_queued_ = false;
  if (!closed_) resume();
}

void Http2Link::read() {
  static thread_local std::array<uint8_t, most_read_bytes> bytes;
  for (int round = 0; leg_.readable && (mute_ || !session_.over()); ++round) {
    if (round == read_rounds) {
      put_off();
      break;
    }
    const iovec piece{bytes.data(), bytes.size()};
    const Io io = leg_.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) return close(lost_, End::orderly);
    if (mute_) continue;
    take({bytes.data(), io.bytes});
  }
  note_work();
}

// Those come first that have waited for longest.
void Http2Link::announce_news() {
  if (news_.empty()) return;
  telling_.swap(news_);
  std::sort(telling_.begin(), telling_.end(), [](const Http2Stream* a, const Http2Stream* b) {
    return a->served_ != b->served_ ? a->served_ < b->served_ : a->id_ < b->id_;
  });
  const auto tell_all = [this] {
    for (Http2Stream* const stream : telling_) {
      const Readiness news = stream->take_news();
      if (stream->session() == Handle{}) continue;
      context_.reactor.announce(context_.handler, stream->session(), stream->leg(), news);
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

void Http2Link::join(Http2Stream& stream) {
  const size_t wanted = streams_.size() + 1;
  if (news_.capacity() < wanted) news_.reserve(2 * wanted);  // to tell of a loss needs no memory
  if (telling_.capacity() < wanted) telling_.reserve(2 * wanted);
  stream.place_ = static_cast<uint32_t>(streams_.size());
  streams_.push_back(&stream);
}

void Http2Link::consumed(Http2Stream& stream, size_t bytes) {
  if (is_silent()) return;
  session_.consumed(stream.id_, bytes);
  note_work();
}

size_t Http2Link::send(Http2Stream& stream, std::span<const iovec> pieces, bool last) {
  if (is_silent()) return 0;
  stream.served_ = ++sends_;
  note_work();
  const bool full = unsent_bytes() + bytes_of(pieces) > most_unsent_bytes;
  if (full && unsent_bytes() > 0 && leg_.writable) write_out();
  return session_.send(stream.id_, pieces, output(), out_at_ + most_unsent_bytes, last);
}

void Http2Link::end(Http2Stream& stream, const std::vector<Http2Field>& trailers) {
  if (is_silent()) return;
  session_.end(stream.id_, trailers);
  note_work();
}

void Http2Link::reset(Http2Stream& stream, Http2Code code) {
  if (is_silent()) return;
  session_.reset(stream.id_, code);
  note_work();
}

void Http2Link::drop_written() {
  if (unsent_bytes() == 0) {
    release_output();
  } else if (out_at_ > most_unsent_bytes / 2) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
}

// Buffers go from one connection to the next, so that an idle one holds none and a busy one does
// not allocate.
std::string& Http2Link::output() {
  if (!out_.empty() || out_.capacity() >= most_unsent_bytes) return out_;
  if (shared_.spare.empty()) {
    out_.reserve(most_unsent_bytes + most_frame_bytes);
  } else {
    shared_.spare.back().swap(out_);
    shared_.spare.pop_back();
  }
  return out_;
}

void Http2Link::release_output() {
  out_.clear();
  out_at_ = 0;
  if (out_.capacity() >= most_unsent_bytes && shared_.spare.size() < shared_.spare.capacity()) {
    shared_.spare.push_back(std::move(out_));
  }
  std::string().swap(out_);
}

void Http2Link::close_leg() {
  leg_.close(context_.reactor, ended_);
  on_leg_closed();
}

void Http2Link::note_work() {
  if (!std::exchange(dirty_, true)) shared_.busy.push_back(self_);
}

size_t Http2Link::bytes_to_deliver() const {
  return unsent_bytes() + static_cast<size_t>(std::max(leg_.undelivered_bytes(), 0));
}

// As its session asks whether it moves: where the client opens no window, others' bytes on the same
// connection tell nothing.
size_t Http2Link::undelivered_bytes(const Http2Stream& stream) const {
  return session_.window_shut(stream.id_) ? 1 : bytes_to_deliver();
}

// In pieces, behind each of which the answers to what stood in it go out: the codec holds no more
// than a piece can ask for.
void Http2Link::take(std::span<const uint8_t> bytes) {
  while (!bytes.empty() && !session_.over()) {
    const size_t piece = std::min(bytes.size(), feed_bytes);
    session_.feed(bytes.first(piece));
    bytes = bytes.subspan(piece);
    session_.pull(output(), out_at_ + most_unsent_bytes);
    on_piece();
  }
  if (unsent_bytes() == 0) release_output();
  on_input();
}

void Http2Link::leave(Http2Stream& stream) {
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
    if (!is_silent()) session_.disown(stream.id_);
    if (!closed_) on_left(stream);
  } catch (const std::bad_alloc&) {
    out_of_memory_ = true;
  }
  if (closed_ && streams_.empty()) close_leg();
}

void Http2Link::flush() {
  dirty_ = false;
  if (out_of_memory_ && !closed_) return close("out of memory", End::abort);
  if (write_failed_ && !closed_) return close(lost_, End::orderly);
  while (!is_silent()) {
    session_.pull(output(), out_at_ + most_unsent_bytes + most_control_bytes);
    if (unsent_bytes() == 0 || !leg_.writable) break;
    write_out();
    if (write_failed_) return close(lost_, End::orderly);
  }
  if (unsent_bytes() == 0) release_output();
  on_output();
}

// At the turn's end, and before it where no more would fit: a stream that waits for room holds a
// buffer, and as many of them as wait are more than the pool keeps warm.
void Http2Link::write_out() {
  const iovec piece{out_.data() + out_at_, unsent_bytes()};
  const Io io = leg_.send({&piece, 1});
  if (io.state == Io::State::failed) {
    write_failed_ = true;
    return;
  }
  out_at_ += io.bytes;
  drop_written();
}

// Streams that wait for room are told of it, as many as it is for: here their sessions go first,
// the rest gets its turn behind them.
void Http2Link::tell_waiting() {
  if (is_silent()) return;
  if (session_.tell_waiting(most_unsent_bytes - std::min(unsent_bytes(), most_unsent_bytes))) {
    put_off();
  }
  announce_news();
}

void Http2Link::close(const char* why, End how) {
  if (std::exchange(closed_, true)) return;
  timer_.cancel(context_.reactor);
  release_output();
  lose_streams(why);
  on_closing();
  ended_ = how;
  note_work();
  if (streams_.empty()) close_leg();
}

void Http2Link::lose_streams(const char* why) {
  drop_unserved();
  for (Http2Stream* const stream : streams_) stream->on_lost(why);
  try {
    announce_news();
  } catch (const std::bad_alloc&) {
    // Their sessions find out when they send or their timers run.
  }
}

void Http2Link::on_ready(Readiness ready) {
  if (closed_) return;
  leg_.note(ready);
  if (ready.writable) {
    leg_.flush_held();
    if (mute_) leg_.shutdown_write();  // again, where TLS found no room for its last word
    note_work();
  }
  read();
  tell_waiting();
}

}  // namespace sluice
