// Plans: what the two peers of one session will do, decided before the run begins, and what the
// proxy's handshake must make of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "tests/sim/frame_judge.h"
#include "tests/sim/proxy_plan.h"
#include "tests/sim/random.h"
#include "tests/sim/tls_habits.h"

namespace sluice::sim {

// How much the buffers of both kernels hold.
enum class Room : uint8_t { small, ordinary, large };

// Bytes that a peer writes at once, after a pause.
struct Piece {
  std::string bytes;
  uint64_t delay_ns = 0;
  bool ends_frame = true;  // a frame of another origin (pong, Close) may follow
  bool urgent = false;     // an urgent mark stands behind it
};

// What a peer does when it has written `cut_at` bytes, handshake included.
enum class Cut : uint8_t {
  none,
  fin,         // closes
  half_close,  // sends FIN and reads on
  reset,
  silence,  // writes nothing more, reads on
  freeze,   // neither writes nor reads nor closes
};

struct Reader {
  enum class Pace : uint8_t { eager, slow, stuck, dozing } pace = Pace::eager;
  size_t bytes = 0;          // slow: so many...
  uint64_t every_ns = 0;     // ...so often
  uint64_t stuck_after = 0;  // stuck, dozing: reads so many bytes, then none
  uint64_t nap_ns = 0;       // dozing: for so long, then eagerly
};

// What becomes of pings.
enum class Pongs : uint8_t { prompt, late, wrong, never };

struct PeerPlan {
  std::vector<Piece> opening;       // the request, or the answer to it
  std::vector<Piece> pieces;        // frames, after the handshake
  size_t early_pieces = 0;          // of them, written without awaiting the 101 (clients)
  bool ends_after_opening = false;  // with FIN
  bool sends_close = false;         // at the end; else the other's is awaited
  uint16_t close_code = 1000;
  std::string close_reason;
  bool answers_close = true;
  uint64_t answer_delay_ns = 0;
  bool closes_stream = true;  // when the proxy has sent FIN, or both Closes are through
  bool speaks_on = false;     // after a FIN, up to the end of its frames, before it closes
  Reader reader;
  Cut cut = Cut::none;
  uint64_t cut_at = 0;
  Pongs pongs = Pongs::prompt;
  uint64_t pong_delay_ns = 0;  // late
  bool hostile = false;        // some frame is wrong, or may be
  bool pauses = false;         // longer than a strict check can wait for
  std::optional<TlsHabits> tls;

  // Reads at once, goes on at once, answers: what it gets and when can be said exactly.
  bool solid() const {
    return reader.pace == Reader::Pace::eager && answers_close && !pauses && closes_stream &&
           cut != Cut::silence && cut != Cut::freeze && pongs == Pongs::prompt;
  }
  // What its TLS does wrong, if anything.
  TlsTrouble trouble() const { return tls ? tls->trouble : TlsTrouble(); }
  bool troubled() const { return trouble().kind != TlsTrouble::Kind::none; }
  // FINs of its own come without close_notify, so that nobody may take them for an orderly end.
  bool ends_abruptly() const { return tls && !tls->notifies; }
  uint64_t opening_bytes() const;
  uint64_t total_bytes() const;
};

// How the upstream answers.
enum class Answer : uint8_t {
  upgrade,
  wrong,    // an answer that must become 502
  refusal,  // any other status, relayed
  never,    // silence, or a drip beyond the deadline: 504
};

enum class Asking : uint8_t {
  upgrade,
  wrong,    // a request that must be refused
  silence,  // not a byte
  never,    // a drip beyond the deadline, or a head that stops: 408
};

struct SessionPlan {
  uint32_t number = 0;
  uint64_t start_ns = 0;  // after the beginning of the run
  uint32_t route = 0;
  PeerPlan client;
  PeerPlan upstream;
  Asking asking = Asking::upgrade;
  Answer answer = Answer::upgrade;
  std::vector<int> asking_statuses;  // what a wrong request may be told
  std::string key;
  std::string subprotocol;       // agreed, or ""
  bool deflate_offered = false;  // by an offer that travels
  bool deflate = false;          // agreed
  bool strict = true;            // buffers and times permit exact expectations
  // Answer::refusal
  int refusal_status = 0;
  std::string refusal_body;
  bool refusal_broken = false;    // its body breaks off
  const char* wrong_reason = "";  // for people
  Introduction introduction;      // of the client, by a balancer
  // When its token expires, by the world's clock, if it is looked at before the wall clock is set
  // anew (wall_clock_setting()); else hours before or behind that. 0: it does not.
  uint64_t token_ends_ms = 0;
  // Where the listener is in TLS.
  bool speaks_plain_http = false;
  bool mute = false;  // Asking::silence from the first byte of TLS on

  JudgeRules rules_from_client(const RouteConfig& route_config) const;
  JudgeRules rules_from_upstream(const RouteConfig& route_config) const;
};

// A plan for one session over that route.
SessionPlan make_plan(Random& random, const Config& config, uint32_t number, Room room);

// handshake_plan.cc: fill the opening of both peers.
void plan_asking(Random& random, const RouteConfig& route, SessionPlan& plan);
void plan_answer(Random& random, Room room, SessionPlan& plan);

}  // namespace sluice::sim
