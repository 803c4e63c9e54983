// Both directions are judged by one function over what was sent on one side and came out on the
// other.
#include "tests/fuzz/session_verdict.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "net/check.h"
#include "protocol/frame_codec.h"
#include "protocol/http1.h"
#include "tests/fuzz/frame_oracle.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Outcome = Http1Parser::Outcome;
using Verdict = FrameScanner::Verdict;

// A stream cut into the head that decides and what is behind it.
struct Stream {
  bool whole_head = false;
  bool failed = false;
  int status = 0;
  bool deflate = false;
  std::string_view behind;
};

Stream cut_request(std::string_view bytes, size_t most_head_bytes) {
  Http1Parser parser(Http1Parser::Role::request, {.head_bytes = most_head_bytes, .fields = 100});
  const auto fed = parser.feed_head(bytes);
  Stream stream;
  stream.failed = fed.outcome == Outcome::failed;
  stream.whole_head = fed.outcome == Outcome::complete;
  if (stream.whole_head) stream.behind = bytes.substr(fed.consumed);
  return stream;
}

// Interim answers are no answer yet.
Stream cut_answer(std::string_view bytes) {
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 32 * 1024});
  Stream stream;
  while (!bytes.empty()) {
    const auto fed = parser.feed_head(bytes);
    stream.failed = fed.outcome == Outcome::failed;
    if (fed.outcome != Outcome::complete) return stream;
    bytes.remove_prefix(fed.consumed);
    stream.status = parser.answer().status;
    stream.whole_head = stream.status == 101 || stream.status > 199;
    if (stream.whole_head) break;
    parser.next_head();
  }
  stream.deflate = stream.whole_head && parser.answer().find("Sec-WebSocket-Extensions") != nullptr;
  stream.behind = bytes;
  return stream;
}

// One way through the tunnel: what its source sent behind its head, and what came out.
struct Way {
  Side target;
  std::string sent;  // a Close without its reason's broken tail
  std::string_view came;
  FrameOpinion legal;    // of what was sent, by the route's rules
  FrameOpinion seen;     // of `came`, by the least rules
  size_t forwarded = 0;  // of `came`, what `sent` holds; a Close of the proxy's is behind it
  bool own_close() const { return forwarded < came.size(); }
};

Way look_at(const SessionWorld& world, std::string_view sent, std::string_view came, Side target,
            bool deflate) {
  FrameRules loose;
  loose.expect_masked = target == Side::upstream;
  loose.deflate = deflate;
  loose.max_small_fragments = 0;
  FrameRules strict = loose;
  strict.validate_utf8 = world.route().validate_utf8;
  strict.max_message_bytes = world.route().max_message_bytes;
  strict.max_small_fragments = world.route().max_small_fragments;
  strict.control_frames = world.route().control_frame_rate;
  Way way{target,
          std::string(sent),
          came,
          opinion_on(bytes_of(sent), strict, !world.clock_moved()),
          opinion_on(bytes_of(came), loose, false),
          came.size()};
  SLUICE_CHECK(way.seen.verdict != Verdict::bad && way.seen.changed_at == 0);
  if (way.seen.verdict == Verdict::closed) SLUICE_CHECK(way.seen.accepted == came.size());
  if (way.legal.changed_at > 0) {
    way.sent[way.legal.changed_at] = static_cast<char>(way.legal.changed_to);
  }
  if (!way.sent.starts_with(came)) {
    SLUICE_CHECK(way.seen.verdict == Verdict::closed);
    way.forwarded = way.seen.last_frame_at;
    SLUICE_CHECK(way.sent.starts_with(came.substr(0, way.forwarded)));
  }
  SLUICE_CHECK(way.forwarded <= way.legal.accepted);
  return way;
}

// A Close of the proxy's own has a reason; a loss of the other peer is none, unless
// lost_close_code makes it one toward clients.
void check_own_close(const SessionWorld& world, const Way& way, const Way* back) {
  const uint16_t code = way.seen.peer_close_code;
  const bool to_client = way.target == Side::client;
  const Peer& source = to_client ? world.upstream : world.client;
  const auto payload = decode_control_frame(bytes_of(way.came.substr(way.forwarded)));
  SLUICE_CHECK(payload && payload->size() >= 2);
  const auto reason = payload->subspan(2);
  SLUICE_CHECK(reason.empty() || (code == 1001 && world.left() &&
                                  std::ranges::equal(reason, SessionWorld::leave_reason)));
  if (code == 1001) {
    SLUICE_CHECK(world.clock_moved() || world.left());
  } else if (code == 1012) {
    // What the slow reader was not told for send_timeout is a loss, too.
    SLUICE_CHECK(to_client && world.route().lost_close_code == code);
    SLUICE_CHECK(source.ended() || world.clock_moved());
  } else if (code == 1014) {
    SLUICE_CHECK(to_client && way.legal.verdict == Verdict::bad);
  } else {
    SLUICE_CHECK(code == 1002 || (code >= 1007 && code <= 1009));
    SLUICE_CHECK(back == nullptr || back->legal.verdict == Verdict::bad || world.clock_moved());
  }
}

