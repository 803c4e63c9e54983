// Http2Link: a descriptor that speaks HTTP/2, and its streams, whoever began it. It owns the leg,
// feeds the codec and gathers what goes out; each stream is one leg of a session, which runs by the
// reactor's announcements alone and never inside the codec. What only clients' connections do, or
// only peers', is in the classes that derive from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/session/http2_stream.h"
#include "core/session/leg.h"
#include "core/session/one_timer.h"
#include "core/session/worker_context.h"
#include "net/pool.h"
#include "net/ring.h"
#include "protocol/http2_session.h"

namespace sluice {

// What connections of one table share.
struct Http2Shared {
  Reactor::HandlerId handler;
  std::vector<Handle> busy = {};        // flush() is to be called for them
  std::vector<std::string> spare = {};  // output buffers that no connection holds
};

// Calls may throw std::bad_alloc; then only close() may follow.
class Http2Link : public Http2Events {
 public:
  // Bytes that wait for the socket, four messages of 16 KiB with their headers; a stream that would
  // add more waits for its turn.
  static constexpr size_t most_unsent_bytes = size_t{65} * 1024;

  Http2Link(const Http2Link&) = delete;
  Http2Link& operator=(const Http2Link&) = delete;
  virtual ~Http2Link();

  virtual void on_ready(Readiness ready);
  virtual void on_timer() = 0;
  void on_run();
  // Sends what the turn brought together. To be called at its end for those in `busy`.
  void flush();
  // All of its streams are lost, for that reason, static text. It lives on until they are gone.
  void close(const char* why, End how);
  // It is closed and without streams: it may be retired.
  virtual bool is_over() const { return closed_ && streams_.empty(); }
  int socket() const { return leg_.fd(); }
  size_t unsent_bytes() const { return out_.size() - out_at_; }
  size_t undelivered_bytes(const Http2Stream& stream) const;

  // --- for its streams
  BufferPool& buffers() { return context_.transits.buffers(); }
  void join(Http2Stream& stream);
  void leave(Http2Stream& stream);
  void note_news(Http2Stream& stream) { news_.push_back(&stream); }
  void consumed(Http2Stream& stream, size_t bytes);
  size_t send(Http2Stream& stream, std::span<const iovec> pieces, bool last);
  void end(Http2Stream& stream, const std::vector<Http2Field>& trailers);
  void reset(Http2Stream& stream, Http2Code code);

 protected:
  // References outlive this. `lost` is told of streams whose connection breaks; static text.
  Http2Link(WorkerContext& context, Http2Shared& shared, const Http2Settings& settings,
            const char* lost);

  // --- what the turn's walk leaves to who derives
  virtual void resume() { read(); }      // a run that was put off
  virtual void on_piece() {}             // some bytes were fed, and their answers pulled
  virtual void on_input() = 0;           // all that a read brought was
  virtual void on_output() = 0;          // what could be sent was, in flush()
  virtual void on_left(Http2Stream&) {}  // it is none of its streams any more
  virtual void on_closing() noexcept {}
  virtual void on_leg_closed() noexcept {}  // the connection is gone, and its streams
  virtual void drop_unserved() {}           // streams that have no session yet

  uint64_t now_ms() const { return context_.reactor.now_ms(); }
  // Nothing is sent any more, nor told.
  bool is_silent() const { return closed_ || mute_; }
  void arm(uint64_t delay_ms) { timer_.arm(context_.reactor, shared_.handler, self_, delay_ms); }
  void read();
  void announce_news();
  void tell_waiting();
  std::string& output();
  size_t bytes_to_deliver() const;
  void put_off();
  void lose_streams(const char* why);
  void note_work();

  WorkerContext& context_;
  Http2Shared& shared_;
  Leg leg_;
  OneTimer timer_;
  Http2Session session_;
  Handle self_{};
  std::vector<Http2Stream*> streams_;
  bool mute_ = false;  // nothing is sent, any more or yet; what comes is dropped
  bool closed_ = false;

 private:
  void take(std::span<const uint8_t> bytes);
  void write_out();
  void close_leg();
  void drop_written();
  void release_output();

  const char* lost_;
  std::vector<Http2Stream*> news_;     // those with readiness to tell
  std::vector<Http2Stream*> telling_;  // that is being told
  std::string out_;                    // from out_at_ on to be sent
  size_t out_at_ = 0;
  uint32_t sends_ = 0;
  bool dirty_ = false;
  bool run_queued_ = false;
  bool out_of_memory_ = false;  // to be closed at the next flush()
  bool write_failed_ = false;   // the same
  End ended_ = End::orderly;
};

}  // namespace sluice
