// EchoConnection: one client of sluice-echo, from its handshake to the FIN, or one stream of a
// client that speaks HTTP/2. It owns no buffer but what the client has not taken yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/timers.h"
#include "protocol/http1.h"
#include "tests/load/common_counter.h"
#include "tests/load/common_link.h"
#include "tests/load/common_output.h"
#include "tests/load/common_walker.h"
#include "tests/load/echo_options.h"

namespace sluice::load {

// The bytes that flood sends over and over: whole frames. Built once, read by all threads.
struct FloodBlock {
  explicit FloodBlock(uint64_t payload_bytes);

  size_t frame_bytes;
  std::vector<uint8_t> bytes;
};

struct alignas(64) EchoCounters {
  Counter connections;
  Counter streams;
  Counter messages;       // answered, dropped, or by flood sent
  Counter payload_bytes;  // received
  Counter refusals;       // handshakes
  Counter faults;         // of the protocol, by clients
};

// What the connections of one thread share.
struct EchoShared {
  static constexpr size_t in_bytes = 256 * 1024;
  // An answer is never longer than what it answers, but for the 101, a head sent back (at most 16
  // KiB of it came before `in` was read), a page and a Close of ours.
  static constexpr size_t out_bytes = in_bytes + 64 * 1024;

  const EchoOptions& options;
  const FloodBlock& flood;
  EchoCounters& counters;
  std::vector<uint8_t> in = std::vector<uint8_t>(in_bytes);
  Output out{out_bytes};
};

//   securing -> opening --101--> open --Close of either side--> closing --both Closes--> lingering
//   --FIN--> gone
//      \------------------ refusal, protocol error -----------------------------^
class EchoConnection {
 public:
  enum class Next : uint8_t {
    wait,
    run_again,
    gone,
    http2,  // the link and first_bytes() are to be taken from here
  };

  explicit EchoConnection(int fd);
  explicit EchoConnection(std::unique_ptr<Http2Stream> stream);

  Link& link() { return link_; }
  std::span<const uint8_t> first_bytes() const { return leftover_; }
  // Moves what can be moved, a bounded number of rounds.
  Next pump(EchoShared& shared);
  // Once it is true, only the client keeps the connection alive: give it a deadline.
  bool closing() const { return stage_ >= Stage::closing && held_ms_ == 0; }
  // How long what it answers is to be held back, 0: not at all. release() ends that.
  uint64_t held_ms() const { return held_ms_; }
  void release() { held_ms_ = 0; }

  TimerId deadline = 0;  // the server's
  TimerId hold = 0;      // the server's
  bool queued = false;   // the server's: it is on the run queue

 private:
  enum class Stage : uint8_t { securing, opening, open, closing, lingering, gone, http2 };

  void secure(EchoShared& shared);
  void receive(EchoShared& shared);
  bool asks_for_http2(const EchoShared& shared, std::span<const uint8_t> bytes);
  size_t take_opening(EchoShared& shared, std::span<const uint8_t> bytes);
  void answer_request(EchoShared& shared);
  void note_refusal(EchoShared& shared, const char* reason);
  void send_text(EchoShared& shared, const std::string& text);
  void take_frames(EchoShared& shared, std::span<const uint8_t> bytes);
  void take_data(EchoShared& shared, const FrameStep& step);
  void take_control(EchoShared& shared, const FrameStep& step);
  void send_close(EchoShared& shared, std::span<const uint8_t> payload);
  void deliver(EchoShared& shared, uint64_t delay_ms);
  void flush(EchoShared& shared);
  void send_answer();
  void send_flood(EchoShared& shared, size_t most);
  bool floods(const EchoShared& shared) const;
  bool amid_flood_frame(const EchoShared& shared) const;

  Link link_;
  std::unique_ptr<Http1Parser> parser_;  // from the first byte to the 101
  std::unique_ptr<Http2Fields> answer_;  // of a stream, not sent yet
  FrameWalker walker_{true};
  std::vector<uint8_t> leftover_;  // an incomplete header or control frame
  std::vector<uint8_t> unsent_;    // nothing is received before the client has taken it
  size_t unsent_begin_ = 0;
  size_t flood_offset_ = 0;  // in the flood block
  uint64_t held_ms_ = 0;
  Stage stage_ = Stage::securing;
  bool close_received_ = false;
};

}  // namespace sluice::load
