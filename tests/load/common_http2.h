// Http2Session and Http2Stream: HTTP/2 (RFC 9113) without a descriptor, over nghttp2. Bytes of a
// connection go in and come out; WebSockets on it (RFC 8441) are streams of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/poller.h"
#include "net/pool.h"
#include "net/transport.h"
#include "protocol/head.h"

struct nghttp2_session;

namespace sluice::load {

class Http2Session;

// In order, pseudo-header fields (":path") first; names are in lower case.
using Http2Fields = std::vector<std::pair<std::string, std::string>>;

// The first of that name, "" where there is none.
std::string_view value_of(const Http2Fields& fields, std::string_view name);
// Adds views of them.
void add_views(const Http2Fields& fields, Head& head);

// What a client without TLS says first (RFC 9113 3.4).
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// One stream. It may outlive its session, and has failed then. What it does is sent when the
// session's owner asks for that. Gone before its end, it is reset.
class Http2Stream final : public Transport {
 public:
  Http2Stream(Http2Session& session, int32_t id);
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;
  ~Http2Stream() override;

  // As Transport says. What is received opens the stream's window; send takes what both windows and
  // the session's buffer have room for.
  Io recv(std::span<const iovec> pieces) override;
  Io send(std::span<const iovec> pieces) override;
  bool shutdown_write() override;
  const char* failure() const override { return failure_ == nullptr ? "" : failure_; }
  bool was_reset() const { return was_reset_; }
  // How many bytes send() would take now.
  size_t room() const;

  // The peer's: a request's, or the final answer's once it came. Null before, and once dropped.
  const Http2Fields* head() const { return head_whole_ ? head_.get() : nullptr; }
  void drop_head() { head_.reset(); }
  // A server's. Comes before anything is sent.
  void answer(const Http2Fields& fields);

  Handle owner;  // who is told of news

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  enum class Blocked : uint8_t { no, by_window, by_others };

  bool usable() const { return session_ != nullptr && failure_ == nullptr && !closed_; }
  void fail(const char* failure, bool was_reset);

  Http2Session* session_;
  std::unique_ptr<Http2Fields> head_;
  std::vector<uint8_t> in_;  // received, not yet taken: at most the window
  size_t in_begin_ = 0;
  const char* failure_ = nullptr;  // static text
  size_t place_ = 0;               // in the session's list
  int32_t id_;
  Readiness news_;
  bool in_news_ = false;
  bool head_whole_ = false;
  bool ended_ = false;             // the peer sent END_STREAM
  bool ending_ = false;            // we do, once there is room
  bool has_body_ = false;          // of ours: a request or an answer was begun
  Blocked blocked_ = Blocked::no;  // send did not take all
  bool granted_ = false;           // it is its turn
  bool closed_ = false;            // both ends are there, or a reset
  bool was_reset_ = false;
};

class Http2Session {
 public:
  enum class Role : uint8_t { client, server };

  static constexpr uint32_t window_bytes = 256 * 1024;  // of a stream; it may hold as much
  static constexpr size_t out_bytes = 256 * 1024;       // more is not built before it is sent
  static constexpr size_t grant_bytes = 32 * 1024;      // a stream's turn, where others wait
  static constexpr size_t most_head_bytes = 64 * 1024;

  // `most_streams`: of the peer at a time.
  Http2Session(Role role, uint32_t most_streams);
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;
  ~Http2Session();

  // Takes what the peer sent; false where it is no HTTP/2.
  bool feed(std::span<const uint8_t> bytes);
  // The latest thing that was wrong, GOAWAY among it; "" where nothing was.
  const std::string& reason() const { return reason_; }

  // Bytes for the peer, good until the next call of anything; sent() says how many of them went.
  std::span<const uint8_t> unsent();
  void sent(size_t bytes);
  // From now on `handle` is added there whenever there may be bytes for the peer, once until
  // unsent() is asked. The list outlives the session.
  void report_output(std::vector<Handle>& list, Handle handle);

  // Streams whose requests came, each once; they are the caller's from then on.
  std::vector<std::unique_ptr<Http2Stream>> take_requests() { return std::move(requests_); }
  // Calls visit(stream, readiness) for the streams on which there is something new.
  template <class Visit>
  void for_news(Visit visit) {
    std::vector<Http2Stream*> told;
    told.swap(news_);
    for (Http2Stream* stream : told) {
      stream->in_news_ = false;
      visit(*stream, std::exchange(stream->news_, Readiness{}));
    }
  }
  bool has_news() const { return !news_.empty() || !requests_.empty(); }

  // A client's: a request with these fields, whose body stays open. Null where no more can be had.
  std::unique_ptr<Http2Stream> open(const Http2Fields& fields);
  // What the peer's SETTINGS say, once they came.
  bool settled() const { return settled_; }
  bool extended_connect() const;  // RFC 8441 3
  uint32_t most_streams() const;
  bool refuses_streams() const { return refuses_streams_; }  // it sent GOAWAY
  size_t streams() const { return streams_.size(); }

  void end();         // GOAWAY
  bool over() const;  // nothing more is to be received or sent
  void lose();        // the connection ended: all streams fail

 private:
  friend class Http2Stream;
  friend struct Http2Callbacks;

  // What send() has at hand while nghttp2 asks for it.
  struct Offer {
    Http2Stream* stream = nullptr;
    std::span<const iovec> pieces;
    size_t most = 0;
    size_t taken = 0;
  };

  void note(Http2Stream& stream, Readiness news);
  void unblock(Http2Stream& stream);
  void unblock_windows();
  void block(Http2Stream& stream);
  void grant();
  size_t own_window(const Http2Stream& stream) const;
  size_t shared_room(const Http2Stream& stream) const;
  void consume(const Http2Stream& stream, size_t bytes);
  void answer(const Http2Stream& stream, const Http2Fields& fields);
  void end(const Http2Stream& stream);
  size_t transmit(Http2Stream& stream, std::span<const iovec> pieces);
  void make_frames();
  bool make_frame();
  void mark_output();
  void attach(Http2Stream& stream);
  void detach(Http2Stream& stream);
  size_t out_size() const { return out_.size() - out_begin_; }

  nghttp2_session* session_ = nullptr;
  std::unique_ptr<Http2Stream> begun_;  // its request's head is on its way
  std::vector<std::unique_ptr<Http2Stream>> requests_;
  std::vector<Http2Stream*> streams_;
  std::vector<Http2Stream*> news_;
  std::vector<Http2Stream*> waiting_;  // for room in `out_` or the connection's window
  std::vector<uint8_t> out_;
  size_t out_begin_ = 0;
  Offer offer_;
  std::string reason_;
  size_t received_ = 0;  // of DATA, since feed() began
  bool settled_ = false;
  bool refuses_streams_ = false;
  bool marked_ = false;  // in the list of report_output()
  std::vector<Handle>* outputs_ = nullptr;
  Handle handle_;
};

}  // namespace sluice::load
