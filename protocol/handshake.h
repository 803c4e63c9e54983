// The WebSocket opening handshake, both roles (RFC 6455 section 4): what a client's request must
// hold, the request that goes upstream, what the upstream's answer must hold, and the 101. What a
// refused client is told is error_answer.h's.
// Pure functions from heads to verdicts and heads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/end_to_end.h"
#include "protocol/http1.h"
#include "protocol/uri.h"

namespace sluice {

// Why a client gets no session.
struct Refusal {
  int status = 0;              // that it is told
  const char* reason = "";     // static text, for the log; it decides what the client is told
                               // (error_answer.h)
  std::string detail = {};     // for the log alone: the value seen, the directive that it is over
  uint32_t retry_after_s = 1;  // 429, 503: what the client is told
  const char* allow = "GET";   // 405: the same; methods that are served there
  // 401: the same; what WWW-Authenticate says (RFC 9110 11.6.1).
  std::string challenge = "Bearer";
};

// What a request asks for; views into its Head. The key and the lists are those of a valid upgrade
// request, and empty in others.
struct UpgradeRequest {
  RequestTarget target;
  std::string_view authority;  // what it is routed on: the absolute-form's, else Host's
  std::string_view host;       // authority without the port, brackets kept
  std::string_view key;        // Sec-WebSocket-Key
  std::vector<std::string_view> protocols;       // offered, in order
  std::vector<std::string_view> deflate_offers;  // well-formed ones, with their parameters
};

// Whether it asks for an upgrade to WebSocket, well or badly. Other upgrades may be declined in
// silence (RFC 9110 7.8).
bool asks_for_websocket(const Head& head);

// Fills the target, authority and host of any request; the rest of `request` stays.
std::optional<Refusal> find_target(const RequestHead& head, UpgradeRequest& request);

// Checks every row of protocol/BAD_INPUT.md's first table that a head alone decides (Host, body
// framing, version, method, Upgrade, Connection, key, target). On success fills `request`.
std::optional<Refusal> check_upgrade_request(const RequestHead& head, UpgradeRequest& request);

// How the request goes upstream. All views outlive the head that is built of them.
struct UpstreamRequest {
  std::string_view target;                      // path and query as the server gets them
  std::string_view host;                        // Host field's value
  std::string_view forwarded_for;               // the hop's address, or "" where it has none
  std::string_view forwarded_proto;             // "http" or "https"
  std::string_view forwarded_host;              // what the client asked for
  std::string_view forwarded;                   // our element of Forwarded; "": none is written
  std::span<const std::string_view> protocols;  // already filtered; empty: no field
  std::span<const HeaderField> set_headers;     // replace fields of that name
  std::span<const std::string_view> remove_headers;    // removed before set_headers are set
  std::span<const std::string_view> keep_headers;      // travel on though strangers' own do not
  std::span<const std::string_view> believed_headers;  // the same; empty: the hop is a stranger
  bool underscore_headers = false;  // names of other bytes than letters, digits and '-' do, too
  bool keep_alive = false;          // a plain one: its connection may stay
};

// What becomes of a client's field.
enum class FieldFate : uint8_t {
  kept,
  replaced,    // by ours, or is not end-to-end, or the conf removes or sets it
  not_plain,   // its name is not is_plain_name()
  forwarding,  // a stranger's is_forwarding_field()
};
FieldFate field_fate(const EndToEnd& end_to_end, std::string_view name,
                     const UpstreamRequest& upstream);

// Builds a request afresh: hop-by-hop fields and everything that Connection nominates are dropped
// (RFC 9110 7.6.1), end-to-end fields are kept in order as field_fate() says, then ours are added:
// X-Forwarded-For and Forwarded behind what was kept of them, X-Forwarded-Proto and -Host where the
// client's were not kept. What becomes of the connection, and how the body is framed, is still to
// be said.
RequestHead build_forwarded_request(const RequestHead& head, const UpstreamRequest& upstream);

// The same for an upgrade. The client's key and its well-formed permessage-deflate offers travel
// on; other offers do not, as if the client had not made them.
RequestHead build_upstream_request(const RequestHead& head, const UpgradeRequest& request,
                                   const UpstreamRequest& upstream);

// What a valid 101 agreed on; views into its Head.
struct UpgradeAnswer {
  std::string_view protocol;    // "" where none
  std::string_view extensions;  // the accepted permessage-deflate with parameters, or ""
};

// Checks a 101 (RFC 6455 4.2.2, 4.1 page 19): Upgrade, Connection, Accept for `key`, at most one
// protocol among `offered_protocols` (those that went upstream; an empty field is none), at most
// one permessage-deflate and only where it was offered. Returns the reason for the log, static
// text, or nullptr where all is well.
const char* check_upgrade_answer(const AnswerHead& head, std::string_view key,
                                 std::span<const std::string_view> offered_protocols,
                                 std::span<const std::string_view> deflate_offers,
                                 UpgradeAnswer& answer);

// The 101 for the client: end-to-end fields of the upstream's answer, Accept computed by us.
AnswerHead build_client_answer(const AnswerHead& head, std::string_view key,
                               const UpgradeAnswer& answer);

// The head of an upstream's refusal as the client gets it: its status, reason and end-to-end
// fields, Connection: close, and how its body ends, which is relayed as it came.
AnswerHead build_refusal_head(const AnswerHead& head, Http1Parser::Framing framing,
                              uint64_t content_length);

// A client's key (RFC 6455 4.1, page 17): these bytes, which are random, in base64. 24 characters.
std::string handshake_key(std::span<const uint8_t, 16> random);

// base64(SHA-1(key + GUID)), RFC 6455 4.2.2 step 5.4. 28 bytes.
std::string accept_for_key(std::string_view key);

}  // namespace sluice
