// Plans of plain requests: mostly a few that go well, and one thing that does not.
#include "tests/sim/http_plan.h"

#include <algorithm>
#include <cstdio>

#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

// What would be a request of its own to whom a body's end deceives. Nobody's number: it must reach
// no upstream.
constexpr const char* smuggled =
    "GET /r0/p HTTP/1.1\r\nHost: a.example\r\nX-Request: 999999.0\r\n\r\n";

std::string chunk_of(std::string_view payload, std::string_view extension) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx", payload.size());
  return size + std::string(extension) + "\r\n" + std::string(payload) + "\r\n";
}

// In chunks of any size; `ended`: with the last one.
std::string chunked(Random& random, std::string_view payload, bool ended) {
  const size_t most = random.pick<size_t>({3, 200, 8'000, 100'000});
  const bool extended = random.chance(20);
  std::string text;
  while (!payload.empty()) {
    const size_t part = std::min<size_t>(payload.size(), random.between(1, most));
    text += chunk_of(payload.substr(0, part), extended ? ";a=\"b;\\\"\"" : "");
    payload.remove_prefix(part);
  }
  if (!ended) return text;
  text += random.chance(20) ? "0\r\nX-Trailer: a\r\n\r\n" : "0\r\n\r\n";
  return text;
}

std::string make_payload(Random& random, Room room, bool splice) {
  if (random.chance(10)) return smuggled;
  if (room == Room::small) return random.bytes(random.below(150));
  if (splice && random.chance(50)) return random.bytes(random.below(400'000));
  return random.bytes(random.below(random.pick<size_t>({2, 100, 3'000, 3'000, 60'000, 250'000})));
}

// At once, in a few parts, or byte by byte. Between these there may be `pauses`.
void cut_into(Random& random, std::string text, bool pauses, std::vector<Piece>& pieces) {
  const bool bytewise = !pauses && text.size() < 600 && random.chance(10);
  const bool whole = !pauses && random.chance(60);
  size_t parts = bytewise ? text.size() : whole ? 1 : random.between(2, 5);
  while (!text.empty()) {
    const size_t size = bytewise ? 1 : parts <= 1 ? text.size() : random.between(1, text.size());
    const uint64_t most_ns = bytewise ? 50 * us : pauses ? 900 * ms : 5 * ms;
    pieces.push_back({text.substr(0, size), pieces.empty() ? 0 : random.below(most_ns)});
    text.erase(0, size);
    if (parts > 1) --parts;
  }
}

Cut any_cut(Random& random) {
  return random.pick<Cut>({Cut::fin, Cut::half_close, Cut::reset, Cut::silence, Cut::freeze});
}

uint64_t any_delay(Random& random) {
  return random.chance(50) ? 0 : random.below(random.pick<uint64_t>({ms, 30 * ms, 800 * ms}));
}

// --- requests
// -------------------------------------------------------------------------------------

// Rows of what is wrong in a head; the field, or the line, that makes it so.
struct WrongHead {
  const char* method;
  const char* fields;
  std::vector<int> statuses;
};

const std::vector<WrongHead>& wrong_heads() {
  static const std::vector<WrongHead> rows = {
      {"POST", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", {400}},
      {"POST", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", {400}},
      {"POST", "Content-Length: 0\r\nContent-Length: 0\r\n", {400}},
      {"POST", "Content-Length: +5\r\n", {400}},
      {"POST", "Content-Length: 99999999999999999999999\r\n", {400}},
      {"POST", "Content-Length : 5\r\n", {400}},
      {"POST", "Transfer-Encoding: gzip, chunked\r\n", {400, 501}},
      {"POST", "Transfer-Encoding: chunked, chunked\r\n", {400, 501}},
      {"POST",
       "Transfer-Encoding: \x0b"
       "chunked\r\n",
       {400, 501}},
      {"TRACE", "", {405}},
      {"GET", "Host: b.example\r\n", {400}},
      {"GET", "X-Folded: a\r\n b\r\n", {400}},
  };
  return rows;
}

std::string head_of(const PlainRequest& request, const std::string& path,
                    const std::string& fields) {
  return request.method + " " + path + "/p" + request.id +
         (request.old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") +
         "Host: a.example\r\nX-Request: " + request.id + "\r\n" + fields + "\r\n";
}

std::string framing_field(const PlainRequest& request) {
  if (request.framing == BodyFraming::chunked) return "Transfer-Encoding: chunked\r\n";
  if (request.framing == BodyFraming::none) return "";
  return "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
}

// A chunk line that is none, behind some that are.
void spoil_body(Random& random, uint64_t most_bytes, std::string_view payload,
                PlainRequest& request) {
  request.framing = BodyFraming::chunked;
  request.body = chunked(random, payload, false);
  request.passes = request.body.size();
  const char* const line = random.pick<const char*>(
      {"g\r\n", " 5\r\n", "5 \r\n", "-1\r\n", "5\n", "+5\r\n", "0x5\r\n", "8000000000000000\r\n"});
  request.body += line;
  request.passes += 16 + 1;  // the digits of a number that turns out too large
  request.body += "12345\r\n0\r\n\r\n";
  request.body += smuggled;
  request.refusals = {400};
  if (payload.size() > most_bytes) request.refusals.push_back(413);
}

void make_body(Random& random, Room room, const Config& config, PlainRequest& request) {
  const std::string payload = make_payload(random, room, config.splice);
  const uint64_t most_bytes = config.routes[request.route].max_body_bytes;
  if (!request.old && random.chance(4)) return spoil_body(random, most_bytes, payload, request);
  const bool in_chunks = !request.old && random.chance(50);
  request.framing = in_chunks ? BodyFraming::chunked : BodyFraming::length;
  request.body = in_chunks ? chunked(random, payload, true) : payload;
  if (payload.size() <= most_bytes) return;
  request.refusals = {413};
  // An end that is whole lies behind the payload that is too much.
  request.passes = request.body.size() - 1;
  request.heads = in_chunks;
}

void make_wrong_head(Random& random, const std::string& path, PlainRequest& request) {
  const WrongHead& row = wrong_heads()[random.below(wrong_heads().size())];
  request.method = row.method;
  request.refusals = row.statuses;
  request.heads = false;
  request.passes = 0;
  request.head = head_of(request, path, row.fields);
  request.body = smuggled;
}

void make_request(Random& random, Room room, const Config& config, PlainRequest& request) {
  const RouteConfig& route = config.routes[request.route];
  if (random.chance(3)) return make_wrong_head(random, route.path, request);
  request.old = random.chance(3);
  request.method = random.pick<const char*>(
      {"GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"});
  const bool may_have_body = request.method != "GET" && request.method != "HEAD";
  if (may_have_body && random.chance(80)) make_body(random, room, config, request);
  if (request.method == "GET" && random.chance(5)) make_body(random, room, config, request);
  std::string fields = framing_field(request);
  if (request.forwarded) fields += std::string("X-Forwarded-For: ") + forwarded_host + "\r\n";
  if (random.chance(30)) {
    fields += "Connection: X-Drop\r\nX-Drop: a\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n";
  }
  if (!request.body.empty() && !request.old && random.chance(20)) {
    request.awaits_continue = true;
    fields += "Expect: 100-continue\r\n";
  }
  request.keeps = !request.old;
  if (request.keeps && random.chance(3)) {
    request.keeps = false;
    fields += "connection: foo, Close\r\n";
  }
  request.head = head_of(request, route.path, fields);
}

// --- answers
// --------------------------------------------------------------------------------------

bool bodiless(const PlainRequest& request, int status) {
  return request.method == "HEAD" || status == 204 || status == 304;
}

// Heads that mean nothing yet; a 100 is the first where it is awaited.
std::string make_interims(Random& random, const PlainRequest& request, PlainAnswer& answer) {
  std::string text;
  if (request.old) return text;
  answer.interims = random.chance(15) ? random.between(1, 3) : 0;
  if (request.awaits_continue && random.chance(80)) {
    answer.interims = std::max<size_t>(answer.interims, 1);
  }
  for (size_t i = 0; i < answer.interims; ++i) {
    text += i == 0 && request.awaits_continue ? "HTTP/1.1 100 Continue\r\n"
                                              : "HTTP/1.1 103 Early Hints\r\n";
    text += "X-Interim: " + std::to_string(i) + "\r\nX-Request: " + request.id +
            "\r\nKeep-Alive: timeout=9\r\n\r\n";
  }
  answer.interim_bytes = text.size();
  return text;
}

std::string answer_framing(Random& random, const PlainRequest& request, size_t payload_bytes,
                           PlainAnswer& answer) {
  const std::string length = "Content-Length: " + std::to_string(payload_bytes) + "\r\n";
  if (answer.framing == BodyFraming::length) {
    answer.length = std::to_string(payload_bytes);
    return length;
  }
  if (answer.framing == BodyFraming::chunked) return "transfer-encoding: Chunked\r\n";
  // Of what a GET would have got.
  if (request.method == "HEAD" && answer.status != 204 && random.chance(60)) {
    answer.length = std::to_string(payload_bytes);
    return length;
  }
  return "";
}

// What nobody relays to who asked no upgrade. Without a body its framing is nobody's concern.
std::string refused_answer(Random& random, bool head_alone) {
  if (head_alone) return "SSH-2.0-OpenSSH_9.2\r\n\r\n";
  return random.pick<const char*>(
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
       "SSH-2.0-OpenSSH_9.2\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 5 \r\n X: a\r\n\r\n12345",
       "HTTP/1.1 200 OK\nContent-Length: 0\n\n"});
}

void make_trouble(Random& random, const PlainRequest& request, PlainAnswer& answer) {
  switch (random.below(4)) {
    case 0:
      if (request.body.empty()) break;
      answer.reads_bytes = random.below(request.body.size() + 1);
      if (random.chance(50)) answer.after_bytes = std::min(answer.after_bytes, answer.reads_bytes);
      return;
    case 1:
      answer.refused = true;
      answer.text.resize(answer.interim_bytes);
      answer.text += refused_answer(random, request.method == "HEAD");
      answer.body.clear();
      return;
    default:
      break;
  }
  answer.cut = any_cut(random);
  answer.cut_at = random.chance(25) ? 0 : random.below(answer.text.size() + 1);
  // What ends behind a whole answer may be a kept connection, whose ends are Run's to draw.
  if (answer.framing != BodyFraming::until_close) {
    answer.cut_at = std::min<uint64_t>(answer.cut_at, answer.text.size() - 1);
  }
  answer.cut_delay_ns = any_delay(random);
}

void make_answer(Random& random, Room room, bool splice, const PlainRequest& request,
                 PlainAnswer& answer) {
  answer.status = random.pick<int>({200, 200, 200, 201, 204, 304, 301, 404, 500, 503});
  answer.kept = std::to_string(random.below(1'000'000));
  const std::string payload = make_payload(random, room, splice);
  if (!bodiless(request, answer.status)) {
    using Framing = BodyFraming;
    answer.framing =
        random.pick({Framing::length, Framing::length, Framing::length, Framing::chunked,
                     Framing::chunked, Framing::chunked, Framing::until_close});
    if (request.old && answer.framing == BodyFraming::chunked) answer.framing = BodyFraming::length;
    answer.body = answer.framing == BodyFraming::chunked ? chunked(random, payload, true) : payload;
  }
  answer.text = make_interims(random, request, answer);
  answer.text += "HTTP/1.1 " + std::to_string(answer.status) +
                 " Plain\r\nX-Request: " + request.id + "\r\nX-Kept: " + answer.kept + "\r\n";
  answer.text += answer_framing(random, request, payload.size(), answer);
  answer.closes = random.chance(30);
  if (answer.closes) {
    answer.text += "Connection: close, X-Drop\r\nX-Drop: a\r\nKeep-Alive: timeout=9\r\n";
  }
  answer.text += "\r\n" + answer.body;
  answer.after_bytes = random.chance(80) ? UINT64_MAX : random.below(request.body.size() + 1);
  answer.ends = answer.framing == BodyFraming::until_close || random.chance(25);
  answer.notifies = random.chance(80);
  if (random.chance(8)) make_trouble(random, request, answer);
  answer.pauses = random.chance(10);
  cut_into(random, answer.text.substr(0, answer.interim_bytes), answer.pauses, answer.pieces);
  answer.first_pieces = answer.pieces.size();
  cut_into(random, answer.text.substr(answer.interim_bytes), answer.pauses, answer.pieces);
}

// --- visits
// ---------------------------------------------------------------------------------------

void make_ending(Random& random, VisitPlan& visit) {
  using Then = VisitPlan::Then;
  visit.then = random.chance(50)
                   ? Then::upgrade
                   : random.pick<Then>({Then::finish, Then::leave, Then::reset, Then::stay});
  visit.upgrade_waits = random.chance(60);
  if (random.chance(12)) {
    visit.cut = any_cut(random);
    visit.cut_at = random.below(visit.bytes() + 1);
    visit.cut_delay_ns = any_delay(random);
    if (random.chance(50)) visit.then = Then::stay;
  }
  if (random.chance(8)) {
    visit.reader.pace = random.chance(50) ? Reader::Pace::stuck : Reader::Pace::slow;
    visit.reader.stuck_after = random.below(random.chance(50) ? 500 : 20'000);
    visit.reader.bytes = random.between(1, 2'000);
    visit.reader.every_ns = random.between(1, 20) * ms;
    visit.then = Then::stay;
  }
}

}  // namespace

uint64_t VisitPlan::bytes() const {
  return bytes_until_end(requests.size() - 1);
}

uint64_t VisitPlan::bytes_until_end(size_t request) const {
  uint64_t sum = 0;
  for (size_t i = 0; i <= request; ++i) sum += requests[i].bytes();
  return sum;
}

void serve_plain_http(Random random, Config& config) {
  Random apart(random.next() ^ 0x477);  // draws of its own, which shift nobody else's
  const auto between = [&apart](uint64_t least, uint64_t most) {
    return static_cast<uint32_t>(apart.between(least, most));
  };
  ListenConfig& listener = config.listeners[0];
  listener.keepalive_timeout_ms = apart.chance(4) ? 0 : between(100, 1'500);
  listener.keepalive_requests = apart.pick<uint32_t>({0, 1, 2, 3, 1'000, 1'000, 1'000, 1'000});
  for (RouteConfig& route : config.routes) {
    route.http = apart.chance(50);
    route.answer_timeout_ms = between(300, 1'500);
    route.body_timeout_ms = between(200, 1'500);
    if (apart.chance(8)) route.max_body_bytes = apart.below(2'000);
  }
  for (UpstreamConfig& upstream : config.upstreams) {
    upstream.keepalive = apart.pick<uint32_t>({0, 1, 2, 16, 16, 16});
    upstream.keepalive_timeout_ms = between(50, 1'500);
  }
}

std::optional<VisitPlan> make_visit(Random& random, const Config& config,
                                    const SessionPlan& session, Room room) {
  std::vector<uint32_t> served;
  for (uint32_t i = 0; i < config.routes.size(); ++i) {
    if (config.routes[i].http) served.push_back(i);
  }
  const bool fit = session.asking != Asking::silence && !session.introduction.wrong &&
                   !session.speaks_plain_http && !session.client.troubled();
  if (served.empty() || !fit || !random.chance(40)) return std::nullopt;
  VisitPlan visit;
  const size_t count = random.chance(50) ? 1 : random.between(2, 5);
  for (size_t i = 0; i < count; ++i) {
    PlainRequest& request = visit.requests.emplace_back();
    request.id = std::to_string(session.number) + "." + std::to_string(i);
    request.route = served[random.below(served.size())];
    request.awaits_answer = random.chance(65);
    request.forwarded = (session.number + i) % 4 == 1;  // not drawn: the same seeds, the same runs
    make_request(random, room, config, request);
    request.pauses = random.chance(6);
    cut_into(random, request.head, request.pauses, request.pieces);
    request.head_pieces = request.pieces.size();
    cut_into(random, request.body, request.pauses, request.pieces);
    make_answer(random, room, config.splice, request, request.answer);
  }
  make_ending(random, visit);
  return visit;
}

}  // namespace sluice::sim
