// Record, the judgement at a session's end: its handshake, its Close codes, and, where both peers
// behave but for one thing, exactly what each of them must have got.
#include <algorithm>
#include <charconv>

#include "protocol/handshake.h"
#include "tests/sim/http2_client.h"
#include "tests/sim/record.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint16_t bad_gateway = 1014;
constexpr uint16_t going_away = 1001;

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
  });
  return text;
}

std::string field_of(std::string_view head, std::string_view name) {
  const std::string wanted = "\r\n" + std::string(name) + ": ";
  size_t at = head.find(wanted);
  if (at == std::string_view::npos) at = head.find(in_lower_case(wanted));  // of HTTP/2
  if (at == std::string_view::npos) return "";
  const size_t begin = at + wanted.size();
  return std::string(head.substr(begin, head.find("\r\n", begin) - begin));
}

struct Body {
  std::string bytes;
  bool whole = false;
};

// `ended`: the client saw its connection end in order.
Body decode_body(std::string_view head, std::string_view rest, bool ended) {
  Body body;
  if (const std::string length = field_of(head, "Content-Length"); !length.empty()) {
    body.bytes = rest;
    body.whole = std::to_string(rest.size()) == length;
    return body;
  }
  if (field_of(head, "Transfer-Encoding") != "chunked") {
    body.bytes = rest;
    body.whole = ended;
    return body;
  }
  while (!rest.empty()) {
    size_t size = 0;
    const size_t line = rest.find("\r\n");
    if (line == std::string_view::npos) return body;
    std::from_chars(rest.data(), rest.data() + line, size, 16);
    rest.remove_prefix(line + 2);
    if (size == 0) {
      body.whole = rest == "\r\n";
      return body;
    }
    body.bytes += rest.substr(0, size);
    if (rest.size() < size + 2) return body;
    rest.remove_prefix(size + 2);
  }
  return body;
}

bool contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

void Record::judge() {
  if (!accepted()) return;
  judge_handshake();
  for (const int side : {0, 1}) judge_tls(side);
  if (stream_ != nullptr) judge_stream();
  if (upstream_ != nullptr) judge_request();
  if (!relaying_) return;
  for (const int side : {0, 1}) {
    judge_abort(side);
    // What a rate holds back is known here before it is known there: which end came first is not
    // to be told.
    if (limited()) continue;
    if (lanes_[1 - side].own_close_whole()) check_own_code(side);
    judge_end(side);
    if (strict_side(side)) judge_side(side);
  }
}

// --- the handshake
// ----------------------------------------------------------------------------------

bool Record::may_be_full() const {
  const std::vector<PeerConfig>& peers = config_.upstream(route_.upstream).peers;
  return std::all_of(peers.begin(), peers.end(),
                     [](const PeerConfig& peer) { return peer.max_connections != 0; });
}

std::vector<int> Record::expected_statuses() const {
  std::vector<int> expected;
  if (plan_.introduction.wrong) return {0};  // nothing can be said to who speaks something else
  switch (plan_.asking) {
    case Asking::wrong:
      return plan_.asking_statuses;
    case Asking::silence:
      return {0};  // a TLS handshake alone is no beginning of a request
    case Asking::never:
      return {408};
    case Asking::upgrade:
      break;
  }
  if (guard_status != 0) return {guard_status};
  if (!dial_statuses.empty()) {
    expected = dial_statuses;
    if (may_be_full()) expected.push_back(503);
    return expected;
  }
  switch (plan_.answer) {
    case Answer::upgrade:
      expected = {101};
      break;
    case Answer::wrong:
      expected = {502};
      break;
    case Answer::refusal:
      expected = {plan_.refusal_status};
      break;
    case Answer::never:
      expected = {504};
      if (plan_.upstream.ends_after_opening) expected.push_back(502);  // whichever comes first
      break;
  }
  // Another peer may be asked, and gives no answer or cannot be reached.
  const std::vector<PeerConfig>& peers = config_.upstream(route_.upstream).peers;
  const NextPeerOn& on = route_.next_peer_on;
  // Or none is asked after one that cannot be reached.
  const bool few =
      !on.error || !on.timeout || route_.next_peer_tries != 0 || route_.next_peer_timeout_ms != 0;
  const bool others = peers.size() > 1 && (few || may_ask_again());
  if (others || plan_.upstream.cut != Cut::none || plan_.upstream.troubled()) {
    expected.push_back(502);
    expected.push_back(504);
  }
  if (may_be_full()) expected.push_back(503);
  return expected;
}

