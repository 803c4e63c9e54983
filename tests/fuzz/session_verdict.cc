// Both directions are judged by one function over what was sent on one side and came out on the
// other.
#include "tests/fuzz/session_verdict.h"

#include <algorithm>
#include <string_view>

#include "net/check.h"
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
  Http1Parser parser(Http1Parser::Role::request, {.head_bytes = most_head_bytes});
  const auto fed = parser.feed_head(bytes);
  Stream stream;
  stream.failed = fed.outcome == Outcome::failed;
  stream.whole_head = fed.outcome == Outcome::complete;
  if (stream.whole_head) stream.behind = bytes.substr(fed.consumed);
  return stream;
}

// Interim answers are no answer yet.
Stream cut_answer(std::string_view bytes) {
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 32 * 1024, .fields = 150});
  Stream stream;
  while (!bytes.empty()) {
    const auto fed = parser.feed_head(bytes);
    stream.failed = fed.outcome == Outcome::failed;
    if (fed.outcome != Outcome::complete) return stream;
    bytes.remove_prefix(fed.consumed);
    stream.status = parser.head().status;
    stream.whole_head = stream.status == 101 || stream.status > 199;
    if (stream.whole_head) break;
    parser.next_head();
  }
  stream.deflate = stream.whole_head && parser.head().find("Sec-WebSocket-Extensions") != nullptr;
  stream.behind = bytes;
  return stream;
}

// What came out at `target` is what `sent` holds, as far as it is legal; then perhaps a Close of
// the proxy's; the end is one that tells the truth.
void check_frames(const SessionWorld& world, std::string_view sent, std::string_view came,
                  Side target, bool deflate) {
  FrameRules loose;
  loose.expect_masked = target == Side::upstream;
  loose.deflate = deflate;
  const FrameOpinion seen = opinion_on(bytes_of(came), loose, false);
  SLUICE_CHECK(seen.verdict != Verdict::bad);
  if (seen.verdict == Verdict::closed) SLUICE_CHECK(seen.accepted == came.size());

  size_t forwarded = came.size();
  if (!sent.starts_with(came)) {
    SLUICE_CHECK(seen.verdict == Verdict::closed);
    static constexpr uint16_t ours[] = {1001, 1002, 1007, 1008, 1009, 1011};
    SLUICE_CHECK(std::find(std::begin(ours), std::end(ours), seen.peer_close_code) !=
                 std::end(ours));
    forwarded = seen.last_frame_at;
    SLUICE_CHECK(sent.starts_with(came.substr(0, forwarded)));
  }
  FrameRules strict = loose;
  strict.validate_utf8 = world.route().validate_utf8;
  strict.max_message_bytes = world.route().max_message_bytes;
  const FrameOpinion legal = opinion_on(bytes_of(sent), strict, !world.clock_moved());
  SLUICE_CHECK(forwarded <= legal.accepted);

  const Peer& peer = target == Side::client ? world.client : world.upstream;
  if (peer.closed()) return;
  // Nothing is kept back while the session lives: no edge was lost.
  if (world.relaying_when_settled()) SLUICE_CHECK(forwarded == legal.accepted);
  const bool inside = came.size() > seen.accepted || seen.into_frame > 0;
  if (peer.heard_end() && inside) SLUICE_CHECK(world.aborted(target));
  // An end without a Close is an abort, but where a peer had its time to answer one and did not.
  if (peer.heard_end() && seen.verdict == Verdict::good && !world.clock_moved()) {
    SLUICE_CHECK(world.aborted(target));
  }
}

// A refusal: a whole body and nothing behind it, or one that visibly breaks off.
void check_refusal(std::string_view bytes) {
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 32 * 1024, .fields = 150});
  const auto head = parser.feed_head(bytes);
  SLUICE_CHECK(head.outcome == Outcome::complete);
  SLUICE_CHECK(parser.framing() != Http1Parser::Framing::until_close);
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
  if (to_upstream.whole_head) {
    SLUICE_CHECK(from_client.whole_head);
    if (tunnel || !to_upstream.behind.empty()) {
      check_frames(world, from_client.behind, to_upstream.behind, Side::upstream, deflate);
    }
  }
  if (tunnel) {
    SLUICE_CHECK(from_upstream.whole_head && from_upstream.status == 101);
    check_frames(world, from_upstream.behind, to_client.behind, Side::client, deflate);
  }
}

}  // namespace sluice::fuzz
