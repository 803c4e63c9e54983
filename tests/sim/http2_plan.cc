// HTTP/2 in a run: mostly windows and frames of all sizes under sessions that behave as ever.
#include "tests/sim/http2_plan.h"

#include <algorithm>
#include <string>

#include "protocol/handshake.h"
#include "tests/sim/scenery.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

std::string text_of(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) text += piece.bytes;
  return text;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// What is wrong with a request of HTTP/2 that its stream can be told of.
void spoil(Random& random, SessionPlan& plan) {
  const std::string number = std::to_string(plan.number);
  std::string line = "GET /nowhere HTTP/1.1\r\n";
  std::string upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  std::string version = "13";
  plan.asking_statuses = {404};
  const std::string path = "/r" + std::to_string(plan.route) + "/s" + number;
  switch (random.below(3)) {
    case 0:
      break;
    case 1:
      plan.asking_statuses = {426};
      line = "GET " + path + " HTTP/1.1\r\n";
      version = "12";
      break;
    default:
      plan.asking_statuses = {400};
      line = "GET /" + path + "/%2e%2e/x HTTP/1.1\r\n";
  }
  Piece piece;
  piece.bytes = line + "Host: a.example\r\n" + upgrade + "Sec-WebSocket-Version: " + version +
                "\r\nSec-WebSocket-Key: " + plan.key + "\r\nX-Session: " + number + "\r\n\r\n";
  plan.client.opening = {std::move(piece)};
}

}  // namespace

void permit_http2(Random& random, Scenery& scenery, Config& config) {
  ListenConfig& listener = config.listeners[0];
  scenery.http2 = true;
  listener.http2 = Http2Use::cleartext;
  listener.http2_max_streams = random.pick<uint32_t>({1, 2, 128, 128});
  listener.http2_stream_window_bytes = random.pick<uint32_t>({4'096, 65'535, 65'535, 1 << 20});
  // Clients of tests answer each frame.
  listener.http2_reset_rate = {};
  listener.http2_control_frame_rate = {};
  scenery.command_ns = 0;  // several sessions have one client
}

Http2Plan make_http2_plan(Random& random, Room room, uint64_t bytes) {
  using Trouble = Http2Plan::Trouble;
  Http2Plan plan;
  const bool many = bytes > 20'000;
  plan.window_bytes =
      random.pick<uint32_t>({many ? 4'000u : 1u, many ? 4'000u : 100u, 65'535, 65'535, 1 << 20});
  plan.most_frame_bytes = random.pick<size_t>({many ? size_t{500} : 1, 100, 16'384, 16'384});
  if (room == Room::small) {  // a byte at a time is enough
    plan.window_bytes = std::max<uint32_t>(plan.window_bytes, 100);
    plan.most_frame_bytes = std::max<size_t>(plan.most_frame_bytes, 100);
  }
  if (random.chance(20)) plan.padding_percent = random.pick<unsigned>({10, 100});
  if (random.chance(30)) plan.pings = static_cast<unsigned>(random.between(1, 5));
  plan.hasty = random.chance(20);
  plan.leaves_at_goaway = random.chance(70);
  if (!random.chance(25)) return plan;
  plan.trouble = random.pick<Trouble>({Trouble::fin, Trouble::reset, Trouble::cut_fin,
                                       Trouble::cut_reset, Trouble::cut_reset, Trouble::goaway,
                                       Trouble::goaway, Trouble::freeze, Trouble::stall});
  plan.trouble_after_ns = random.below(random.chance(50) ? 20 * ms : 1'500 * ms);
  plan.cut_at_bytes = random.between(1, 200 + bytes);
  plan.stall_ns = random.between(50, 2'500) * ms;
  return plan;
}

void adapt_to_http2(Random& random, SessionPlan& plan) {
  plan.speaks_plain_http = plan.mute = false;
  if (plan.asking == Asking::upgrade) return;
  const bool of_route = plan.asking == Asking::wrong &&
                        text_of(plan.client.opening).starts_with("GET /") &&
                        (plan.asking_statuses == std::vector<int>{401} ||
                         plan.asking_statuses == std::vector<int>{403});
  if (of_route) return;
  plan.asking = Asking::wrong;
  spoil(random, plan);
}

void adopt_key(SessionPlan& plan, const std::string& key) {
  if (plan.key == key) return;
  std::string text = text_of(plan.upstream.opening);
  replace_all(text, accept_for_key(plan.key), accept_for_key(key));
  for (Piece& piece : plan.upstream.opening) {
    const size_t bytes = piece.bytes.size();
    piece.bytes = text.substr(0, bytes);
    text.erase(0, bytes);
  }
  plan.key = key;
}

}  // namespace sluice::sim
