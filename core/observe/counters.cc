// Counters in words.
#include "core/observe/counters.h"

#include <algorithm>
#include <bit>

namespace sluice {

const char* name_of(EndKind kind) {
  switch (kind) {
    case EndKind::none:
      return "none";
    case EndKind::peer_close:
      return "peer_close";
    case EndKind::no_close:
      return "no_close";
    case EndKind::connection_lost:
      return "connection_lost";
    case EndKind::protocol_error:
      return "protocol_error";
    case EndKind::idle_timeout:
      return "idle_timeout";
    case EndKind::send_timeout:
      return "send_timeout";
    case EndKind::close_timeout:
      return "close_timeout";
    case EndKind::buffer_memory:
      return "buffer_memory";
    case EndKind::shutdown:
      return "shutdown";
    case EndKind::drain:
      return "drain";
    case EndKind::command:
      return "command";
    case EndKind::session_age:
      return "session_age";
    case EndKind::ping_timeout:
      return "ping_timeout";
    case EndKind::rate:
      return "rate";
    case EndKind::queued_time:
      return "queued_time";
    case EndKind::resources:
      return "resources";
  }
  return "none";
}

void Durations::add(uint32_t us) {
  counts[std::min<size_t>(std::bit_width(us), places - 1)].add(1);
  sum_us.add(us);
}

uint64_t Durations::count() const {
  uint64_t sum = 0;
  for (const Counter& each : counts) sum += each.value();
  return sum;
}

std::string text_of(const WorkerRow& row) {
  std::string text;
  const auto add = [&text](const char* name, uint64_t value) {
    if (!text.empty()) text += ", ";
    text.append(name).append(" ").append(std::to_string(value));
  };
  add("accepted", row.accepted.value());
  add("turned away", row.turned_away.value());
  add("refused", row.refused.value());
  add("handshake_rate pauses", row.held_back.value());
  add("handshake_rate refused", row.rate_refused.value());
  add("relayed", row.relayed.value());
  add("client bytes", row.from_client.bytes.value());
  add("client messages", row.from_client.messages.value());
  add("upstream bytes", row.from_upstream.bytes.value());
  add("upstream messages", row.from_upstream.messages.value());
  const auto add_pings = [&add](const char* name, const Counter& sent, const Durations& trips) {
    if (sent.value() == 0) return;
    const std::string side = name;
    add(("pings to " + side).c_str(), sent.value());
    const uint64_t answered = trips.count();
    add(("pongs of " + side).c_str(), answered);
    if (answered > 0) add((side + " round trip us").c_str(), trips.sum_us.value() / answered);
  };
  add_pings("client", row.pings_to_client, row.client_round_trips);
  add_pings("upstream", row.pings_to_upstream, row.upstream_round_trips);
  for (size_t i = 0; i < row.ended.size(); ++i) {
    const uint64_t count = row.ended[i].value();
    if (count > 0)
      add((std::string("ended by ") + name_of(static_cast<EndKind>(i))).c_str(), count);
  }
  return text;
}

}  // namespace sluice