// The connection's end tells the truth: nothing follows in order upon a part of a frame, and
// without a Close it is the loss of the other peer or, toward the upstream, the client's fault.
void check_end(const SessionWorld& world, const Way& way) {
  const bool inside = way.came.size() > way.seen.accepted || way.seen.into_frame > 0;
  if (inside) SLUICE_CHECK(world.aborted(way.target));
  // A peer that had its time to answer a Close and did not gets none either.
  if (way.seen.verdict != Verdict::good || world.clock_moved()) return;
  if (world.aborted(way.target)) return;
  const Peer& source = way.target == Side::client ? world.upstream : world.client;
  const bool at_fault = way.target == Side::upstream && way.legal.verdict == Verdict::bad;
  SLUICE_CHECK(source.ended() || at_fault);
  SLUICE_CHECK(way.target == Side::upstream || world.route().lost_close_code == 0 ||
               world.client.ended());
  // A Close is never turned into a loss, and what came whole before one is delivered.
  SLUICE_CHECK(way.legal.verdict != Verdict::closed);
  SLUICE_CHECK(way.forwarded == way.legal.accepted - way.legal.into_frame);
}

// What came out at the target is what `sent` holds, as far as it is legal; then perhaps a Close of
// the proxy's; the end is one that tells the truth. `back` is the other way, where it is known.
void check_frames(const SessionWorld& world, const Way& way, const Way* back) {
  if (way.own_close()) check_own_close(world, way, back);
  const Peer& peer = way.target == Side::client ? world.client : world.upstream;
  if (peer.closed()) return;
  // Nothing is kept back while the session lives: no edge was lost.
  if (world.relaying_when_settled()) SLUICE_CHECK(way.forwarded == way.legal.accepted);
  if (peer.heard_end()) check_end(world, way);
}

// A refusal: a whole body and nothing behind it, or one that visibly breaks off.
void check_refusal(std::string_view bytes) {
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 32 * 1024});
  const auto head = parser.feed_head(bytes);
  SLUICE_CHECK(head.outcome == Outcome::complete);
  bytes.remove_prefix(head.consumed);
  std::string body;
  const auto fed = parser.feed_body(bytes, body);
  SLUICE_CHECK(fed.outcome != Outcome::failed);
  if (fed.outcome == Outcome::complete) SLUICE_CHECK(fed.consumed == bytes.size());
}

}  // namespace

void check_peers(const SessionWorld& world) {
  const Stream to_client = cut_answer(world.client.received());
  const Stream to_upstream = cut_request(world.upstream.received(), 64 * 1024);
  SLUICE_CHECK(!to_client.failed && !to_upstream.failed);
  const bool tunnel = to_client.whole_head && to_client.status == 101;
  if (to_client.whole_head && !tunnel) {
    // HEAD is answered without the body that its length announces.
    if (!world.client.sent().starts_with("HEAD")) check_refusal(world.client.received());
    SLUICE_CHECK(to_upstream.behind.empty());
  }
  const Stream from_client = cut_request(world.client.sent(), 64 * 1024);
  const Stream from_upstream = cut_answer(world.upstream.sent());
  // A client that read nothing may still have sent frames through an accepted tunnel.
  if (!to_client.whole_head && !to_upstream.behind.empty()) {
    SLUICE_CHECK(from_upstream.whole_head && from_upstream.status == 101);
  }
  const bool deflate = tunnel ? to_client.deflate : true;
  std::optional<Way> up;
  std::optional<Way> down;
  if (to_upstream.whole_head) {
    SLUICE_CHECK(from_client.whole_head);
    if (tunnel || !to_upstream.behind.empty()) {
      up = look_at(world, from_client.behind, to_upstream.behind, Side::upstream, deflate);
    }
  }
  if (tunnel) {
    SLUICE_CHECK(from_upstream.whole_head && from_upstream.status == 101);
    down = look_at(world, from_upstream.behind, to_client.behind, Side::client, deflate);
  }
  if (up) check_frames(world, *up, down ? &*down : nullptr);
  if (down) check_frames(world, *down, up ? &*up : nullptr);
}

}  // namespace sluice::fuzz
