// Http2Connection: a client's HTTP/2 connection, from its preface to its last stream. It owns the
// leg, feeds the codec and gathers what goes out; each of its streams is the client's leg of a
// session, which runs by the reactor's announcements alone and never inside the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/session/http2_stream.h"
#include "core/session/kept_connection.h"
#include "core/session/leg.h"
#include "core/session/one_timer.h"
#include "core/session/rate_bucket.h"
#include "core/session/worker_context.h"
#include "net/pool.h"
#include "net/ring.h"
#include "protocol/http2_session.h"

namespace sluice {

// Who makes sessions of streams.
class Http2Sink {
 public:
  // May throw std::bad_alloc; the stream is reset then.
  virtual void on_stream(std::unique_ptr<Http2Stream> stream) = 0;

 protected:
  ~Http2Sink() = default;
};

// What a session that read the preface knows of the connection.
struct Http2Start {
  KeptConnection connection;
  ConfigRef config;
  uint32_t listener = 0;             // index into its listeners
  uint64_t number = 0;               // WorkerContext::id_text's
  const Refusal* refused = nullptr;  // why no stream gets a session; outlives the connection
  bool counted = false;              // at its listener (limit_connections)
};

// Calls may throw std::bad_alloc; then only close() may follow.
//
//   serving --(drain, reload, keepalive_requests)--> shutting down --(no stream is left)-->
//   lingering
//      \--(a fault, a limit: GOAWAY with its code)--> lingering --(the client ends)--> closed
//   any of them --(the client is gone)--> closed
class Http2Connection final : public Http2Events {
 public:
  // Bytes that wait for the socket, four messages of 16 KiB with their headers; a stream that would
  // add more waits for its turn.
  static constexpr size_t most_unsent_bytes = size_t{65} * 1024;

  // References outlive this; its own handle is put into `busy` where flush() is to be called.
  Http2Connection(WorkerContext& context, Http2Sink& sink, Reactor::HandlerId handler,
                  std::vector<Handle>& busy, std::vector<std::string>& spare, Http2Start start);
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;
  ~Http2Connection();

  // Takes over the leg. Where it cannot be watched, the connection is closed at once.
  void begin(Leg& from, Handle self);

  void on_ready(Readiness ready);
  void on_timer();
  void on_run();
  // Sends what the turn brought together. To be called at its end for those in `busy`.
  void flush();
  // GOAWAY: no further streams. `at_once`: also those are refused that are on their way.
  void shut_down(bool at_once);
  // All of its streams are lost, for that reason, static text. It lives on until they are gone.
  void close(const char* why, End how);
  // No stream is open, and others had been.
  bool is_idle() const {
    return !closed_ && !lingering_ && !ending_ && requests_ > 0 && streams_.empty() &&
           unsent_bytes() == 0 && !session_.has_streams();
  }
  // It is closed and without streams: it may be retired.
  bool is_over() const { return closed_ && streams_.empty() && new_.empty(); }

  // --- of the client, for its sessions
  const ConfigRef& config() const { return start_.config; }
  uint32_t listener_place() const { return start_.listener; }
  const ListenConfig& listener() const { return start_.config->listeners[start_.listener]; }
  const ClientAddress& client() const { return start_.connection.address; }
  Preface* preface() const { return start_.connection.preface.get(); }
  const Refusal* refused() const { return start_.refused; }
  uint64_t number() const { return start_.number; }
  int socket() const { return leg_.fd(); }
  size_t unsent_bytes() const { return out_.size() - out_at_; }
  size_t undelivered_bytes(const Http2Stream& stream) const;

  // --- for its streams
  BufferPool& buffers() { return context_.transits.buffers(); }
  std::string make_key() const;  // a Sec-WebSocket-Key
  void join(Http2Stream& stream);
  void leave(Http2Stream& stream);
  void note_news(Http2Stream& stream) { news_.push_back(&stream); }
  void consumed(Http2Stream& stream, size_t bytes);
  void answer(Http2Stream& stream, const std::vector<Http2Field>& fields, bool interim, bool end);
  size_t send(Http2Stream& stream, std::span<const iovec> pieces, bool last);
  void end(Http2Stream& stream, const std::vector<Http2Field>& trailers);
  void reset(Http2Stream& stream, Http2Code code);

  // --- Http2Events
  Http2StreamEvents* on_request(int32_t id, const Http2Request& request, bool ended) override;

 private:
  uint64_t now_ms() const { return context_.reactor.now_ms(); }
  void read();
  void take(std::span<const uint8_t> bytes);
  void begin_sessions();
  void announce_news();
  void tell_waiting();
  void charge();
  void over_budget(const char* directive, const std::string& limit);
  void write_out();
  void drop_written();
  std::string& output();
  void release_output();
  void await_requests();
  void await_end();
  void look_at_end();
  size_t bytes_to_deliver() const;
  void put_off();
  void linger();
  void lose_streams(const char* why);
  void note_work();
  void tell_fault();

  WorkerContext& context_;
  Http2Sink& sink_;
  const Reactor::HandlerId handler_;
  std::vector<Handle>& busy_;
  std::vector<std::string>& spare_;  // output buffers that no connection holds
  Http2Start start_;
  Leg leg_;
  OneTimer timer_;
  Http2Session session_;
  std::vector<std::unique_ptr<Http2Stream>> new_;  // that no session serves yet
  std::vector<Http2Stream*> streams_;              // all, those of new_ as well
  std::vector<Http2Stream*> news_;                 // those with readiness to tell
  std::vector<Http2Stream*> telling_;              // that is being told
  std::string out_;                                // from out_at_ on to be sent
  size_t out_at_ = 0;
  Handle self_{};
  RateBucket resets_;
  RateBucket idle_frames_;
  Http2Costs charged_;
  uint32_t requests_ = 0;
  uint32_t sends_ = 0;
  size_t awaited_bytes_ = 0;  // ending_ or lingering_: bytes_to_deliver() at the last look
  bool dirty_ = false;
  bool run_queued_ = false;
  bool shutting_down_ = false;
  bool refuses_all_ = false;  // the last GOAWAY is out
  bool ending_ = false;     // its GOAWAY is the last word; the timer runs for the client to read it
  bool lingering_ = false;  // nothing more is sent, what comes is dropped
  bool out_of_memory_ = false;  // to be closed at the next flush()
  bool write_failed_ = false;   // the same
  bool closed_ = false;
  End ended_ = End::orderly;
};

}  // namespace sluice