void Record::judge_handshake() const {
  const PeerPlan& client = plan_.client;
  // A client that leaves or does not read may get anything, and so may all while the proxy leaves.
  if (client.cut != Cut::none || client.reader.pace != Reader::Pace::eager || doomed_) return;
  if (climate_.leaving_ns != 0 && legs_[0].farewell_ns >= climate_.leaving_ns) return;
  std::vector<int> expected = expected_statuses();
  const bool in_trouble = expect_tls_trouble(expected);
  if (plan_.token_ends_ms != 0 && (token_may_differ(legs_[0].farewell_ns) ||
                                   legs_[0].farewell_ns >= plan_.token_ends_ms * ms)) {
    expected.push_back(401);
  }
  if (climate_.scarce) expected.insert(expected.end(), {502, 503, 504, 0});
  if (!plan_.strict) expected.insert(expected.end(), {0, 408, 502, 504});  // too slow a network
  if (!plan_.strict && !route_.authorizer.empty()) expected.push_back(503);
  if (climate_.overload) expected.insert(expected.end(), {503, 0});
  // In TLS it is closed without a word.
  if (climate_.storm) expected.push_back(config_.listeners[0].tls != nullptr ? 0 : 503);
  // What was sent; where the end was an abort, less may have arrived.
  const std::string_view answer = legs_[0].head_out;
  int status = 0;
  if (answer.size() > 12) std::from_chars(answer.data() + 9, answer.data() + 12, status);
  if (!contains(expected, status)) {
    std::string text = "the client was told " + std::to_string(status) + ", expected";
    for (const int one : expected) text += " " + std::to_string(one);
    if (plan_.wrong_reason[0] != '\0') text += std::string(" (") + plan_.wrong_reason + ")";
    fail(text);
  }
  const bool refused = climate_.storm && (status == 0 || status == 503);
  if (!climate_.scarce && !climate_.overload && !in_trouble && !refused) judge_times(status);
  const size_t end = answer.find("\r\n\r\n");
  if (status == 0) return;
  if (end == std::string_view::npos) {
    if (!plan_.strict || in_trouble) return;  // its deadline came before it was through
    fail("the answer's head is not whole");
  }
  if (status == 101) {
    const std::string_view head = answer.substr(0, end + 2);
    if (field_of(head, "Sec-WebSocket-Accept") != accept_for_key(plan_.key)) fail("wrong Accept");
    if (field_of(head, "Sec-WebSocket-Protocol") != plan_.subprotocol) fail("wrong subprotocol");
    if (field_of(head, "X-Answer") != std::to_string(plan_.number))
      fail("another session's answer");
    return;
  }
  const std::string_view head = answer.substr(0, end + 2);
  judge_answer(head, answer.substr(end + 4));
  // Where neither length nor chunks would show that a body broke off, an abort does.
  const bool aborted = legs_[0].farewell == Farewell::abort && field_of(head, "X-Why") == "sim" &&
                       field_of(head, "Content-Length").empty() &&
                       field_of(head, "Transfer-Encoding").empty();
  const bool broken = stream_ != nullptr && legs_[0].farewell != Farewell::fin;
  if (client.solid() && plan_.strict && !in_trouble && !aborted && !broken && !got_answer(answer)) {
    fail("the client did not get its whole answer");
  }
}

// Over HTTP/2 it has the same status and body, and an end.
bool Record::got_answer(std::string_view answer) const {
  const std::string_view got = client_->received();
  if (stream_ == nullptr) return got == answer;
  const auto body_of = [](std::string_view text, bool decodes) {
    const size_t begin = std::min(text.find("\r\n\r\n"), text.size() - 4) + 4;
    if (!decodes) return std::string(text.substr(begin));
    return decode_body(text.substr(0, begin - 2), text.substr(begin), true).bytes;
  };
  if (got.size() < 16 || !stream_->got_end()) return false;
  // There success means a WebSocket.
  const std::string_view told = answer[9] == '2' ? "HTTP/1.1 502" : answer.substr(0, 12);
  return got.starts_with(told) && body_of(got, false) == body_of(answer, true);
}

