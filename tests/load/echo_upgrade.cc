// The checks of RFC 6455 4.2.1 and the answers of 4.2.2.
#include "tests/load/echo_upgrade.h"

#include <algorithm>

#include "protocol/error_answer.h"
#include "protocol/handshake.h"
#include "tests/load/echo_page.h"

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

const char* find_fault(const RequestHead& head) {
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

// RFC 8441 5: no key, no Upgrade, no Connection; nghttp2 has refused malformed ones.
const char* find_stream_fault(const RequestHead& head) {
  if (head.method != "CONNECT" || head.count(":protocol") != 1) {
    return "the method is not CONNECT with a :protocol";
  }
  if (*head.find(":protocol") != "websocket") return "the :protocol is not websocket";
  if (head.count("Sec-WebSocket-Version") != 1 || *head.find("Sec-WebSocket-Version") != "13") {
    return "no Sec-WebSocket-Version: 13";
  }
  return nullptr;
}

StreamDecision refuse_stream_with(uint32_t status, const char* reason) {
  return {false,
          {{":status", std::to_string(status)}, {"content-type", "text/plain"}},
          std::string(reason) + "\n",
          reason};
}

UpgradeDecision refuse_with(int status, const char* reason) {
  const std::string body = std::string(reason) + "\n";
  UpgradeDecision decision;
  decision.reason = reason;
  decision.answer = "HTTP/1.1 " + std::to_string(status) + " " + std::string(status_text(status)) +
                    "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body;
  return decision;
}

}  // namespace

UpgradeDecision answer_upgrade(const RequestHead& head, const EchoOptions& options) {
  const bool plain = head.method == "GET" && !has_list_token(head, "Upgrade", "websocket");
  if (options.page && plain) {
    UpgradeDecision decision;
    decision.answer = page_answer();
    return decision;
  }
  if (const char* fault = find_fault(head); fault != nullptr) return refuse_upgrade(fault);
  if (options.refuse_status != 0) {
    return refuse_with(static_cast<int>(options.refuse_status), "refused, as --refuse wants it");
  }
  UpgradeDecision decision;
  decision.upgraded = true;
  decision.answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_for_key(*head.find("Sec-WebSocket-Key")) + "\r\n";
  if (const std::string& subprotocol = options.subprotocol;
      !subprotocol.empty() && offered(head, subprotocol)) {
    decision.answer += "Sec-WebSocket-Protocol: ";
    decision.answer += subprotocol;
    decision.answer += "\r\n";
  }
  decision.answer += "\r\n";
  return decision;
}

RequestHead request_of(const Http2Fields& fields) {
  RequestHead head;
  head.major_version = 2;
  head.minor_version = 0;
  head.method = value_of(fields, ":method");
  head.target = value_of(fields, ":path");
  add_views(fields, head);
  return head;
}

StreamDecision answer_stream(const RequestHead& head, const EchoOptions& options) {
  if (options.page && head.method == "GET") {
    return {false,
            {{":status", "200"},
             {"content-type", "text/html; charset=utf-8"},
             {"cache-control", "no-store"}},
            page_text(),
            ""};
  }
  if (const char* fault = find_stream_fault(head); fault != nullptr) {
    return refuse_stream_with(400, fault);
  }
  if (options.refuse_status != 0) {
    return refuse_stream_with(options.refuse_status, "refused, as --refuse wants it");
  }
  StreamDecision decision{true, {{":status", "200"}}, "", ""};
  if (const std::string& subprotocol = options.subprotocol;
      !subprotocol.empty() && offered(head, subprotocol)) {
    decision.fields.emplace_back("sec-websocket-protocol", subprotocol);
  }
  return decision;
}

UpgradeDecision refuse_upgrade(const char* reason) {
  return refuse_with(400, reason);
}

std::string head_text(const RequestHead& head) {
  std::string text(head.method);
  text.append(" ").append(head.target).append(" HTTP/");
  text += head.major_version == 2 ? "2" : "1." + std::to_string(head.minor_version);
  for (const HeaderField& field : head.fields) {
    text.append("\r\n").append(field.name).append(": ").append(field.value);
  }
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
  return text;
}

}  // namespace sluice::load
