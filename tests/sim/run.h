// Run: one seed from the worker's birth to its end, with everything that is checked on the way.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/session/client_limits.h"
#include "tests/sim/guards.h"
#include "tests/sim/http2_client.h"
#include "tests/sim/http2_plan.h"
#include "tests/sim/http2_tap.h"
#include "tests/sim/http_visit.h"
#include "tests/sim/kernel.h"
#include "tests/sim/password_plan.h"
#include "tests/sim/peer.h"
#include "tests/sim/plan.h"
#include "tests/sim/record.h"
#include "tests/sim/reloads.h"
#include "tests/sim/scenery.h"
#include "tests/sim/tls_wire.h"
#include "tests/sim/world.h"

namespace sluice::sim {

// What runs added up to, to see that they are not empty.
struct Totals {
  uint64_t runs = 0;
  uint64_t sessions = 0;
  uint64_t relayed = 0;
  uint64_t turns = 0;
  uint64_t acts = 0;
  uint64_t bytes = 0;
  uint64_t closed = 0;  // first incidents
  uint64_t bad = 0;
  uint64_t left = 0;
  uint64_t idle = 0;
  uint64_t leaving = 0;
  uint64_t refused = 0;
  uint64_t strict = 0;   // sides about which everything was known
  uint64_t plain = 0;    // plain requests that were answered
  uint64_t reused = 0;   // those that came on a kept connection to their upstream
  uint64_t told = 0;     // by the proxy itself
  uint64_t behind = 0;   // sessions that began behind plain requests
  uint64_t streams = 0;  // sessions whose client's leg was one, of HTTP/2
};

class Run final : private Dialled, private Watcher {
 public:
  Run(uint64_t seed, RunKind kind, bool print_trace);
  ~Run() override;

  // Fails the world, or returns.
  void go(Totals& totals);
  std::string describe() const;
  uint64_t digest() const { return world_.digest(); }

 private:
  struct Session {
    SessionPlan plan;
    Link client_link;
    TlsWire* client_tls = nullptr;
    std::unique_ptr<ClientPeer> client;
    std::unique_ptr<UpstreamPeer> upstream;
    std::unique_ptr<Record> record;
    std::optional<VisitPlan> visit_plan;
    std::unique_ptr<Visit> visit;  // null: its client makes no plain requests
    bool http2 = false;
    std::optional<TlsHabits> line_tls;  // of the connection that it may open
    Http2StreamWire* stream = nullptr;  // its client's
    bool missed = false;                // nobody listened any more
    uint64_t waits_since_ns = 0;        // connected and not accepted, with descriptors left

    bool in_vain() const { return stream != nullptr && stream->in_vain(); }
    bool accepted() const { return record->accepted() || (visit != nullptr && visit->accepted()); }
    bool over() const { return record->over() || (visit != nullptr && visit->over()); }
  };
  struct Line {  // a client's connection of HTTP/2
    Http2Plan plan;
    Introduction introduction;
    bool doomed = false;
    uint64_t way_ns = 0;  // of all its streams' bytes, at most
    std::unique_ptr<Http2Tap> tap;
    std::unique_ptr<Http2Client> client;
  };
  struct Kept {        // an upstream's connection that was asked and answered
    Doorman* doorman;  // of the next request
    uint64_t since_ns;
    uint64_t for_ns;
  };
  struct Report {  // what SIGUSR2 makes the worker say
    uint64_t sessions, relaying, rings, blocks, bytes, pipes, transits, timers, confs;
  };
  struct Expected {  // of it, at the moment of the signal
    uint64_t live = 0;
    uint64_t rings = 0;
    uint64_t blocks = 0;
    uint64_t transits = 0;
    uint64_t lines = 0;  // of HTTP/2, each with a timer
  };

  void introduce(const Introduction& introduction, Connection& connection,
                 const std::function<void()>& begin);
  void begin(Session& session);
  int on_connect(Connection& connection, const Address& address) override;
  bool on_turn_end() override;
  void on_quiet() override;
  void on_wake() override;
  void on_end_of_time() override;