// An answer that is no upgrade: our own is whole, the upstream's is what the upstream sent.
void Record::judge_answer(std::string_view head, std::string_view rest) const {
  const Body body = decode_body(head, rest, legs_[0].farewell != Farewell::abort);
  const bool relayed = field_of(head, "X-Why") == "sim";
  if (!relayed) {
    if (!body.whole && plan_.strict) fail("an answer of the proxy's own is not whole");
    const std::string after = field_of(head, "Retry-After");
    const bool soon = after.size() == 1 && after >= "1" && after <= "9";
    if (!after.empty() && !soon && after != "10") fail("Retry-After is " + after);
    return;
  }
  if (plan_.answer != Answer::refusal) fail("an answer that the upstream did not give");
  if (!plan_.refusal_body.starts_with(body.bytes)) fail("the refusal's body was changed");
  // Too slow a network moves nothing for as long as send_timeout.
  const PeerPlan& upstream = plan_.upstream;
  const bool broken = plan_.refusal_broken || upstream.cut != Cut::none || !plan_.strict ||
                      upstream.troubled() || upstream.ends_abruptly() || plan_.client.troubled();
  if (plan_.refusal_broken && body.whole) fail("a refusal that broke off looks whole");
  const bool cut = body.bytes.size() < plan_.refusal_body.size();
  if (tls(1) != nullptr && !tls(1)->sent_notify() && body.whole && cut) {
    fail("a refusal cut off inside TLS looks whole");
  }
  if (!broken && (!body.whole || body.bytes != plan_.refusal_body)) {
    fail("the refusal's body is not whole: " + std::to_string(body.bytes.size()) + " of " +
         std::to_string(plan_.refusal_body.size()) + " bytes");
  }
}

// Deadlines are absolute, whatever drips.
void Record::judge_times(int status) const {
  constexpr uint64_t slack_ns = 3 * ms;
  const uint64_t begin = begun_ns();
  const auto check = [this](uint64_t at, uint64_t least, uint64_t most, const char* what) {
    if (at + slack_ns >= least && at <= most + slack_ns) return;
    fail(std::string(what) + " at the wrong time: " + std::to_string(at / us) + " us, due " +
         std::to_string(least / us));
  };
  const uint64_t header = config_.listeners[0].client_header_timeout_ms * ms;
  if (plan_.asking == Asking::silence && status == 0 && !plan_.introduction.wrong) {
    check(legs_[0].farewell_ns, begin + header, begin + header, "client_header_timeout");
  }
  // Inside TLS the first byte is known to be sent when the last one of its record is.
  const uint64_t sealing = tls(0) != nullptr && !plan_.strict ? second : 0;
  if (status == 408) check(legs_[0].first_sent_ns, begin + header, begin + header + sealing, "408");
  if (status == 504 && plan_.answer == Answer::never && legs_[1].connection != nullptr) {
    const uint64_t dialled = legs_[1].connection->handed_ns + route_.handshake_timeout_ms * ms;
    const uint64_t others = config_.upstream(route_.upstream).peers.size() - 1;
    const uint64_t for_each = (route_.connect_timeout_ms + route_.handshake_timeout_ms) * ms;
    check(legs_[0].first_sent_ns, dialled,
          dialled + route_.connect_timeout_ms * ms + others * for_each + sealing, "504");
  }
}

// What the upstream was asked: the client's key, its end-to-end fields, nothing hop-by-hop.
void Record::judge_request() const {
  const std::string_view head = legs_[1].head_out;
  if (!head.starts_with("GET ")) fail("the upstream's request is no GET");
  if (field_of(head, "Sec-WebSocket-Key") != plan_.key) fail("the client's key did not travel on");
  const bool in_tls = config_.listeners[0].tls != nullptr;
  if (field_of(head, "X-Forwarded-Proto") != (in_tls ? "https" : "http")) {
    fail("wrong X-Forwarded-Proto");
  }
  if (plan_.introduction.wrong) fail("a request behind a wrong PROXY header reached an upstream");
  const std::string forwarded_for = field_of(head, "X-Forwarded-For");
  if (forwarded_for != plan_.introduction.forwarded_for) {
    fail("X-Forwarded-For is " + forwarded_for + ", not " + plan_.introduction.forwarded_for);
  }
  const std::string connection = field_of(head, "Connection");
  if (connection != "Upgrade") fail("Connection toward the upstream is " + connection);
  if (legs_[0].head_in.find("X-Hop\r\n") != std::string::npos && !field_of(head, "X-Hop").empty()) {
    fail("a field that Connection nominates travelled on");
  }
  if (plan_.asking == Asking::wrong) fail("something of a wrong request reached an upstream");
}

