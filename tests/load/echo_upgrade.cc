// The checks of RFC 6455 4.2.1 and the answers of 4.2.2.
#include "tests/load/echo_upgrade.h"

#include <algorithm>

#include "protocol/handshake.h"

namespace sluice::load {

namespace {

// base64 of 16 bytes: 22 digits and two '='.
bool key_valid(std::string_view key) {
  const auto digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  };
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, digit);
}

const char* find_fault(const Head& head) {
  if (head.method != "GET") return "the method is not GET";
  if (head.major_version != 1 || head.minor_version < 1) return "not HTTP/1.1";
  if (head.count("Host") != 1) return "not exactly one Host";
  if (!has_list_token(head, "Upgrade", "websocket")) return "no Upgrade: websocket";
  if (!has_list_token(head, "Connection", "upgrade")) return "no Connection: Upgrade";
  if (head.count("Sec-WebSocket-Version") != 1 || *head.find("Sec-WebSocket-Version") != "13") {
    return "no Sec-WebSocket-Version: 13";
  }
  if (head.count("Sec-WebSocket-Key") != 1 || !key_valid(*head.find("Sec-WebSocket-Key"))) {
    return "no valid Sec-WebSocket-Key";
  }
  return nullptr;
}

bool offered(const Head& head, std::string_view subprotocol) {
  const std::vector<std::string_view> offers = list_elements(head, "Sec-WebSocket-Protocol");
  return std::find(offers.begin(), offers.end(), subprotocol) != offers.end();
}

}  // namespace

UpgradeDecision answer_upgrade(const Head& head, std::string_view subprotocol) {
  if (const char* fault = find_fault(head); fault != nullptr) return refuse_upgrade(fault);
  UpgradeDecision decision;
  decision.upgraded = true;
  decision.answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_for_key(*head.find("Sec-WebSocket-Key")) + "\r\n";
  if (!subprotocol.empty() && offered(head, subprotocol)) {
    decision.answer += "Sec-WebSocket-Protocol: ";
    decision.answer += subprotocol;
    decision.answer += "\r\n";
  }
  decision.answer += "\r\n";
  return decision;
}

UpgradeDecision refuse_upgrade(const char* reason) {
  const std::string body = std::string(reason) + "\n";
  UpgradeDecision decision;
  decision.reason = reason;
  decision.answer =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  return decision;
}

}  // namespace sluice::load
