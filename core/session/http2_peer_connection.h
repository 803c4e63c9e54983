// Http2PeerConnection: a worker's HTTP/2 connection to one peer, from its connect to its last
// stream, each of which is the upstream's leg of a session. Sessions that want a stream wait for it
// while it is made, and are run again when it is further, or has failed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/http2_settings.h"
#include "core/peers/peer_table.h"
#include "core/session/http2_link.h"
#include "tls/store.h"

namespace sluice {

// What a connection is made with, from the route and the upstream of who asked first.
struct Http2PeerTerms {
  PeerId peer{};
  TlsClientRef secured_by = {};  // null: it is not secured
  Http2UpstreamSettings settings = {};
  uint32_t connect_timeout_ms = 0;
  uint32_t handshake_timeout_ms = 0;  // for TLS and for the peer's settings
  uint32_t keepalive_timeout_ms = 0;  // without a stream
};

class Http2PeerConnection;

// One of its streams: what goes to the peer, the request first.
class Http2PeerStream final : public Http2Stream {
 public:
  Http2PeerStream(Http2PeerConnection& connection, uint32_t most_head_bytes);

  bool refused() const override { return refused_; }

  void on_reply(const Http2Reply& reply, bool ended) override;
  void on_closed(Http2End end) override;

 private:
  void tell_head(const Http2Message& message, bool interim, bool end) override;
  const char* text_of(Http2End end) const override;

  Http2PeerConnection& connection_;
  uint32_t most_head_bytes_;
  Http2Asked asked_;
  bool refused_ = false;
};

//   connecting --> [securing] --> greeting --> open --(GOAWAY, no use, a reload)--> retired
//                        \--> http1 (the peer chose that)           failed: from any of the first
// Calls may throw std::bad_alloc; then only close() may follow.
class Http2PeerConnection final : public Http2Link {
 public:
  enum class State : uint8_t { connecting, securing, greeting, open, http1, failed, retired };

  // References outlive this. The peer has a user.
  Http2PeerConnection(WorkerContext& context, Http2Shared& shared, Http2PeerTerms terms);
  ~Http2PeerConnection() override;

  void begin(Handle self);
  void on_ready(Readiness ready) override;
  void on_timer() override;
  bool is_over() const override { return Http2Link::is_over() && waiters_.empty(); }

  State state() const { return state_; }
  const Http2PeerTerms& terms() const { return terms_; }
  bool is_awaited() const { return state_ < State::open; }
  // One more session may have a stream, or wait for one.
  bool has_room() const;
  bool is_doubtful() const { return doubtful_; }
  bool takes_websockets() const { return session_.may_open_websockets(); }
  bool is_idle() const {
    return state_ == State::open && streams_.empty() && waiters_.empty() && !closed_;
  }
  // It is open, and the peer lets no stream be open for now.
  bool takes_none() const { return state_ == State::open && session_.most_streams() == 0; }

  void await(Handle session) { waiters_.push_back(session); }
  // That session waits no longer.
  void forget(Handle session);
  // `http1`: the connection goes to the first that takes it.
  Leg& leg() { return leg_; }
  // `failed`: why. Static text; the same with what is known more, for the log.
  const char* failure() const { return failure_; }
  const std::string& failure_text() const { return failure_text_; }
  int error() const { return error_; }  // errno of the connect, or 0
  // One failure of the peer's, of however many waited: true for the first that asks.
  bool take_fault() { return !std::exchange(fault_taken_, true); }

  // No further streams; it ends when the last one has. Where none is there it ends now.
  void retire();
  // It ends at once, without a stream.
  void end_now();
  bool secure() const { return terms_.secured_by != nullptr; }
  int32_t ask(Http2Stream& stream, const std::vector<Http2Field>& fields, bool end,
              uint32_t most_head_bytes);

 private:
  void resume() override;
  void on_input() override;
  void on_output() override;
  void on_left(Http2Stream& stream) override;
  void on_closing() noexcept override;
  void on_leg_closed() noexcept override;
  void advance();
  void on_connected();
  bool is_before_http2() const { return state_ <= State::securing || state_ == State::http1; }
  void secure_leg();
  void greet();
  void fail(const char* reason, std::string text);
  void wake() noexcept;
  uint32_t most_streams() const;

  Http2PeerTerms terms_;
  Peer& peer_;
  TlsTransport* tls_ = nullptr;  // the leg's, while securing
  std::vector<Handle> waiters_;
  const char* failure_ = "";
  std::string failure_text_;
  uint64_t begun_ms_ = 0;
  int error_ = 0;
  State state_ = State::connecting;
  // A stream ended without a word from the peer, and nothing has come since.
  bool doubtful_ = false;
  bool fault_taken_ = false;
  bool holds_peer_ = true;
  bool retiring_ = false;  // once it is open
};

}  // namespace sluice
