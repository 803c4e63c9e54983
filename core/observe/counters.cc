// Counters in words.
#include "core/observe/counters.h"

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
    case EndKind::resources:
      return "resources";
  }
  return "none";
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
  add("relayed", row.relayed.value());
  add("client bytes", row.from_client.bytes.value());
  add("client messages", row.from_client.messages.value());
  add("upstream bytes", row.from_upstream.bytes.value());
  add("upstream messages", row.from_upstream.messages.value());
  for (size_t i = 0; i < row.ended.size(); ++i) {
    const uint64_t count = row.ended[i].value();
    if (count > 0)
      add((std::string("ended by ") + name_of(static_cast<EndKind>(i))).c_str(), count);
  }
  return text;
}

}  // namespace sluice