// --- relaying
// ---------------------------------------------------------------------------------------

// The first incident that ends the way to that side. After a failed send to the other side the rest
// of what that one sent is read, and how that ends is what counts, where it is known.
// Whoever was told to leave was told that, whatever else happened meanwhile; what the other side
// does then counts no more, and what the client does is its answer, which the upstream gets.
const Incident* Record::ending_of(int target) const {
  const Incident* unwritable = nullptr;
  const Incident* const leave = told();
  if (leave != nullptr && target == 0) return leave;
  for (const Incident& incident : incidents_) {
    if (leave != nullptr && incident.kind != Incident::Kind::leaving && incident.side == 1)
      continue;
    switch (incident.kind) {
      case Incident::Kind::told:
        continue;
      case Incident::Kind::idle:
      case Incident::Kind::leaving:
      case Incident::Kind::bad:
        return &incident;
      case Incident::Kind::unwritable:
        if (incident.side != target && unwritable == nullptr) unwritable = &incident;
        break;
      case Incident::Kind::closed:
      case Incident::Kind::ended:
      case Incident::Kind::lost:
        if (incident.side != target) return &incident;
    }
  }
  return unwritable != nullptr ? unwritable : leave;
}

const Incident* Record::find(Incident::Kind kind, int side) const {
  for (const Incident& incident : incidents_) {
    if (incident.kind == kind && incident.side == side) return &incident;
  }
  return nullptr;
}

// Whether the client is there to be told a loss of the upstream: it has not ended its own half.
bool Record::client_listens_at(const Incident& loss) const {
  const Incident* ended = find(Incident::Kind::ended, 0);
  return ended == nullptr || ended->act > loss.act;
}

// The code of the Close that the proxy sends that side for it; 0: none, for a Close of the other
// peer's is no less than that, and a loss or a client's fault no more.
uint16_t Record::own_code_for(const Incident& ending, int target) const {
  const Incident* const leave = told();
  const bool answers = ending.kind == Incident::Kind::closed ||
                       ending.kind == Incident::Kind::idle ||
                       ending.kind == Incident::Kind::leaving;
  if (leave != nullptr && !answers) return leave->code;
  switch (ending.kind) {
    case Incident::Kind::told:
      return ending.code;
    case Incident::Kind::closed:
      return 0;
    case Incident::Kind::idle:
      return ending.code != 0 ? ending.code : going_away;
    case Incident::Kind::leaving:
      return going_away;
    case Incident::Kind::bad:
      if (ending.side == target) return ending.code;
      return target == 0 ? bad_gateway : 0;
    case Incident::Kind::ended:
    case Incident::Kind::lost:
    case Incident::Kind::unwritable:
      return target == 0 && client_listens_at(ending) ? route_.lost_close_code : 0;
  }
  return 0;
}

void Record::check_own_code(int target) const {
  const Lane& lane = lanes_[1 - target];
  const Incident* ending = ending_of(target);
  const std::string told =
      "Close " + std::to_string(lane.own_code()) + " to side " + std::to_string(target);
  if (ending == nullptr || ending->act > lane.own_close_act()) fail(told + " for no reason");
  const uint16_t expected = own_code_for(*ending, target);
  if (expected == 0) fail(told + ", where the other side sent none");
  if (lane.own_code() != expected) fail(told + ", expected " + std::to_string(expected));
  const bool by_command = commanded() && expected == command_.code;
  if (lane.own_reason() != (by_command ? command_.reason : "")) fail(told + " with another reason");
}

bool Record::strict_side(int side) const {
  const PeerPlan& own = peer_plan(side);
  const PeerPlan& other = peer_plan(1 - side);
  if (!plan_.strict || !own.solid() || !other.solid() || climate_.scarce) return false;
  if (own.cut != Cut::none && own.cut != Cut::half_close) return false;
  if (climate_.leaving_ns != 0 && legs_[side].farewell_ns >= climate_.leaving_ns) return false;
  // Its own TLS fails, or it leaves as if it had.
  if (own.troubled() || (own.cut != Cut::none && own.ends_abruptly())) return false;
  using Kind = TlsTrouble::Kind;
  const Kind trouble = other.trouble().kind;
  if (trouble == Kind::stall || trouble == Kind::damage) return false;  // may hang
  // What a hostile peer takes for frames of its own may be payload of one that never ends.
  const Lane& lane = lanes_[1 - side];
  const bool hangs = lane.judge.verdict() == FrameJudge::Verdict::good &&
                     (lane.judge.in_frame() || lane.in().size() > lane.judge.accepted());
  return !hangs || other.cut != Cut::none || other.troubled();
}

