// Building the request and judging the answer.
#include "tests/load/bench_opening.h"

#include <cstdint>

#include "net/sys.h"
#include "protocol/ascii.h"
#include "protocol/handshake.h"

namespace sluice::load {

namespace {

constexpr size_t key_bytes = 16;  // RFC 6455 4.1 page 18

std::string make_key() {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t bytes[key_bytes + 2] = {};  // up to a multiple of three
  sys::random_bytes(bytes, key_bytes);
  std::string key;
  for (size_t i = 0; i < sizeof bytes; i += 3) {
    const uint32_t three = uint32_t{bytes[i]} << 16 | uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) key += digits[three >> shift & 0x3f];
  }
  key.replace(key.size() - 2, 2, "==");
  return key;
}

std::string make_request(const BenchOptions& options, const std::string& key) {
  const ServerUri& server = options.server;
  std::string request =
      "GET " + (server.path.empty() ? "/" : server.path) +
      " HTTP/1.1\r\nHost: " + server.authority +
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
      "\r\nSec-WebSocket-Version: 13\r\n";
  if (!options.subprotocol.empty()) {
    request += "Sec-WebSocket-Protocol: " + options.subprotocol + "\r\n";
  }
  for (const std::string& header : options.headers) request += header + "\r\n";
  return request + "\r\n";
}

// What both sides agree on, however the answer came.
std::string find_fault_of_terms(const Head& head, const BenchOptions& options) {
  if (head.count("Sec-WebSocket-Extensions") != 0) return "an extension that was not offered";
  const std::string_view* agreed = head.find("Sec-WebSocket-Protocol");
  if (agreed == nullptr) {
    return options.subprotocol.empty() ? "" : "the subprotocol was not agreed on";
  }
  return *agreed == options.subprotocol ? "" : "a subprotocol that was not offered";
}

}  // namespace

Opening::Opening(const BenchOptions& options)
    : key(make_key()),
      request(make_request(options, key)),
      parser(Http1Parser::Role::response, Http1Parser::Limits()) {}

std::string Opening::find_fault(const BenchOptions& options) const {
  const AnswerHead& head = parser.answer();
  if (head.status != 101) return "the answer is " + std::to_string(head.status);
  if (!has_list_token(head, "Upgrade", "websocket")) return "a 101 without Upgrade: websocket";
  if (!has_list_token(head, "Connection", "upgrade")) return "a 101 without Connection: Upgrade";
  if (head.count("Sec-WebSocket-Accept") != 1) return "not exactly one Sec-WebSocket-Accept";
  if (*head.find("Sec-WebSocket-Accept") != accept_for_key(key)) {
    return "a wrong Sec-WebSocket-Accept";
  }
  return find_fault_of_terms(head, options);
}

Http2Fields stream_request(const BenchOptions& options) {
  const ServerUri& server = options.server;
  Http2Fields fields = {{":method", "CONNECT"},
                        {":protocol", "websocket"},
                        {":scheme", server.secure ? "https" : "http"},
                        {":path", server.path.empty() ? "/" : server.path},
                        {":authority", server.authority},
                        {"sec-websocket-version", "13"}};
  if (!options.subprotocol.empty()) {
    fields.emplace_back("sec-websocket-protocol", options.subprotocol);
  }
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':');
    fields.emplace_back(lower_case(header.substr(0, colon)), header.substr(colon + 2));
  }
  return fields;
}

std::string find_stream_fault(const Http2Fields& answer, const BenchOptions& options) {
  const std::string_view status = value_of(answer, ":status");
  if (!status.starts_with('2')) return "the answer is " + std::string(status);
  AnswerHead head;
  add_views(answer, head);
  return find_fault_of_terms(head, options);
}

}  // namespace sluice::load
