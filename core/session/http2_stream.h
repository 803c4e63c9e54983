// Http2Stream: one stream of a client's HTTP/2 connection as a transport, over which a session
// speaks HTTP/1.1 and, after its 101, WebSocket frames (RFC 8441). What the session reads is the
// stream's head written as HTTP/1.1; what it writes is read again and told in HTTP/2. So nothing in
// a session knows which of both its client speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/session/http2_input.h"
#include "net/poller.h"
#include "net/pool.h"
#include "net/transport.h"
#include "protocol/http2_answer.h"
#include "protocol/http2_session.h"

namespace sluice {

class Http2Connection;

class Http2Stream final : public Transport, public Http2StreamEvents {
 public:
  // The connection outlives this: it waits for the last of its streams. `ended`: no DATA follows.
  Http2Stream(Http2Connection& connection, int32_t id, const Http2Request& request, bool ended);
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;
  ~Http2Stream() override;

  // The session whose client's leg this is from here on: edges are announced to it.
  void serve(Handle session) { session_ = session; }
  Handle session() const { return session_; }
  int32_t id() const { return id_; }
  Http2Connection& connection() { return connection_; }
  bool is_over() const { return reset_; }  // nothing can be read or sent any more
  // What became ready since this was last asked.
  Readiness take_news();

  // --- Transport, for the session. The pieces of a send() before the 101 are an HTTP/1.1 answer.
  Io recv(std::span<const iovec> pieces) override;
  Io send(std::span<const iovec> pieces) override;
  bool shutdown_write() override;  // END_STREAM
  void abort() override;           // RST_STREAM with CANCEL (RFC 8441 5)
  size_t unsent_bytes() const override;
  const char* failure() const override { return failure_; }
  int socket() const override;

  // --- Http2StreamEvents
  void on_data(std::span<const uint8_t> bytes) override;
  void on_trailers(std::string_view lines) override;
  void on_end() override;
  void on_closed(bool reset) override;
  void on_writable() override;

  // The connection is gone, for that reason, static text.
  void on_lost(const char* why);

 private:
  friend class Http2Connection;

  // Room that recv() was given, filled from the front.
  class Filler;

  bool fill_some(Filler& room);
  void begin_chunk();
  size_t send_answer(std::span<const uint8_t> bytes);
  void tell_news();

  Http2Connection& connection_;
  Http2Input in_;     // DATA that the session has not read
  std::string text_;  // before it: the head, or a line of the chunked coding
  size_t text_at_ = 0;
  std::string trailers_;
  std::optional<Http2Answer> answer_;  // none: the stream is a tunnel
  const char* failure_ = "";
  Handle session_{};
  int32_t id_;
  uint32_t place_ = 0;       // among the connection's streams
  uint32_t chunk_left_ = 0;  // payload of the chunk that text_ began
  uint32_t served_ = 0;      // when it last sent, as the connection counts
  Readiness news_;
  bool listed_ = false;  // among those with news
  bool chunked_ = false;
  bool in_ended_ = false;
  bool last_chunk_told_ = false;
  bool reset_ = false;
};

}  // namespace sluice
