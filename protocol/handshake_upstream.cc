// The handshake's client role: the request that goes upstream, built afresh, and what an upstream's
// answer must hold before it reaches the client (RFC 6455 section 4.1).
#include <algorithm>

#include "protocol/end_to_end.h"
#include "protocol/extensions.h"
#include "protocol/forwarded.h"
#include "protocol/handshake.h"

namespace sluice {

namespace {

std::string joined(std::span<const std::string_view> elements) {
  std::string text;
  for (const std::string_view element : elements) {
    if (!text.empty()) text += ", ";
    text += element;
  }
  return text;
}

void append_element(std::string& list, std::string_view element) {
  if (!list.empty() && !element.empty()) list += ", ";
  list += element;
}

bool decided_by_conf(const UpstreamRequest& upstream, std::string_view name) {
  return named_in(upstream.remove_headers, name) ||
         std::any_of(upstream.set_headers.begin(), upstream.set_headers.end(),
                     [name](const auto& field) { return equals_ignoring_case(field.name, name); });
}

// The payload passes opaque, so whether permessage-deflate was offered is all that concerns us: its
// parameters are between the endpoints.
const char* check_extensions(const Head& head, std::span<const std::string_view> offers,
                             UpgradeAnswer& answer) {
  const std::vector<std::string_view> accepted = list_elements(head, "Sec-WebSocket-Extensions");
  if (accepted.empty()) return nullptr;
  for (const std::string_view extension : accepted) {
    if (!names_deflate(extension)) return "101 with an extension that was not offered";
  }
  if (offers.empty()) return "101 with permessage-deflate, which was not offered";
  if (accepted.size() > 1) return "101 names permessage-deflate twice";
  answer.extensions = accepted[0];
  return nullptr;
}

// Subprotocols compare with case (RFC 6455 4.1). An empty field chooses none, as browsers read it.
const char* check_protocol(const Head& head, std::span<const std::string_view> offered,
                           UpgradeAnswer& answer) {
  if (head.count("Sec-WebSocket-Protocol") > 1) return "101 with a second Sec-WebSocket-Protocol";
  const std::string_view* protocol = head.find("Sec-WebSocket-Protocol");
  if (protocol == nullptr || protocol->empty()) return nullptr;
  if (std::find(offered.begin(), offered.end(), *protocol) == offered.end()) {
    return "101 with a subprotocol that was not offered";
  }
  answer.protocol = *protocol;
  return nullptr;
}

}  // namespace

FieldFate field_fate(const EndToEnd& end_to_end, std::string_view name,
                     const UpstreamRequest& upstream) {
  if (!end_to_end.keeps(name) || equals_ignoring_case(name, "Host")) return FieldFate::replaced;
  if (decided_by_conf(upstream, name)) return FieldFate::replaced;
  if (named_in(upstream.keep_headers, name)) return FieldFate::kept;
  if (named_in(upstream.believed_headers, name)) return FieldFate::kept;
  if (!upstream.underscore_headers && !is_plain_name(name)) return FieldFate::not_plain;
  return is_forwarding_field(name) ? FieldFate::forwarding : FieldFate::kept;
}

RequestHead build_forwarded_request(const RequestHead& head, const UpstreamRequest& upstream) {
  const EndToEnd end_to_end(head);
  RequestHead built;
  built.method = head.method;
  built.target = upstream.target;
  built.add("Host", upstream.host);
  // Lists, the hop before us last: ours goes behind what was kept.
  std::string forwarded_for;
  std::string forwarded;
  bool proto_kept = false;
  bool host_kept = false;
  for (const HeaderField& field : head.fields) {
    if (field_fate(end_to_end, field.name, upstream) != FieldFate::kept) continue;
    if (equals_ignoring_case(field.name, "X-Forwarded-For")) {
      append_element(forwarded_for, field.value);
      continue;
    }
    if (!upstream.forwarded.empty() && equals_ignoring_case(field.name, "Forwarded")) {
      append_element(forwarded, field.value);
      continue;
    }
    proto_kept = proto_kept || equals_ignoring_case(field.name, "X-Forwarded-Proto");
    host_kept = host_kept || equals_ignoring_case(field.name, "X-Forwarded-Host");
    built.fields.push_back(field);
  }
  if (!upstream.forwarded.empty()) {
    // Hops that are believed and write the other field alone are named here as well (RFC 7239 7.4).
    if (forwarded.empty() && !upstream.believed_headers.empty()) {
      forwarded = forwarded_list(forwarded_for);
    }
    append_element(forwarded, upstream.forwarded);
  }
  append_element(forwarded_for, upstream.forwarded_for);
  const auto add_ours = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && !decided_by_conf(upstream, name)) built.add(name, value);
  };
  add_ours("X-Forwarded-For", built.made.emplace_back(std::move(forwarded_for)));
  add_ours("Forwarded", built.made.emplace_back(std::move(forwarded)));
  if (!proto_kept) add_ours("X-Forwarded-Proto", upstream.forwarded_proto);
  if (!host_kept) add_ours("X-Forwarded-Host", upstream.forwarded_host);
  for (const HeaderField& field : upstream.set_headers) built.fields.push_back(field);
  return built;
}

