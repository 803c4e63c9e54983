// Tracer: what a worker was told to show of handshakes, and what it has found and not sent yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/session/trace_order.h"

namespace sluice {

// What is known of a handshake when it is judged; what is not known is empty.
struct TraceFacts {
  std::string client;       // "192.0.2.7:4711"
  std::string client_host;  // the same without its port
  std::string path;         // in normal form
  std::string host;         // without port, in lower case
  std::string route;
  std::optional<UpstreamId> upstream;
  std::optional<ListenerId> listener;
};

// A handshake's lines, or the part of them that a message has room for.
struct TracePiece {
  uint32_t order = 0;
  uint32_t left_out = 0;  // handshakes since the last piece that could not be observed
  bool whole = true;      // the handshake's last one
  std::string text{};     // a JSON object a line
};

class HandshakeTrace;

// One per worker. While nobody traces it costs a handshake one look at on().
class Tracer {
 public:
  bool on() const { return !orders_.empty(); }
  void begin(const TraceOrder& order);
  // Nothing more is wanted for it.
  void end(uint32_t number);
  // The piece before was told: the next one may go.
  void more(uint32_t number);

  // Whether a handshake of that listener is to be observed; drops orders whose time is over, and
  // counts those for which there is no room.
  bool wants(std::optional<ListenerId> listener, uint64_t now_ms);
  // Whether one with these facts is wanted by any order.
  bool matches(const TraceFacts& facts) const;

  // The next piece of an order that may have one, of at most so many bytes; each is of one
  // handshake, and the next one of the same order waits for more(). Nullopt: nothing is to go.
  std::optional<TracePiece> next_piece(size_t most_bytes);
  // A piece that could not be sent goes first again.
  void put_back(TracePiece piece);

 private:
  friend class HandshakeTrace;

  struct Found {
    std::string text;
    size_t sent = 0;
    uint32_t lines = 0;
  };
  struct Entry {
    TraceOrder order;
    std::deque<Found> found;
    uint32_t left_out = 0;
    bool may_send = true;
  };

  // For HandshakeTrace: room for a line, and what it noted, with its end.
  bool take_line();
  void give_lines_back(uint32_t count) { lines_ -= count; }
  void finish(const TraceFacts& facts, const std::string& text, uint32_t lines);
  size_t most_lines() const;
  void drop(Entry& entry);

  std::vector<Entry> orders_;  // as many as the control socket has clients, at most
  size_t lines_ = 0;           // that are kept
};

}  // namespace sluice
