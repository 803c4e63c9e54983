// Connection: one simulated stream between the proxy and a peer, with both kernels' buffers and the
// network between them. It behaves as TCP under Linux does, as far as a non-blocking program can
// see.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/poller.h"
#include "tests/sim/byte_queue.h"

namespace sluice::sim {

class Connection;
class StreamWatch;

// How the proxy let go of a connection.
enum class Farewell : uint8_t {
  none,
  fin,     // close() or shutdown: what was sent before arrives
  abort,   // SO_LINGER 0: RST on purpose
  unread,  // close() with input unread: RST, which destroys what is still on its way
  dead,    // the connection was over already
};

// The peer's program. Calls come while the world advances, never inside a system call.
class PeerEnd {
 public:
  virtual ~PeerEnd() = default;
  virtual void on_bytes() = 0;
  virtual void on_fin() = 0;
  virtual void on_reset() = 0;
};

// Told of every system call of the proxy on a connection. `error` is 0 for a FIN.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_recv(Connection& connection, std::string_view bytes) = 0;
  virtual void on_input_end(Connection& connection, int error) = 0;
  virtual void on_send(Connection& connection, std::string_view bytes) = 0;
  virtual void on_send_error(Connection& connection, int error) = 0;
  virtual void on_farewell(Connection& connection, Farewell farewell) = 0;
  virtual void on_event(Connection& connection, Readiness ready) = 0;
};

// A network's and two kernels' properties.
struct Link {
  uint64_t latency_ns = 50'000;
  uint64_t jitter_ns = 0;
  size_t segment_bytes = 16 * 1024;  // most that travels in one piece
  size_t proxy_receive_bytes = 64 * 1024;
  size_t proxy_send_bytes = 64 * 1024;
  size_t peer_receive_bytes = 64 * 1024;
  bool purges_on_reset = false;  // a RST drops what was received and not read
};

class Connection {
 public:
  enum class State : uint8_t { connecting, open, dead };

  // `wake` tells the kernel that an edge may be due for this connection's descriptor.
  Connection(const Link& link, uint32_t number, std::function<void(Connection&)> wake);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // --- the proxy's side: what system calls do; answers as the kernel's ---------------------------
  ssize_t recv(char* buffer, size_t bytes);
  ssize_t peek(char* buffer, size_t bytes);
  // Whether nothing but urgent data is next: a splice stops there for good.
  bool at_mark() const;
  ssize_t send(std::string_view bytes);
  int shutdown_write();
  void close(bool abort);
  int take_error();
  Readiness poll();                                          // what epoll would find now
  void limit_unsent(size_t bytes) { most_unsent_ = bytes; }  // TCP_NOTSENT_LOWAT

  // --- the peer's side ---------------------------------------------------------------------------
  void write(std::string_view bytes);  // into an unbounded queue; travels as windows permit
  void mark_urgent();                  // behind what was written: reads stop there once
  void finish();                       // FIN behind what was written
  void reset();                        // RST, now
  void close_both();                   // close(): FIN, or RST where input is unread
  std::string read(size_t bytes);      // what has arrived
  size_t unread_by_peer() const { return inbox_.size(); }
  size_t outbox_bytes() const { return outbox_.size(); }
  bool peer_gone() const { return peer_closed_; }
  uint64_t written_by_peer() const { return written_; }

  // --- connecting --------------------------------------------------------------------------------
  void establish();        // from `connecting`, or at birth for accepted ones
  void refuse(int error);  // connecting failed

  // --- for invariants ----------------------------------------------------------------------------
  State state() const { return state_; }
  virtual bool unread_by_proxy() const {
    return !rx_.empty() || error_ != 0 || (ended() && !end_read_);
  }
  virtual bool writable() const;
  size_t undelivered_to_peer() const { return tx_used_; }
  bool closed_by_proxy() const { return farewell_ != Farewell::none && fd < 0; }
  Farewell farewell() const { return farewell_; }
  // Without what the balancer wrote before the peer.
  uint64_t read_by_proxy() const { return received_ - std::min(received_, introduction_bytes); }
  uint32_t number() const { return number_; }

  int fd = -1;  // the proxy's, -1 before accept and after close
  Address remote;
  PeerEnd* peer = nullptr;
  Observer* observer = nullptr;
  StreamWatch* streams = nullptr;   // of HTTP/2, if that is spoken there
  uint64_t introduction_bytes = 0;  // the first ones, a balancer's
  // Bytes are no plaintext: the observer is told of that by the proxy's transport.
  bool in_tls = false;  // at the proxy's end
  bool peer_in_tls = false;
  size_t untaken = 0;         // of the proxy's latest send
  size_t committed = 0;       // plaintext of the proxy that left in part
  uint64_t handed_ns = 0;     // when accept() or connect() gave it to the proxy
  uint64_t left_ns = 0;       // when the proxy ended its half
  uint64_t delivered_ns = 0;  // when something of the proxy's last reached the peer's kernel
  uint64_t touched_ns = 0;    // the proxy's latest system call that moved something
  uint32_t recvs_in_turn = 0;
  uint32_t sends_in_turn = 0;
  uint64_t received_in_turn = 0;
  uint64_t sent_in_turn = 0;
  uint64_t counted_turn = 0;

 protected:
  // A system call that moved so many bytes.
  void count(bool receiving, size_t bytes);

 private:
  bool ended() const { return fin_in_ || state_ == State::dead; }
  uint64_t arrival(uint64_t& latest);
  size_t piece(size_t most);
  ssize_t tell_end();
  void flow_in();
  void flow_out();
  void tell_room();
  void arrive_in(std::string bytes);
  void arrive_fin();
  void arrive_reset(int error);
  void arrive_out(std::string bytes);
  void arrive_fin_at_peer();
  void reset_peer();
  void reset_proxy();
  Observer* observer_of_bytes() const { return in_tls || peer_in_tls ? nullptr : observer; }

  Link link_;
  uint32_t number_;
  std::function<void(Connection&)> wake_;
  State state_ = State::connecting;

  // toward the proxy
  ByteQueue outbox_;
  ByteQueue rx_;
  std::deque<uint64_t> marks_;  // urgent: offsets in what was written
  uint64_t written_ = 0;
  uint64_t received_ = 0;  // of it, read by the proxy
  uint64_t arrived_ = 0;
  size_t in_flight_in_ = 0;
  uint64_t latest_in_ns_ = 0;
  bool peer_fin_ = false;
  bool fin_departed_ = false;
  bool fin_in_ = false;
  bool end_read_ = false;  // recv() has told the end
  int error_ = 0;          // sk_err: told once

  // toward the peer
  ByteQueue tx_;
  ByteQueue inbox_;
  size_t tx_used_ = 0;
  size_t most_unsent_ = SIZE_MAX;
  size_t in_flight_out_ = 0;
  uint64_t latest_out_ns_ = 0;
  bool fin_out_ = false;
  bool fin_out_departed_ = false;
  bool no_space_ = false;
  bool peer_closed_ = false;
  bool peer_reset_told_ = false;
  Farewell farewell_ = Farewell::none;
};

}  // namespace sluice::sim