RequestHead build_upstream_request(const RequestHead& head, const UpgradeRequest& request,
                                   const UpstreamRequest& upstream) {
  RequestHead built = build_forwarded_request(head, upstream);
  built.method = "GET";
  built.add("Connection", "Upgrade");
  built.add("Upgrade", "websocket");
  built.add("Sec-WebSocket-Version", "13");
  built.add("Sec-WebSocket-Key", request.key);
  if (!upstream.protocols.empty()) {
    built.add_made("Sec-WebSocket-Protocol", joined(upstream.protocols));
  }
  if (!request.deflate_offers.empty()) {
    built.add_made("Sec-WebSocket-Extensions", joined(request.deflate_offers));
  }
  return built;
}

const char* check_upgrade_answer(const AnswerHead& head, std::string_view key,
                                 std::span<const std::string_view> offered_protocols,
                                 std::span<const std::string_view> deflate_offers,
                                 UpgradeAnswer& answer) {
  if (head.minor_version < 1) return "101 in HTTP/1.0";
  const std::string_view* upgrade = head.find("Upgrade");
  if (upgrade == nullptr) return "101 without Upgrade";
  if (head.count("Upgrade") > 1) return "101 with a second Upgrade";
  if (!equals_ignoring_case(*upgrade, "websocket")) return "101 upgrades to other than websocket";
  if (head.find("Connection") == nullptr) return "101 without Connection";
  if (!has_list_token(head, "Connection", "upgrade")) return "101 whose Connection lacks upgrade";
  const std::string_view* accept = head.find("Sec-WebSocket-Accept");
  if (accept == nullptr) return "101 without Sec-WebSocket-Accept";
  if (head.count("Sec-WebSocket-Accept") > 1) return "101 with a second Sec-WebSocket-Accept";
  if (*accept != accept_for_key(key)) return "101 with a wrong Sec-WebSocket-Accept";
  if (const char* wrong = check_protocol(head, offered_protocols, answer)) return wrong;
  return check_extensions(head, deflate_offers, answer);
}

AnswerHead build_client_answer(const AnswerHead& head, std::string_view key,
                               const UpgradeAnswer& answer) {
  AnswerHead built;
  built.status = 101;
  built.reason = "Switching Protocols";
  built.add("Upgrade", "websocket");
  built.add("Connection", "Upgrade");
  built.add_made("Sec-WebSocket-Accept", accept_for_key(key));
  if (!answer.protocol.empty()) built.add("Sec-WebSocket-Protocol", answer.protocol);
  if (!answer.extensions.empty()) built.add("Sec-WebSocket-Extensions", answer.extensions);
  const EndToEnd end_to_end(head);
  for (const HeaderField& field : head.fields) {
    if (end_to_end.keeps(field.name)) built.fields.push_back(field);
  }
  return built;
}

AnswerHead build_refusal_head(const AnswerHead& head, Http1Parser::Framing framing,
                              uint64_t content_length) {
  AnswerHead built;
  built.status = head.status;
  built.reason = head.reason;
  const EndToEnd end_to_end(head);
  for (const HeaderField& field : head.fields) {
    // Which versions an upstream speaks is the one handshake field that means something here.
    const bool version = equals_ignoring_case(field.name, "Sec-WebSocket-Version");
    if (version || end_to_end.keeps(field.name)) built.fields.push_back(field);
  }
  if (head.status == 426) {
    built.add("Upgrade", "websocket");  // RFC 9110 15.5.22
    built.add("Connection", "Upgrade, close");
  } else {
    built.add("Connection", "close");
  }
  if (framing == Http1Parser::Framing::length) {
    built.add_made("Content-Length", std::to_string(content_length));
  } else if (framing == Http1Parser::Framing::chunked) {
    built.add("Transfer-Encoding", "chunked");
  }
  return built;
}

}  // namespace sluice
