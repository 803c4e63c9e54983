// Handshake plans: good requests and answers, and each row of protocol/BAD_INPUT.md's handshake
// tables.
#include <algorithm>
#include <cstdio>

#include "protocol/handshake.h"
#include "tests/sim/plan.h"
#include "tests/sim/password_plan.h"
#include "tests/sim/token_plan.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

struct Field {
  std::string name;
  std::string value;
};

// A head that rows change before it is written.
struct Draft {
  std::string line;
  std::vector<Field> fields;

  Field* find(std::string_view name) {
    for (Field& field : fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }
  void set(std::string_view name, std::string value) { find(name)->value = std::move(value); }
  void drop(std::string_view name) {
    std::erase_if(fields, [name](const Field& field) { return field.name == name; });
  }
  void add(std::string name, std::string value) {
    fields.push_back({std::move(name), std::move(value)});
  }
  std::string text() const {
    std::string out = line + "\r\n";
    for (const Field& field : fields) out += field.name + ": " + field.value + "\r\n";
    return out + "\r\n";
  }
};

std::string escape_of(char byte) {
  char text[4];
  std::snprintf(text, sizeof text, "%%%02x", static_cast<unsigned>(byte));
  return text;
}

std::string make_key(Random& random) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string key;
  for (int i = 0; i < 21; ++i) key += digits[random.below(64)];
  return key + "A==";
}

// Pieces of one head: at once, in a few writes, or byte by byte; all within `within_ns`.
void split(Random& random, std::string bytes, uint64_t within_ns, std::vector<Piece>& out) {
  const bool bytewise = bytes.size() < 600 && random.chance(8);
  const size_t cuts = bytewise ? bytes.size() : random.chance(60) ? 0 : random.between(1, 5);
  while (!bytes.empty()) {
    const bool last = !bytewise && out.size() >= cuts;
    const size_t part = bytewise ? 1 : last ? bytes.size() : random.between(1, bytes.size());
    Piece piece;
    piece.bytes = bytes.substr(0, part);
    if (within_ns > 0 && !out.empty()) piece.delay_ns = random.below(within_ns / (cuts + 1) + 1);
    out.push_back(std::move(piece));
    bytes.erase(0, part);
  }
}

