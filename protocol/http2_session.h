// Http2Session: one end of an HTTP/2 connection (RFC 9113, RFC 8441), a client's or a server's,
// over nghttp2: bytes in, events and bytes out. It knows no descriptor and holds no payload: what
// arrives is told at once, and what is sent is taken from the caller's pieces as far as the windows
// let it.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/http2_line.h"
#include "protocol/http2_message.h"
#include "protocol/http2_reply.h"
#include "protocol/http2_request.h"

struct nghttp2_session;

namespace sluice {

// Codes of RST_STREAM and GOAWAY (RFC 9113 7).
enum class Http2Code : uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  refused_stream = 0x7,
  cancel = 0x8,
  enhance_your_calm = 0xb,
};

// How a stream is over.
enum class Http2End : uint8_t {
  whole,    // both halves ended
  reset,    // by either side
  broken,   // reset for what the peer sent on it
  refused,  // the same, and the peer has not looked at the request (RFC 9113 8.7)
};

// One stream's owner. Calls come from Http2Session's feed(), pull(), send(), ask() and
// tell_waiting() alone; none of them may call into the session, nor end the stream's owner.
class Http2StreamEvents : private Http2Line::Place {
 public:
  // To a client: an interim answer's head, or the answer's.
  virtual void on_reply(const Http2Reply&, bool /*ended*/) {}
  virtual void on_data(std::span<const uint8_t> bytes) = 0;
  // Trailers, and the peer's half is over.
  virtual void on_trailers(std::string_view lines) = 0;
  virtual void on_end() = 0;
  virtual void on_closed(Http2End end) = 0;
  // What send() did not take for want of a window, or of room, may be offered again.
  virtual void on_writable() = 0;

 protected:
  ~Http2StreamEvents() = default;

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;
  uint32_t unread_ = 0;           // DATA that was told, and of which consumed() has not
  bool ended_ = false;            // our half: nothing more is sent
  bool told_ = false;             // that it may send, since it last did
  bool broke_ = false;            // the peer broke a rule on it
  bool replied_ = false;          // to a client: with more than interim answers
  uint32_t most_head_bytes_ = 0;  // of the answer
  size_t head_bytes_ = 0;         // so much of it came, interim answers included
};

// The connection's owner; as above.
class Http2Events {
 public:
  // To a server: a whole request. Returns who owns its stream from here on and outlives it, or
  // calls disown(); null: nobody wants it, the stream is refused.
  virtual Http2StreamEvents* on_request(int32_t /*stream*/, const Http2Request&, bool /*ended*/) {
    return nullptr;
  }

 protected:
  ~Http2Events() = default;
};

enum class Http2Role : uint8_t { server, client };

struct Http2Settings {
  Http2Role role = Http2Role::server;
  uint32_t max_streams = 128;             // of a server: that the client may have open
  uint32_t stream_window = 65'535;        // bytes of one stream that may come unread
  uint32_t max_header_bytes = 16 * 1024;  // of requests, and of trailers
};

// What a connection did so far that costs us and brings it nothing. They only grow.
struct Http2Costs {
  // Streams that the peer reset, or made us reset by what it sent on them (CVE-2023-44487,
  // CVE-2025-8671).
  uint64_t resets = 0;
  // Frames without a request or payload: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, of
  // kinds that nobody knows.
  uint64_t idle_frames = 0;
};

class Http2Session {
 public:
  // `events` outlives this. Throws std::bad_alloc, as every call does.
  Http2Session(const Http2Settings& settings, Http2Events& events);
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;
  ~Http2Session();

  // What came from the peer, a client's preface first. What it breaks ends the stream or, with a
  // GOAWAY that pull() gives, the connection: over() tells.
  void feed(std::span<const uint8_t> bytes);
  // Appends what is to be sent until `out` holds at least `most` bytes or nothing is left.
  void pull(std::string& out, size_t most);
  // Whether pull() would give anything, or tell a stream that its window has opened.
  bool wants_output() const;
  // Streams that found no room in `out` or in the connection's window wait in line: tells as many
  // from its front as fit into `room` bytes of `out` and into the window. Returns whether others
  // wait while there is room; a later call, once those that were told had their turn, tells them.
  bool tell_waiting(size_t room);
  // Nothing more is read: once what pull() gives is sent, the connection is to be closed.
  bool over() const;
  bool has_streams() const { return streams_ > 0; }
  uint32_t open_streams() const { return streams_; }  // also those that nobody owns any more
  // Why, for the log: static text; "" where the peer did nothing wrong.
  const char* fault() const { return fault_; }

