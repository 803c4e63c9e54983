// Leg: one of a session's two connections, namely its descriptor, what is known of its readiness,
// and the transport over the descriptor where there is one, such as TLS.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

#include "net/poller.h"
#include "net/reactor.h"
#include "net/result.h"
#include "net/sys.h"
#include "net/transport.h"

namespace sluice {

enum class Side : uint8_t { client = 0, upstream = 1 };

inline Side other(Side side) {
  return side == Side::client ? Side::upstream : Side::client;
}
inline unsigned index_of(Side side) {
  return static_cast<unsigned>(side);
}

// Beside an upstream's leg stands at times that of a rival (dial.h), which is watched as this
// number.
inline constexpr unsigned rival_leg = 2;

// How a connection is closed: by a FIN, or by a RST.
enum class End : uint8_t { orderly, abort };

// Whom the reactor calls when a leg is ready, and as which leg.
struct Watch {
  Reactor::HandlerId handler;
  Handle handle;
  unsigned leg;
};

// Owns its descriptor from open() to close(). Readiness is edge-triggered: a flag is cleared only
// where the kernel is known to have nothing more (core/DESIGN.md section 2).
class Leg {
 public:
  // Takes over a descriptor that is non-blocking, and has it watched. Where that fails, the
  // descriptor is closed and the leg is not open.
  [[nodiscard]] Status open(Reactor& reactor, int fd, const Watch& watch);
  // Ends the connection: in order, with the transport's last word (TLS's close_notify tells an end
  // in order from one cut off), or by an abort. Does nothing where the leg is not open.
  void close(Reactor& reactor, End how) noexcept;

  // Of a stream: it ended before its peer looked at what was asked on it.
  bool refused() const { return is_stream() && transport_->refused(); }

  // Goes on with another leg's connection, which is watched anew as this one, so that the reactor
  // tells once more what it is ready for. This one must not be open; the other one is not any more
  // afterwards. Where it fails, the connection is closed.
  [[nodiscard]] Status take_over(Reactor& reactor, Leg& from, const Watch& watch);

  // The leg is a stream of a connection that is somebody else's: it has no descriptor of its own,
  // and whoever owns the connection announces its readiness.
  void open_stream(std::unique_ptr<Transport> stream, const Watch& watch) {
    attach(stream_descriptor);
    transport_ = std::move(stream);
    transport_->watch(watch.handle, watch.leg);
    readable = writable = true;
  }

  // open() and close() without a reactor, for tests: the descriptor is watched and closed
  // elsewhere.
  void attach(int fd) {
    fd_ = fd;
    readable = writable = input_ended = output_ended = false;
    short_means_drained_ = true;
    error_ = 0;
  }
  void detach() {
    fd_ = -1;
    transport_.reset();
    readable = writable = false;
    input_ended = output_ended = true;
  }

  bool is_open() const { return fd_ != -1; }
  bool is_stream() const { return fd_ == stream_descriptor; }
  bool has_descriptor() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // The descriptor that its bytes pass through, whosever it is: for its addresses.
  int socket() const { return is_stream() ? transport_->socket() : fd_; }

  // From here on everything goes through that transport, which works on this leg's descriptor.
  void wrap(std::unique_ptr<Transport> transport) { transport_ = std::move(transport); }
  // Back to the plain descriptor, for a last word to a peer that does not speak the transport's
  // protocol.
  void unwrap() { transport_.reset(); }

  void note(Readiness ready) {
    readable = readable || ready.readable;
    writable = writable || ready.writable;
    short_means_drained_ = short_means_drained_ && ready.short_means_drained();
  }

  // The transport's handshake may already have read bytes that no further edge will announce.
  void assume_readable() { readable = true; }
  // A connection just accepted takes an answer, whose edge is yet to come.
  void assume_writable() { writable = true; }
  // The peer takes nothing any more: what it sent before is still read, and that read tells the
  // end.
  void read_to_the_end() {
    output_ended = true;
    readable = true;
  }
  // The same once all of it was read and no end came with it.
  void end_input() { input_ended = true; }

