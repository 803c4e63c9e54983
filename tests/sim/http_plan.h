// Plans of plain requests: what a client asks before its upgrade, or instead of it, on one
// connection, and how the upstream of each request answers; decided before the run begins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "protocol/body.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace sluice::sim {

// What the upstream of a plain request says, and where it stops.
struct PlainAnswer {
  int status = 200;
  BodyFraming framing = BodyFraming::none;  // of what the client gets
  std::string length;                       // the value of its Content-Length; "": it has none
  std::string kept;                         // that of X-Kept, which no other answer has
  std::string body;                         // in its framing
  size_t interims = 0;                      // answers before it, numbered from 0 on by X-Interim
  size_t interim_bytes = 0;                 // of all of them
  std::string text;                         // these, its head and its body
  std::vector<Piece> pieces;                // the same, as it is written
  size_t first_pieces = 0;                  // of them, written when the request's head is there
  uint64_t after_bytes = 0;                 // of the request's body, the others are
  uint64_t reads_bytes = UINT64_MAX;        // of the request's body it takes so many
  Cut cut = Cut::none;                      // when it has written cut_at bytes, after cut_delay_ns
  uint64_t cut_at = 0;
  uint64_t cut_delay_ns = 0;
  bool closes = false;   // it says so
  bool ends = false;     // with FIN behind it, else it awaits the proxy's
  bool notifies = true;  // TLS: before FIN
  bool refused = false;  // nobody may relay it: 502
  bool pauses = false;   // long enough for any end to come, or a timeout

  bool clean() const {
    return cut == Cut::none && reads_bytes == UINT64_MAX && !refused && !pauses;
  }
};

struct PlainRequest {
  std::string id;  // the session's number and its own, in its target and in X-Request
  uint32_t route = 0;
  std::string method = "GET";
  BodyFraming framing = BodyFraming::none;
  std::string head;
  std::string body;  // in its framing
  std::vector<Piece> pieces;
  size_t head_pieces = 0;
  bool awaits_continue = false;  // before its body is written, for a while
  bool awaits_answer = true;     // of the one before it, before it is written
  bool keeps = true;             // it lets its connection be kept
  bool old = false;              // HTTP/1.0
  bool pauses = false;           // as an answer may
  bool forwarded = false;        // it names forwarded_host as its client
  // Where it is wrong, what its client may be told; its upstream gets no more than `passes` bytes
  // of its body then, and no head where `heads` is false.
  std::vector<int> refusals;
  bool heads = true;
  uint64_t passes = UINT64_MAX;
  PlainAnswer answer;

  uint64_t bytes() const { return head.size() + body.size(); }
  // Whether another peer may be asked once one has it.
  bool repeatable() const { return body.empty() && method != "POST" && method != "PATCH"; }
};

// Whom a client names in X-Forwarded-For.
inline constexpr const char* forwarded_host = "203.0.113.9";

// What a client's connection holds before its upgrade.
struct VisitPlan {
  enum class Then : uint8_t {
    upgrade,
    finish,  // FIN right behind the last request
    leave,   // closes once all is answered
    reset,   // the same, by RST
    stay,    // until the proxy ends it
  };

  std::vector<PlainRequest> requests;
  Then then = Then::upgrade;
  bool upgrade_waits = true;  // for the last answer
  Reader reader;
  Cut cut = Cut::none;  // when the client has written cut_at bytes, after cut_delay_ns
  uint64_t cut_at = 0;
  uint64_t cut_delay_ns = 0;

  uint64_t bytes() const;  // of all requests
  // How many there are up to the end of that request.
  uint64_t bytes_until_end(size_t request) const;
  // It reads, and leaves no sooner than it says.
  bool patient() const { return cut == Cut::none && reader.pace == Reader::Pace::eager; }
};

// Routes of that conf that serve plain requests, the times and sizes that these may take, and what
// is kept for them.
void serve_plain_http(Random random, Config& config);
// Whether the client of `session` makes plain requests first; it changes nothing of the session.
std::optional<VisitPlan> make_visit(Random& random, const Config& config,
                                    const SessionPlan& session, Room room);

}  // namespace sluice::sim