  // Why nothing can be sent on the stream is that the peer opens no window.
  bool window_shut(int32_t stream) const;

  const Http2Costs& costs() const { return costs_; }

  // --- of a client
  // The server's settings have come: before, nothing may be asked.
  bool heard_settings() const { return heard_settings_; }
  // The server takes WebSockets on streams (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441 3).
  bool may_open_websockets() const;
  // So many streams the server lets be open at a time, and whether it takes new ones at all.
  uint32_t most_streams() const;
  bool may_ask() const;
  // A request's head, which is appended to `out` at once. Returns its stream, which `owner` owns as
  // on_request() has it; of the answer's head so many bytes are kept. 0: none can be had.
  int32_t ask(Http2StreamEvents& owner, const std::vector<Http2Field>& fields, bool end,
              uint32_t most_head_bytes, std::string& out);
  // Asks the server for a sign of life.
  void ping();

  // --- a stream. Calls on one that is over do nothing.
  // Interim heads (end is false then), or the answer's. With `end` nothing follows.
  void answer(int32_t stream, const std::vector<Http2Field>& fields, bool interim, bool end);
  // Takes what of the pieces the windows and the room in `out` (up to `most` bytes, frames' headers
  // apart) let it take, and appends it as DATA. Where that is not all, on_writable() comes; who
  // comes while others wait, and was not told, takes nothing and waits behind them.
  // With `last` our half ends with them.
  size_t send(int32_t stream, std::span<const iovec> pieces, std::string& out, size_t most,
              bool last = false);
  // Our half ends behind what was sent, with those trailers.
  void end(int32_t stream, const std::vector<Http2Field>& trailers = {});
  void reset(int32_t stream, Http2Code code);
  // Nobody owns it any more. Where our half was ended and the peer's is not, it is told that
  // nothing more is wanted (of a server's, RFC 9113 8.1, with NO_ERROR), else it is reset.
  void disown(int32_t stream);
  // The owner has passed so much of it on: its window opens.
  void consumed(int32_t stream, size_t bytes);

  // --- the connection
  // No further streams, in two steps, so that none that is on its way is lost (RFC 9113 6.8): an
  // early word, then, some time later, which was the last.
  void announce_shutdown();
  void shut_down();
  // Ends it with GOAWAY of that code. `why` is static text.
  void terminate(Http2Code code, const char* why);

 private:
  friend struct Http2Callbacks;  // nghttp2's C callbacks, in http2_session.cc

  // Of room in line no stream is told of more than a frame's.
  static constexpr size_t most_wanted_bytes = size_t{16} * 1024;

  struct Source {  // of the stream that send() is about
    int32_t stream = 0;
    std::span<const iovec> pieces;
    size_t offset = 0;  // in the first piece
    size_t left = 0;
    bool last = false;
  };

  bool has_room(const std::string& out, size_t most) const;
  void wait_in_line(Http2StreamEvents& owner, size_t wanted_bytes) {
    waiting_.append(owner, static_cast<uint32_t>(std::min(wanted_bytes, most_wanted_bytes)));
  }
  static void tell(Http2StreamEvents& owner) {
    owner.told_ = true;
    owner.on_writable();
  }
  size_t copy_to(uint8_t* room, size_t most);
  void check(int outcome);
  [[noreturn]] void fail_for_memory();
  Http2StreamEvents* owner_of(int32_t stream) const;
  bool is_client() const { return settings_.role == Http2Role::client; }
  // Says of a stream whose other half goes on that nobody listens.
  Http2Code unwanted() const { return is_client() ? Http2Code::cancel : Http2Code::no_error; }
  int submit_settings();

  nghttp2_session* session_ = nullptr;
  Http2Events& events_;
  Http2Settings settings_;
  std::optional<Http2Request> request_;  // whose fields come; one at a time (RFC 9113 6.2)
  std::optional<Http2Reply> reply_;      // the same, to a client
  std::string trailers_;                 // the same of trailers: lines
  Source source_;
  Http2Line waiting_;  // never one whose own window is shut
  Http2Costs costs_;
  const char* fault_ = "";
  uint32_t streams_ = 0;          // that are open
  uint32_t awaited_updates_ = 0;  // of windows, for what was sent
  bool heard_settings_ = false;
  bool out_of_memory_ = false;  // a callback was
  bool broken_ = false;         // it takes nothing any more
};

}  // namespace sluice
