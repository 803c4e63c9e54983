// Http2Stream: one stream of an HTTP/2 connection as a transport, over which a session speaks
// HTTP/1.1 and, behind the upgrade, WebSocket frames (RFC 8441). What the session reads is what
// came on the stream, its head written as HTTP/1.1; what it writes is read again and told in
// HTTP/2. So nothing in a session knows which of both its client or its peer speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/session/http2_input.h"
#include "core/session/leg.h"
#include "net/poller.h"
#include "net/pool.h"
#include "net/transport.h"
#include "protocol/http2_message.h"
#include "protocol/http2_session.h"

namespace sluice {

class Http2Link;

class Http2Stream : public Transport, public Http2StreamEvents {
 public:
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;
  ~Http2Stream() override;

  // The session whose leg this is from here on: edges are announced to it.
  void watch(Handle session, unsigned leg) override {
    session_ = session;
    leg_ = leg;
  }
  Handle session() const { return session_; }
  unsigned leg() const { return leg_; }
  int32_t id() const { return id_; }
  bool is_over() const { return reset_; }  // nothing can be read or sent any more
  // Of a peer's: it said something on it.
  bool heard() const { return heard_; }
  // What became ready since this was last asked.
  Readiness take_news();

  // --- Transport, for the session. The pieces of a send() before a tunnel are HTTP/1.1.
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
  void on_closed(Http2End end) override;
  void on_writable() override;

  // The connection is gone, for that reason, static text.
  void on_lost(const char* why);

 protected:
  // The connection outlives this: it waits for the last of its streams. `message` reads what the
  // session writes.
  Http2Stream(Http2Link& link, int32_t id, Http2Message message);

  // What the log has of such an end; static text.
  virtual const char* text_of(Http2End end) const = 0;
  // What a session has to read before anything else.
  void put_text(std::string text, bool chunked);
  void end_input() { in_ended_ = true; }
  void on_news();  // there is something to read

  // The head that the session wrote goes out. With `end` nothing follows it.
  virtual void tell_head(const Http2Message& message, bool interim, bool end) = 0;

  Http2Link& link_;
  int32_t id_;  // 0: the head that begins it is not out
  const char* failure_ = "";
  bool heard_ = false;

 private:
  friend class Http2Link;

  // Room that recv() was given, filled from the front.
  class Filler;

  bool fill_some(Filler& room);
  void begin_chunk();
  size_t send_message(std::span<const uint8_t> bytes);
  void tell_news();

  Http2Input in_;     // DATA that the session has not read
  std::string text_;  // before it: a head, or a line of the chunked coding
  size_t text_at_ = 0;
  std::string trailers_;
  std::optional<Http2Message> message_;  // none: the stream is a tunnel
  Handle session_{};
  unsigned leg_ = 0;
  uint32_t place_ = 0;       // among the connection's streams
  uint32_t chunk_left_ = 0;  // payload of the chunk that text_ began
  uint32_t served_ = 0;      // when it last sent, as the connection counts
  Readiness news_;
  bool listed_ = false;  // among those with news
  bool chunked_ = false;
  bool in_ended_ = false;
  bool last_chunk_told_ = false;
  bool out_over_ = false;  // the stream is over, and all that came can be read
  bool reset_ = false;
};

class Http2Connection;

// One of a client's connection: the client's leg of a session.
class Http2ClientStream : public Http2Stream {
 public:
  // `ended`: no DATA follows.
  Http2ClientStream(Http2Connection& connection, int32_t id, const Http2Request& request,
                    bool ended);

  Http2Connection& connection() { return connection_; }

 private:
  void tell_head(const Http2Message& message, bool interim, bool end) override;
  const char* text_of(Http2End end) const override;

  Http2Connection& connection_;
};

// As its constructor says; a watched one in the simulator.
std::unique_ptr<Http2ClientStream> make_http2_stream(Http2Connection& connection, int32_t id,
                                                     const Http2Request& request, bool ended);

}  // namespace sluice
