// BenchWorker: one thread of sluice-bench. It opens its share of the connections, waits for the
// other threads, drives the load until the time is over, and ends every connection cleanly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/pool.h"
#include "net/reactor.h"
#include "tests/load/bench_carriers.h"
#include "tests/load/bench_connection.h"
#include "tests/load/common_http2_connections.h"

namespace sluice::load {

class BenchWorker final : public EventHandler, public Http2User {
 public:
  // Takes the connections `index`, `index` + threads, ...
  BenchWorker(Run& run, uint32_t index);

  Status open() { return reactor_.open(); }
  void run();  // returns when all is over
  const Tally& tally() const { return shared_.tally; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;
  void on_stream(Handle owner, Readiness ready) override;
  void on_secured(const Link& link) override;
  void on_settled(Handle connection, Http2Session& session) override;
  void on_lost(Handle connection, int connect_error, const std::string& why) override;

 private:
  void open_all();
  int open_due(uint32_t& next, uint64_t begin_ns);
  void await_others();
  void begin_all();
  void drive();
  void begin_counting(uint64_t now_ns);
  void mark(const char* line) const;
  void end_all();

  void turn(int most_ms);
  void release_messages(uint64_t now_ns);
  void start_cycles(uint64_t now_ns);
  uint64_t next_due_ns() const;
  bool over(uint64_t now_ns) const;

  void connect(uint32_t number, uint64_t started_ns);
  bool try_connect(uint32_t number, uint64_t started_ns, int& error);
  bool await_stream(uint32_t number, uint64_t started_ns, int& error);
  bool assign(Handle handle, BenchConnection& connection, int& error);
  BenchCarrier* find_carrier();
  bool open_carrier(int& error);
  void open_stream(Handle handle, BenchConnection& connection, Http2Session& session);
  void refuse(Handle handle, int connect_error, const std::string& why);
  void on_connect_error(uint32_t number, size_t address, int error);
  void pump(Handle handle, BenchConnection& connection);
  void on_open(Handle handle, BenchConnection& connection);
  void on_end(Handle handle, BenchConnection& connection, BenchConnection::Stage before);
  void arm(Handle handle, BenchConnection& connection, uint64_t ms);
  uint64_t quota_of(uint32_t number) const;

  Run& run_;
  const BenchOptions& options_;
  uint32_t index_;
  uint32_t share_;  // how many connections are ours
  BenchShared shared_;
  Reactor reactor_;
  Reactor::HandlerId id_;
  Pool<BenchConnection> connections_;
  Http2Connections http2_;  // attached last: its turn ends behind that of the streams
  BenchCarriers carriers_;
  std::vector<Handle> handles_;    // by place among ours
  std::vector<uint32_t> retries_;  // connections to be tried at the next address
  size_t address_ = 0;             // of the server's, the one in use
  uint64_t connects_ = 0;          // for the choice of the source
  uint32_t unsettled_ = 0;         // connections that are neither open nor failed yet
  uint64_t start_ns_ = 0;
  uint64_t counted_from_ns_ = UINT64_MAX;  // start_ns_ and the warm-up
  uint64_t end_ns_ = UINT64_MAX;
  double step_ns_ = 0;     // between two messages, or cycles, of this thread; 0: no fixed rate
  double next_ns_ = 0;     // when the next one is due
  uint64_t released_ = 0;  // messages or cycles so far
  bool counted_ = false;   // the counting has begun
  bool ending_ = false;
};

}  // namespace sluice::load
