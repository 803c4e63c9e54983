// The handshake's server role: what a client must ask. Building and checking toward the upstream
// is handshake_upstream.cc, our own answers are error_answer.cc.
#include "protocol/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <new>

#include "protocol/extensions.h"

namespace sluice {

namespace {

constexpr std::string_view accept_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3

bool is_base64_byte(char byte) {
  return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
         (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
}

// 16 bytes in base64: 22 digits and their padding.
bool key_valid(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::all_of(key.begin(), key.begin() + 22, is_base64_byte);
}

// An upgrade request has no body; a length of nothing may be said (core/DESIGN.md section 7).
bool announces_body(const Head& head) {
  if (head.find("Transfer-Encoding") != nullptr) return true;
  return std::any_of(head.fields.begin(), head.fields.end(), [](const HeaderField& field) {
    return equals_ignoring_case(field.name, "Content-Length") &&
           field.value.find_first_not_of('0') != std::string_view::npos;
  });
}

// RFC 6455 4.2.1: what makes a request an upgrade to WebSocket.
std::optional<Refusal> check_upgrade_fields(const RequestHead& head) {
  if (!asks_for_websocket(head)) {
    return Refusal{426, "no upgrade to websocket asked for"};
  }
  if (head.minor_version < 1) return Refusal{400, "upgrade in HTTP/1.0"};
  if (head.method != "GET") return Refusal{405, "method other than GET"};
  if (!has_list_token(head, "Connection", "upgrade")) {
    return Refusal{400, "Connection without upgrade"};
  }
  if (announces_body(head)) return Refusal{400, "upgrade request with a body"};
  if (head.count("Sec-WebSocket-Version") != 1 || *head.find("Sec-WebSocket-Version") != "13") {
    return Refusal{426, "Sec-WebSocket-Version is not 13"};
  }
  if (head.count("Sec-WebSocket-Key") != 1 || !key_valid(*head.find("Sec-WebSocket-Key"))) {
    return Refusal{400, "malformed or doubled Sec-WebSocket-Key"};
  }
  return std::nullopt;
}

}  // namespace

bool asks_for_websocket(const Head& head) {
  return has_list_token(head, "Upgrade", "websocket");
}

// RFC 9110 7.2 and RFC 9112 3.2.2: the target's authority outranks Host, which must stand there all
// the same. Http1Parser has judged both. A server as a whole ("*") is found as its path "/" is.
std::optional<Refusal> find_target(const RequestHead& head, UpgradeRequest& request) {
  const std::string_view* host = head.find("Host");
  if (host == nullptr) return Refusal{400, "no Host"};
  request.target = parse_request_target(head.target == "*" ? "/" : head.target).value();
  request.authority = request.target.authority.empty() ? *host : request.target.authority;
  request.host = parse_authority(request.authority).value().host;
  return std::nullopt;
}

std::optional<Refusal> check_upgrade_request(const RequestHead& head, UpgradeRequest& request) {
  if (auto refusal = find_target(head, request)) return refusal;
  if (auto refusal = check_upgrade_fields(head)) return refusal;
  request.key = *head.find("Sec-WebSocket-Key");
  request.protocols = list_elements(head, "Sec-WebSocket-Protocol");
  for (const std::string_view protocol : request.protocols) {
    if (!is_token(protocol)) return Refusal{400, "malformed Sec-WebSocket-Protocol"};
  }
  for (const std::string_view extension : list_elements(head, "Sec-WebSocket-Extensions")) {
    if (deflate_offer_valid(extension)) request.deflate_offers.push_back(extension);
  }
  return std::nullopt;
}

std::string handshake_key(std::span<const uint8_t, 16> random) {
  unsigned char encoded[24 + 1];
  const int bytes = EVP_EncodeBlock(encoded, random.data(), static_cast<int>(random.size()));
  return std::string(reinterpret_cast<const char*>(encoded), static_cast<size_t>(bytes));
}

std::string accept_for_key(std::string_view key) {
  std::string text(key);
  text += accept_guid;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  // SHA-1 is always there; what can fail is OpenSSL's allocation of its context.
  if (EVP_Digest(text.data(), text.size(), digest, &digest_bytes, EVP_sha1(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  unsigned char encoded[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
  const int bytes = EVP_EncodeBlock(encoded, digest, static_cast<int>(digest_bytes));
  return std::string(reinterpret_cast<const char*>(encoded), static_cast<size_t>(bytes));
}

}  // namespace sluice
