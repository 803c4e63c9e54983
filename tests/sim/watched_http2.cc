// The proxy's Http2Stream, watched: linked in place of core/session/make_http2_stream.cc. What its
// session reads and sends is told to the stream's observer as a plain connection tells it of system
// calls.
#include <cerrno>
#include <string>

#include "core/session/http2_connection.h"
#include "core/session/http2_stream.h"
#include "tests/sim/http2_tap.h"
#include "tests/sim/kernel.h"

namespace sluice {

namespace {

using sim::Farewell;

std::string first_bytes(std::span<const iovec> pieces, size_t count) {
  std::string bytes;
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base),
                 std::min(piece.iov_len, count - bytes.size()));
    if (bytes.size() == count) break;
  }
  return bytes;
}

sim::Http2Leg& leg_of(const Http2Connection& connection, int32_t id) {
  sim::StreamWatch* const watch = sim::kernel().stream(connection.socket()).streams;
  if (watch == nullptr) sim::world().fail("a stream of a client that speaks no HTTP/2");
  return watch->leg_of(id);
}

class WatchedHttp2 final : public Http2ClientStream {
 public:
  WatchedHttp2(Http2Connection& connection, int32_t id, const Http2Request& request, bool ended)
      : Http2ClientStream(connection, id, request, ended), leg_(leg_of(connection, id)) {}
  ~WatchedHttp2() override { leg_.part(farewell()); }

  Io recv(std::span<const iovec> pieces) override {
    leg_.take();
    const Io io = Http2Stream::recv(pieces);
    if (io.bytes > 0) leg_.told_input(first_bytes(pieces, io.bytes));
    if (io.state == Io::State::ended) leg_.told_end(0);
    if (io.state == Io::State::failed) leg_.told_end(io.error);
    return io;
  }

  Io send(std::span<const iovec> pieces) override {
    leg_.take();
    const bool was_over = is_over();
    const Io io = Http2Stream::send(pieces);
    broken_ = broken_ || (!was_over && is_over());
    leg_.told_output(first_bytes(pieces, io.bytes));
    if (io.state == Io::State::failed) leg_.told_send_error(EPIPE);
    return io;
  }

  bool shutdown_write() override {
    leg_.take();
    const bool was_over = is_over();
    const bool done = Http2Stream::shutdown_write();
    broken_ = broken_ || (!was_over && is_over());
    ended_ = true;
    leg_.ended_output();
    return done;
  }

  void abort() override {
    leg_.take();
    aborted_ = !is_over();
    Http2Stream::abort();
  }

  void on_data(std::span<const uint8_t> bytes) override {
    Http2Stream::on_data(bytes);
    leg_.told_event({.readable = true});
  }
  void on_end() override {
    Http2Stream::on_end();
    leg_.told_event({.readable = true, .ended = true});
  }
  void on_closed(Http2End end) override {
    Http2Stream::on_closed(end);
    if (is_over()) leg_.told_event({.readable = true, .writable = true});
  }
  void on_writable() override {
    Http2Stream::on_writable();
    leg_.told_event({.writable = true});
  }

 private:
  // `broken_`: an answer that could not be told to its end.
  Farewell farewell() const {
    if (aborted_ || broken_) return Farewell::abort;
    if (is_over()) return Farewell::dead;
    return ended_ ? Farewell::fin : Farewell::unread;
  }

  sim::Http2Leg& leg_;
  bool ended_ = false;
  bool aborted_ = false;
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Http2ClientStream> make_http2_stream(Http2Connection& connection, int32_t id,
                                                     const Http2Request& request, bool ended) {
  return std::make_unique<WatchedHttp2>(connection, id, request, ended);
}

}  // namespace sluice