  Scenery prepared_scenery();
  void plan_sessions();
  bool permits_strict(const Session& session) const;
  uint64_t way_ns(const Session& session, uint64_t bytes) const;
  void plan_visit(Random& random, Session& session);
  bool permits_strict_visit(const Session& session) const;
  void attach_client(Session& session, Wire& wire);
  void connect(Session& session);
  Wire& wire_to(Session& session, Connection& connection);
  TlsWire& secure_wire(const TlsHabits& habits, Connection& connection, bool http2);
  void plan_stream(Session& session);
  void connect_stream(Session& session);
  Line& open_line(Session& session);
  uint64_t streams_bytes() const;
  uint64_t line_way_ns(const Session& session, const Http2Plan& plan) const;
  void expect_goaway();
  Wire& wire_from(Connection& connection, const Dialling& dialling);
  void greet(Doorman& doorman, const Dialling& dialling);
  void greet_plain(Doorman& doorman, const Dialling& dialling, Dialling::Deaf deaf, bool kept);
  void keep(Wire& wire, size_t unread, bool ended, const Dialling& dialling, uint64_t for_ms);
  void greet_kept(Doorman& doorman, const Dialling& dialling, bool dies);
  void check_kept(bool quiet);
  void check_named(const Doorman& doorman, const Dialling& dialling, const std::string& client);
  void on_signal(int signal);
  ssize_t on_error_log(std::string_view bytes);
  ssize_t on_access_log(std::string_view bytes);
  void take_report(std::string_view line);
  Expected expect_report() const;
  void check_report(const Report& report);
  void drain();
  void command();
  void check_accepting();
  uint64_t queue_ns() const;
  void check_rate();
  // Of all routes and listeners.
  struct CounterSums {
    uint64_t received = 0;
    uint64_t sent = 0;
    uint64_t own = 0;
    uint64_t dropped = 0;
    uint64_t payload = 0;
    uint64_t messages = 0;
    uint64_t opened = 0;
    uint64_t closed = 0;
    uint64_t answered = 0;
    uint64_t served = 0;
    uint64_t accepted = 0;
    uint64_t turned_away = 0;
  };
  CounterSums counter_sums() const;
  uint64_t requests_begun(const CounterSums& sums) const;
  uint64_t requests_ended(const CounterSums& sums) const;
  void expect_equal(const char* what, uint64_t a, uint64_t b);
  void check_counters();
  void check_last_counters();
  void work();
  void check_left_behind();
  void add_to(Totals& totals) const;
  bool all_over() const;
  void try_end();

  World world_;
  Random plans_;
  RunKind kind_;
  bool tls_;
  Random tls_plans_;
  Random kept_plans_;
  bool http2_;
  Random http2_plans_;
  Guards guards_;
  Random openssl_random_;  // what OpenSSL draws, on both sides
  SessionPtr resumable_;   // of the latest client
  Scenery scenery_;
  const Config& config_;
  Reloads reloads_;
  bool drain_due_ = false;
  bool command_due_ = false;
  int commands_left_ = 1'500;  // there may be later sessions
  WorkerRow row_;
  FewLabelRows labels_;
  std::array<CountBucket, 64> client_counts_;
  std::array<RateEntries, 64> client_rates_;
  std::atomic<uint32_t> client_workers_{1};
  PasswordProcess passwords_;
  Worker* worker_ = nullptr;  // while it serves
  Kernel kernel_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<std::unique_ptr<Doorman>> doormen_;
  std::vector<Kept> kept_;
  std::vector<std::unique_ptr<Line>> lines_;
  uint64_t reused_ = 0;
  int listener_ = -1;
  int error_log_ = -1;
  int access_log_ = -1;
  size_t opens_logged_ = 0;
  size_t closes_logged_ = 0;
  bool report_asked_ = false;
  Expected expected_;
  int reports_ = 0;
  bool final_report_ = false;
  uint64_t over_ns_ = 0;  // when the last session was over
  bool quit_ = false;     // at the end, when all are over
  bool listening_ = true;
};

}  // namespace sluice::sim