// Whatever happened: where the proxy ended a connection in order that was not lost already,
// everything that is to come before that end had been sent, and it is of the kind that came from
// the other side.
void Record::judge_end(int side) const {
  const Leg& leg = legs_[side];
  const Incident* ending = ending_of(side);
  if (ending == nullptr || leg.farewell != Farewell::fin) return;
  if (leg.unwritable || find(Incident::Kind::lost, side) != nullptr) return;
  check_told(*ending, side);
}

// Whatever happened: who was sent a Close to its last byte, and has not left itself, is not reset:
// that could overtake the Close, and make a loss of it.
void Record::judge_abort(int side) const {
  const Leg& leg = legs_[side];
  if (leg.farewell != Farewell::abort || leg.unwritable || climate_.scarce) return;
  using Kind = Incident::Kind;
  if (find(Kind::ended, side) != nullptr || find(Kind::lost, side) != nullptr) return;
  const Lane& lane = lanes_[1 - side];
  const bool closed = lane.judge.verdict() == FrameJudge::Verdict::closed &&
                      lane.out().size() == lane.judge.accepted();
  if (!closed && !lane.own_close_whole()) return;
  fail(std::string(side == 0 ? "the client" : "the upstream") + " was reset behind a Close");
}

// A Close has to arrive as that Close, a loss as a loss, a decision of the proxy's as its Close.
void Record::check_told(const Incident& ending, int side) const {
  const Lane& lane = lanes_[1 - side];
  const std::string name = side == 0 ? "the client" : "the upstream";
  const bool closed = ending.kind == Incident::Kind::closed;
  const uint16_t own_code = closed ? 0 : own_code_for(ending, side);
  if (own_code != 0) {
    // Where the other side's Close, which was dropped, is the same to the byte, nobody can tell.
    const bool alike = lane.judge.close_code() == own_code && lane.out() == lane.in_accepted();
    if (!lane.own_close_whole() && !alike) fail(name + " did not get a Close");
    return;
  }
  const uint64_t expected = closed ? lane.judge.accepted() : lane.judge.frame_begin();
  if (lane.out().size() != expected) {
    fail(name + " did not get everything up to the " + (closed ? "Close: " : "loss: ") +
         std::to_string(lane.out().size()) + " of " + std::to_string(expected) + " bytes");
  }
}

void Record::judge_side(int side) const {
  const Lane& lane = lanes_[1 - side];
  bool aborted = false;  // rightly: a frame could not be ended
  for (const Incident& incident : incidents_) {
    using Kind = Incident::Kind;
    const bool gone = incident.kind == Kind::ended || incident.kind == Kind::lost;
    const bool broke = gone || (incident.kind == Kind::bad && incident.side != side);
    aborted = aborted || (broke && incident.inside_frame);
    // After a failed send the rest of its input is read: where that ends counts.
    aborted =
        aborted || (incident.kind == Kind::unwritable && lanes_[incident.side].cut_inside_frame());
  }
  const std::string name = side == 0 ? "the client" : "the upstream";
  if (aborted) return;
  const Incident* ending = ending_of(side);
  if (ending == nullptr) fail(name + " was never told the end");
  check_told(*ending, side);
  const Leg& leg = legs_[side];
  if (leg.farewell == Farewell::abort || leg.farewell == Farewell::unread) {
    fail(name + " was reset without a reason");
  }
  // What it has of the head a stream's client was told in other words.
  const bool streamed = side == 0 && stream_ != nullptr;
  const size_t got = peer(side)->received().size() - (streamed ? client_->frames_begin() : 0);
  const size_t sent = lane.raw_out().size() + (streamed ? 0 : leg.head_out.size());
  if (peer_plan(side).cut == Cut::none && got != sent) {
    fail(name + " received " + std::to_string(got) + " bytes of " + std::to_string(sent) +
         " that were sent");
  }
}

}  // namespace sluice::sim
