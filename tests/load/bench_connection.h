// BenchConnection: one connection of sluice-bench, from connect to FIN, or one stream of HTTP/2
// that is a WebSocket. It sends messages as far as it is allowed to, looks at what comes back, and
// reports to the thread's Tally.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/timers.h"
#include "tests/load/bench_opening.h"
#include "tests/load/bench_tally.h"
#include "tests/load/bench_writer.h"
#include "tests/load/common_link.h"
#include "tests/load/common_output.h"
#include "tests/load/common_walker.h"

namespace sluice::load {

// What the connections of one thread share.
struct BenchShared {
  static constexpr size_t buffer_bytes = 256 * 1024;

  explicit BenchShared(const Run& whole) : run(whole), writer(whole.messages, whole.key_seed) {}

  const Run& run;
  Tally tally;
  TlsSessionSlot session;  // the latest one that the server gave
  MessageWriter writer;
  std::vector<uint8_t> in = std::vector<uint8_t>(buffer_bytes);
  Output out{buffer_bytes};
  bool counting = true;  // false once the time is over: echoes are still compared
};

// A fixed rate: message n of the connection is to be sent at first_ns + n * interval_ns, and its
// latency counts from then, whenever it was really sent (no coordinated omission).
struct Schedule {
  uint64_t first_ns = 0;
  double interval_ns = 0;  // 0: no fixed rate

  uint64_t at(uint64_t number) const {
    return first_ns + static_cast<uint64_t>(static_cast<double>(number) * interval_ns);
  }
};

//   connecting -> securing -> opening --101--> open --finish()--> closing --Close came--> finishing
//   --FIN--> ended
//        any: --error--> ended
class BenchConnection {
 public:
  enum class Stage : uint8_t { connecting, securing, opening, open, closing, finishing, ended };
  static constexpr uint64_t unlimited = UINT64_MAX;

  // `number` is the connection's, `quota` its share of --messages. Without a descriptor (-1) it
  // waits for a stream.
  BenchConnection(int fd, uint32_t number, uint64_t quota, uint64_t started_ns);

  Link& link() { return link_; }
  Stage stage() const { return stage_; }
  uint32_t number() const { return number_; }
  // Why connecting failed; the worker counts it, or tries another address.
  int connect_error() const { return connect_error_; }

  // The stream on which its request went out.
  void carry(std::unique_ptr<Http2Stream> stream);
  // There will be no stream: an errno of connecting, or another reason.
  void refuse(BenchShared& shared, int connect_error, const std::string& why);
  // Moves what can be moved, a bounded number of rounds; true where more can be.
  bool pump(BenchShared& shared);
  // Messages may be sent from now on; with a schedule, as many as add_due() was called for.
  void begin(BenchShared& shared, uint64_t now_ns, const Schedule& schedule);
  void add_due() { ++due_; }
  // No message more: Close 1000 behind what was begun. Does nothing before and after `open`.
  void finish();
  // The time is over for what the stage waits for; false where bytes came since the last call.
  bool expire(BenchShared& shared);

  TimerId timer = 0;    // the worker's
  bool queued = false;  // the worker's: it is on the run queue
  size_t address = 0;   // the worker's: which of the server's addresses
  Handle carrier;       // the worker's: the HTTP/2 connection

 private:
  void connect_done(BenchShared& shared);
  void secure(BenchShared& shared);
  void send_request(BenchShared& shared);
  void receive(BenchShared& shared);
  size_t take_answer(BenchShared& shared, std::span<const uint8_t> bytes);
  void take_stream_answer(BenchShared& shared);
  void on_answer(BenchShared& shared, const std::string& fault);
  void take_frames(BenchShared& shared, std::span<const uint8_t> bytes);
  void take_data(BenchShared& shared, const FrameStep& step);
  void compare(BenchShared& shared, std::span<const uint8_t> bytes);
  void end_message(BenchShared& shared);
  void take_control(BenchShared& shared, const FrameStep& step);
  void take_close(BenchShared& shared, std::span<const uint8_t> payload);
  void put_control(Opcode opcode, std::span<const uint8_t> payload);
  void transmit(BenchShared& shared);
  void on_end(BenchShared& shared, const Io& io);
  void fail(BenchShared& shared, ErrorKind kind, const std::string& text);

  bool control_next(const BenchShared& shared) const;
  uint64_t stream_end(const BenchShared& shared) const;
  void count_sent(BenchShared& shared, uint64_t from);
  uint64_t begun(const BenchShared& shared) const;
  bool can_send(const BenchShared& shared) const;

  Link link_;
  std::unique_ptr<Opening> opening_;
  FrameWalker walker_{false};
  std::vector<uint8_t> leftover_;  // an incomplete header or control frame
  std::vector<uint8_t> control_;   // control frames to be sent at the next frame boundary
  size_t control_sent_ = 0;
  std::vector<uint64_t> allowed_ns_;  // when messages might be sent, by number % pipeline
  Schedule schedule_;
  uint64_t quota_;
  uint64_t started_ns_;
  uint64_t received_ns_ = 0;  // when the bytes that are looked at came
  uint64_t position_ = 0;     // in the stream of messages: what the kernel took
  uint64_t due_ = 0;
  uint64_t replies_ = 0;
  uint64_t reply_offset_ = 0;  // in the reply that is coming
  uint32_t number_;
  int connect_error_ = 0;
  Stage stage_ = Stage::connecting;
  bool sending_ = false;
  bool mismatched_ = false;  // the reply that is coming
  bool stray_ = false;       // what is coming answers nothing and does not count
  bool heard_ = false;       // bytes came since expire() was asked
};

}  // namespace sluice::load
