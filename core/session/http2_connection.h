// Http2Connection: a client's HTTP/2 connection, from its preface to its last stream, each of which
// is the client's leg of a session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/session/http2_link.h"
#include "core/session/http2_stream.h"
#include "core/session/kept_connection.h"
#include "core/session/rate_bucket.h"
#include "core/session/worker_context.h"
#include "protocol/http2_session.h"

namespace sluice {

// Who makes sessions of streams.
class Http2Sink {
 public:
  // May throw std::bad_alloc; the stream is reset then.
  virtual void on_stream(std::unique_ptr<Http2ClientStream> stream) = 0;

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
class Http2Connection final : public Http2Link {
 public:
  // References outlive this.
  Http2Connection(WorkerContext& context, Http2Sink& sink, Http2Shared& shared, Http2Start start);

  // Takes over the leg. Where it cannot be watched, the connection is closed at once.
  void begin(Leg& from, Handle self);

  void on_timer() override;
  // GOAWAY: no further streams. `at_once`: also those are refused that are on their way.
  void shut_down(bool at_once);
  // No stream is open, and others had been.
  bool is_idle() const {
    return !is_silent() && !ending_ && requests_ > 0 && streams_.empty() && unsent_bytes() == 0 &&
           !session_.has_streams();
  }
  bool is_over() const override { return Http2Link::is_over() && new_.empty(); }

  // --- of the client, for its sessions
  const ConfigRef& config() const { return start_.config; }
  uint32_t listener_place() const { return start_.listener; }
  const ListenConfig& listener() const { return start_.config->listeners[start_.listener]; }
  const ClientAddress& client() const { return start_.connection.address; }
  Preface* preface() const { return start_.connection.preface.get(); }
  const Refusal* refused() const { return start_.refused; }
  uint64_t number() const { return start_.number; }

  // --- for its streams
  std::string make_key() const;  // a Sec-WebSocket-Key
  void answer(Http2Stream& stream, const std::vector<Http2Field>& fields, bool interim, bool end);

  // --- Http2Events
  Http2StreamEvents* on_request(int32_t id, const Http2Request& request, bool ended) override;

 private:
  void on_piece() override { charge(); }
  void on_input() override;
  void on_output() override;
  void on_left(Http2Stream& stream) override;
  void on_closing() noexcept override;
  void drop_unserved() override;
  void begin_sessions();
  void charge();
  void over_budget(const char* directive, const std::string& limit);
  void await_requests();
  void await_end();
  void look_at_end();
  void linger();
  void tell_fault();

  Http2Sink& sink_;
  Http2Start start_;
  std::vector<std::unique_ptr<Http2ClientStream>> new_;  // that no session serves yet
  RateBucket resets_;
  RateBucket idle_frames_;
  Http2Costs charged_;
  uint32_t requests_ = 0;
  size_t awaited_bytes_ = 0;  // ending_, or mute_: bytes_to_deliver() at the last look
  bool shutting_down_ = false;
  bool refuses_all_ = false;  // the last GOAWAY is out
  bool ending_ = false;  // its GOAWAY is the last word; the timer runs for the client to read it
};

}  // namespace sluice