  // recv and send that keep the four flags true to the kernel's state.
  Io recv(std::span<const iovec> pieces) {
    return received(through([&](auto& transport) { return transport.recv(pieces); }));
  }
  Io send(std::span<const iovec> pieces) {
    return sent(through([&](auto& transport) { return transport.send(pieces); }));
  }
  // Whether bytes may pass by the kernel alone, by the next three: not through a transport, and not
  // where something was reported that a splice may stop at for good (urgent data).
  bool may_splice() const { return transport_ == nullptr && short_means_drained_; }
  Io peek(std::span<uint8_t> room) { return received(PlainTransport(fd_).peek(room)); }
  Io splice_into(const Pipe& pipe, size_t bytes) {
    return received(PlainTransport(fd_).splice_into(pipe, bytes));
  }
  Io splice_from(const Pipe& pipe, size_t bytes) {
    return sent(PlainTransport(fd_).splice_from(pipe, bytes));
  }
  // Transport::committed.
  size_t committed() const {
    return through([](const auto& transport) { return transport.committed(); });
  }
  // What was sent and has not reached the peer, in TLS as ciphertext; -errno, where the system
  // does not tell.
  int undelivered_bytes() const {
    if (is_stream()) return static_cast<int>(transport_->unsent_bytes());
    const int queued = sys::undelivered_bytes(fd_);
    if (queued < 0) return queued;
    const size_t held = through([](const auto& transport) { return transport.unsent_bytes(); });
    return queued + static_cast<int>(held);
  }
  // Ends our half in order, now or, where the transport finds no room for its last word, at a later
  // call.
  void shutdown_write() {
    if (output_ended) return;
    output_ended = through([](auto& transport) { return transport.shutdown_write(); });
  }
  // To be called when the leg turns writable: the transport may hold what no send() waits for.
  void flush_held() {
    if (writable && !through([](auto& transport) { return transport.flush_held(); })) {
      writable = false;
    }
  }
  // Static text on why the connection failed: what the transport says of it, else what the kernel
  // said. "" where neither said anything.
  const char* failure() const {
    const char* told = through([](const auto& transport) { return transport.failure(); });
    return *told != '\0' ? told : io_error_text(error_);
  }

  // Read by everybody, set here alone (and by tests, which play the kernel).
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool input_ended : 1 = false;   // FIN or an error was read: nothing more will come
  bool output_ended : 1 = false;  // our FIN is sent, or the peer takes nothing any more

 private:
  // The only place that knows a bare descriptor from a transport. Calls on the bare one need no
  // virtual call, nor memory in the leg.
  template <class Call>
  auto through(Call call) const -> decltype(call(std::declval<Transport&>())) {
    if (transport_ != nullptr) return call(*transport_);
    PlainTransport bare(fd_);
    return call(bare);
  }
  Io received(const Io& io) {
    if (exhausted(io)) readable = false;
    if (io.state == Io::State::ended || io.state == Io::State::failed) input_ended = true;
    if (io.state == Io::State::failed) keep_error(io.error);
    return io;
  }
  Io sent(const Io& io) {
    if (exhausted(io)) writable = false;
    if (io.state == Io::State::failed) keep_error(io.error);
    return io;
  }
  // The kernel tells the cause once, to a send or to a recv; EPIPE only says that it has told.
  void keep_error(int error) {
    if (error_ == 0 || error_ == EPIPE) error_ = static_cast<uint16_t>(error);
  }
  void close_stream(End how) noexcept;
  // Whether the kernel is known to have nothing more.
  bool exhausted(const Io& io) const {
    return io.state != Io::State::open || (short_means_drained_ && io.short_count);
  }

  static constexpr int stream_descriptor = -2;

  bool short_means_drained_ : 1 = true;
  uint16_t error_ = 0;  // errno of the first failure; in what would be padding
  int fd_ = -1;
  std::unique_ptr<Transport> transport_;  // null: the bare descriptor
};

}  // namespace sluice