// Rows about fields; returns false where `row` is beyond them.
bool spoil_fields(Random& random, uint64_t row, Draft& draft, SessionPlan& plan) {
  plan.asking_statuses = {400};
  switch (row) {
    case 0:
      draft.drop("Host");
      return true;
    case 1:
      draft.add("Host", "b.example");
      return true;
    case 2:
      draft.set("Host", random.pick<std::string_view>({"user@a", "a:b", "a b", ""}).data());
      return true;
    case 3:
      draft.add("Content-Length", "5");
      return true;
    case 4:
      draft.add("Transfer-Encoding", "chunked");
      return true;
    case 5:
      draft.add("Content-Length", "0");
      draft.add("Content-Length", "3");
      return true;
    case 6:
      draft.drop("Sec-WebSocket-Key");
      return true;
    case 7:
      draft.add("Sec-WebSocket-Key", plan.key);
      return true;
    case 8:
      draft.set("Sec-WebSocket-Key", random.pick<std::string_view>({"short", "", "!!!"}).data());
      return true;
    case 9:
      draft.set("Connection", "keep-alive");
      return true;
    case 10:
      plan.asking_statuses = {426};
      draft.set("Sec-WebSocket-Version", "12");
      return true;
    case 11:
      plan.asking_statuses = {426};
      draft.set("Upgrade", "h2c");
      return true;
    case 12:
      plan.asking_statuses = {426};
      draft.drop("Upgrade");
      return true;
    case 13:
      plan.asking_statuses = {431};
      for (int i = 0; i < 110; ++i) draft.add("X-Many", "1");
      return true;
    case 14:
      plan.asking_statuses = {431};
      draft.add("X-Long", std::string(17'000, 'x'));
      return true;
    default:
      return false;
  }
}

// The route's path in one of the spellings that lead to it (core/DESIGN.md section 7, path), by
// number: the same seeds make the same runs.
std::string spelled(std::string path, uint64_t number) {
  if (number % 4 == 1) return path.replace(1, 1, escape_of(path[1]));
  if (number % 4 == 2) return path + "//x%2fy";
  if (number % 4 == 3) return path + ";v=1/%C3%a9\\z";
  return path;
}

// Dot segments, and what has two readings of which one leads nowhere.
std::string unroutable(const std::string& path, uint64_t number) {
  if (number % 4 == 1) return "/" + path;
  if (number % 4 == 2) return "/%5C" + path.substr(1);
  if (number % 4 == 3) return path + "/..;/x";
  return path + "/%2e%2e/x";
}

bool spoil_line(uint64_t row, const std::string& path, Draft& draft, SessionPlan& plan) {
  plan.asking_statuses = {400};
  switch (row) {
    case 15:
      draft.line = "GET " + path + " HTTP/1.0";
      return true;
    case 16:
      plan.asking_statuses = {405};
      draft.line = "POST " + path + " HTTP/1.1";
      return true;
    case 17:
      plan.asking_statuses = {505};
      draft.line = "GET " + path + (plan.number % 2 == 0 ? " HTTP/2.0" : "");
      return true;
    case 18:
      draft.line = "GET " + path + "#x HTTP/1.1";
      return true;
    case 19:
      draft.line = "GET  " + path + " HTTP/1.1";
      return true;
    case 20:
      draft.line = "GET " + unroutable(path, plan.number) + " HTTP/1.1";
      return true;
    case 21:
      plan.asking_statuses = {404};
      draft.line = "GET /nowhere HTTP/1.1";
      return true;
    case 22:
      plan.asking_statuses = {414};
      draft.line = "GET " + path + "/" + std::string(17'000, 'y') + " HTTP/1.1";
      return true;
    case 23:
      plan.asking_statuses = {400, 405, 501};
      draft.line = "BREW " + path + " HTTP/1.1";
      return true;
    default:
      return false;
  }
}

// Rows that are no longer lines and fields.
std::string spoil_bytes(Random& random, uint64_t row, std::string text, SessionPlan& plan) {
  plan.asking_statuses = {400};
  const size_t second_line = text.find("\r\n") + 2;
  switch (row) {
    case 24:
      return text.replace(second_line - 2, 2, "\n");
    case 25:
      return text.insert(second_line, "X-Folded: a\r\n b\r\n");
    case 26:
      return text.insert(second_line, "X-Blank : a\r\n");
    case 27:
      return text.insert(second_line, ": nameless\r\n");
    case 28:
      return text.insert(second_line, "X(y: a\r\n");
    case 29:
      return text.insert(second_line, std::string("X-Nul: a\0b\r\n", 12));
    case 30:
      return text.insert(second_line, "X-Return: a\rb\r\n");
    default:
      plan.asking_statuses = {400, 405, 501, 505};
      return std::string("\x16\x03\x01", 3) + random.bytes(random.between(20, 200));
  }
}

constexpr uint64_t asking_rows = 32;

// Who asks is a page that may, one that may not, or none. Nothing is drawn for it, so that older
// seeds mean what they meant.
void come_from_page(const RouteConfig& route, Draft& draft, SessionPlan& plan) {
  if (plan.asking != Asking::upgrade || !route.allowed_origins.given()) return;
  if (plan.number % 4 == 0) return draft.add("Origin", "https://own.example");
  if (plan.number % 4 == 1) return draft.add("origin", "HTTPS://Own.Example:443");
  if (plan.number % 4 == 2) return;
  draft.add("Origin", plan.number % 8 == 3 ? "https://own.example.evil.example" : "null");
  plan.asking = Asking::wrong;
  plan.asking_statuses = {403};
}

}  // namespace

void plan_asking(Random& random, const RouteConfig& route, SessionPlan& plan) {
  plan.key = make_key(random);
  const std::string path = spelled(route.path + "/s" + std::to_string(plan.number), plan.number);
  Draft draft;
  draft.line = "GET " + path + " HTTP/1.1";
  draft.fields = {{"Host", "a.example"},
                  {"Upgrade", "websocket"},
                  {"Connection", random.chance(30) ? "keep-alive, Upgrade, X-Hop" : "Upgrade"},
                  {"Sec-WebSocket-Version", "13"},
                  {"Sec-WebSocket-Key", plan.key},
                  {"X-Hop", "dropped"},
                  {"X-Session", std::to_string(plan.number)}};
  if (random.chance(20)) draft.add("Content-Length", "0");
  if (random.chance(30)) {
    draft.add("Sec-WebSocket-Protocol", "chat, mqtt");
    plan.subprotocol = random.pick<std::string_view>({"chat", "mqtt", ""});
  }
  if (random.chance(30)) {
    const bool good = random.chance(80);  // else an offer that does not travel (RFC 7692 7.1)
    const char* offer =
        good ? random.pick<const char*>({"client_max_window_bits", "server_max_window_bits=15",
                                         "server_no_context_takeover"})
             : random.pick<const char*>({"server_max_window_bits", "x", ""});
    draft.add("Sec-WebSocket-Extensions", std::string("x-other, permessage-deflate; ") + offer);
    plan.deflate_offered = good;
    plan.deflate = good && random.chance(70);
  }
  std::string text;
  come_from_page(route, draft, plan);
  if (route.wants_jwt()) draft.add("Authorization", plan_token(random, plan));
  if (route.password_file != 0) {
    const std::string password = plan_password(random, plan);
    if (!password.empty()) draft.add("Authorization", password);
  }
  if (!plan.asking_statuses.empty()) {
    text = draft.text();
  } else if (plan.asking == Asking::wrong) {
    uint64_t row = random.below(asking_rows);
    if (route.http && (row == 11 || row == 12)) row = 0;  // these are plain requests there
    if (spoil_fields(random, row, draft, plan) || spoil_line(row, path, draft, plan)) {
      text = draft.text();
    } else {
      text = spoil_bytes(random, row, draft.text(), plan);
    }
  } else if (plan.asking != Asking::silence) {
    text = draft.text();
  }
  if (plan.asking == Asking::never) text.resize(random.between(1, text.size() - 1));
  const uint64_t within = plan.asking == Asking::never ? 4 * second : 20 * ms;
  split(random, std::move(text), within, plan.client.opening);
}

namespace {

std::string upgrade_answer(Random& random, const SessionPlan& plan) {
  Draft draft;
  draft.line = "HTTP/1.1 101 Switching Protocols";
  draft.fields = {{"Upgrade", random.chance(50) ? "websocket" : "WebSocket"},
                  {"Connection", "Upgrade"},
                  {"Sec-WebSocket-Accept", accept_for_key(plan.key)},
                  {"X-Answer", std::to_string(plan.number)}};
  if (!plan.subprotocol.empty() || random.chance(10)) {  // an empty one is none
    draft.add("Sec-WebSocket-Protocol", plan.subprotocol);
  }
  // Which parameters an answer has is between the endpoints.
  if (plan.deflate) {
    draft.add("Sec-WebSocket-Extensions",
              random.pick<const char*>({"permessage-deflate",
                                        "permessage-deflate; server_no_context_takeover",
                                        "permessage-deflate; client_max_window_bits=9"}));
  }
  std::string interims;
  if (random.chance(10)) {
    const size_t count = random.between(1, 8);
    for (size_t i = 0; i < count; ++i) {
      interims += random.chance(50) ? "HTTP/1.1 100 Continue\r\n\r\n"
                                    : "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    }
  }
  return interims + draft.text();
}

std::string wrong_answer(Random& random, SessionPlan& plan) {
  Draft draft;
  draft.line = "HTTP/1.1 101 Switching Protocols";
  draft.fields = {{"Upgrade", "websocket"},
                  {"Connection", "Upgrade"},
                  {"Sec-WebSocket-Accept", accept_for_key(plan.key)}};
  const auto named = [&plan](const char* name) { plan.wrong_reason = name; };
  switch (random.below(12)) {
    case 0:
      named("wrong Accept");
      draft.set("Sec-WebSocket-Accept", accept_for_key(plan.key + "x"));
      break;
    case 1:
      named("no Accept");
      draft.drop("Sec-WebSocket-Accept");
      break;
    case 2:
      named("two Accepts");
      draft.add("Sec-WebSocket-Accept", accept_for_key(plan.key));
      break;
    case 3:
      named("no Upgrade");
      draft.drop("Upgrade");
      break;
    case 4:
      named("no Connection");
      draft.drop("Connection");
      break;
    case 5:
      named("subprotocol");
      draft.add("Sec-WebSocket-Protocol", "never-offered");
      break;
    case 6:
      named("extension");
      draft.add("Sec-WebSocket-Extensions",
                !plan.deflate_offered && random.chance(50) ? "permessage-deflate" : "x-other");
      break;
    case 7:
      named("HTTP/1.0");
      draft.line = "HTTP/1.0 101 Switching Protocols";
      break;
    case 8:
      named("garbage");
      return "SSH-2.0-OpenSSH_9.2\r\n" + random.bytes(random.below(300));
    case 9:
      named("head too large");
      draft.add("X-Long", std::string(33'000, 'x'));
      break;
    case 10: {
      named("too many interim answers");
      std::string text;
      while (text.size() <= 33'000) text += "HTTP/1.1 100 Continue\r\n\r\n";
      return text + draft.text();
    }
    default:
      named("bare LF");
      return "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n";
  }
  return draft.text();
}

// A refusal with a body in one of the framings of RFC 9112 6.3.
std::string refusal(Random& random, Room room, SessionPlan& plan) {
  plan.refusal_status = random.pick<int>({200, 301, 401, 403, 404, 426, 500, 503});
  const size_t most = random.pick<size_t>({100, 2'000, 2'000, 60'000, 700'000});
  const size_t size = random.below(room == Room::small ? 300 : most);
  plan.refusal_body = random.bytes(size);
  plan.refusal_broken = random.chance(25);
  std::string text = "HTTP/1.1 " + std::to_string(plan.refusal_status) + " No\r\nX-Why: sim\r\n";
  std::string& body = plan.refusal_body;
  const uint64_t framing = random.below(3);
  if (framing == 0) {
    text += "Content-Length: " + std::to_string(body.size() + (plan.refusal_broken ? 7 : 0));
    return text + "\r\n\r\n" + body;
  }
  if (framing == 1) {
    plan.refusal_broken = false;  // its end cannot be told from an end too early
    return text + "\r\n" + body;
  }
  text += "Transfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size();) {
    const size_t part = std::min<size_t>(body.size() - at, random.between(1, 8'000));
    char length[20];
    std::snprintf(length, sizeof length, "%zx\r\n", part);
    text += length + body.substr(at, part) + "\r\n";
    at += part;
  }
  return plan.refusal_broken ? text : text + "0\r\n\r\n";
}

}  // namespace

void plan_answer(Random& random, Room room, SessionPlan& plan) {
  std::string text;
  switch (plan.answer) {
    case Answer::upgrade:
      text = upgrade_answer(random, plan);
      break;
    case Answer::wrong:
      text = wrong_answer(random, plan);
      break;
    case Answer::refusal:
      text = refusal(random, room, plan);
      break;
    case Answer::never:
      text = upgrade_answer(random, plan);
      text.resize(random.chance(50) ? 0 : random.below(text.size()));
      break;
  }
  const uint64_t within = plan.answer == Answer::never ? 4 * second : 20 * ms;
  split(random, std::move(text), within, plan.upstream.opening);
}

}  // namespace sluice::sim
