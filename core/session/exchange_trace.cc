// Exchange: what is noted of it while somebody traces.
#include <algorithm>
#include <cctype>
#include <new>
#include <string>

#include "core/router.h"
#include "core/session/exchange.h"
#include "core/session/handshake_trace.h"
#include "core/session/leg_tls.h"
#include "core/session/masked_head.h"
#include "net/sys.h"
#include "protocol/uri.h"

namespace sluice {

namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char each) {
    return static_cast<char>(each < 0x80 ? std::tolower(each) : each);
  });
  return lower;
}

std::string route_text(const RouteConfig& route) {
  std::string text = route.name();
  const char* before = " (host ";
  for (const std::string& host : route.match_hosts) {
    text.append(before).append(host);
    before = ", ";
  }
  return route.match_hosts.empty() ? text : text + ")";
}

}  // namespace

std::unique_ptr<HandshakeTrace> Exchange::begin_trace(const SessionContext& lent) {
  Tracer& tracer = lent.worker.tracer;
  if (!tracer.on() || !tracer.wants(lent.listener.id, sys::monotonic_ms())) return nullptr;
  try {
    auto trace =
        std::make_unique<HandshakeTrace>(tracer, lent.id_text(), lent.now_ms() - lent.opened_ms);
    trace->facts.listener = lent.listener.id;
    trace->note_at(0, "accept", lent.client_address.text() + " at " + lent.listener.address.text());
    return trace;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

SessionContext Exchange::traced(const SessionContext& lent, HandshakeTrace* trace) {
  SessionContext traced = lent;
  traced.trace = trace;
  return traced;
}

void Exchange::trace_lines(const char* step, const std::vector<std::string>& lines) noexcept {
  const uint64_t since_us = trace_->since_us();
  for (const std::string& line : lines) trace_->note_at(since_us, step, line);
}

void Exchange::trace_tls(const TlsTransport& tls) noexcept try {
  const std::string_view name = tls.server_name();
  trace_->note("tls", tls_text(tls) + (name.empty() ? ", no server name" : ", server name ") +
                          std::string(name));
} catch (const std::bad_alloc&) {
  trace_->lose();
}

// Also of a request that is refused before it is whole.
void Exchange::trace_request() noexcept try {
  if (request_traced_) return;
  request_traced_ = true;
  if (lent_.client_address.text() != hop_.address.text() && hop_.trusted) {
    trace_->note("client", lent_.client_address.text() + ", as the proxy before us says");
  }
  trace_lines("request", masked_lines(request_.head_so_far()));
} catch (const std::bad_alloc&) {
  trace_->lose();
}

void Exchange::trace_route(const RouteRequest& asked, const RouteConfig* found,
                           const RouteConfig* chosen, bool ambiguous) noexcept try {
  TraceFacts& facts = trace_->facts;
  facts.client = lent_.client_address.text();
  facts.client_host = lent_.client_address.host_text();
  facts.path = normal_path(upgrade_.target.path);
  facts.host = lower_case(upgrade_.host);
  if (found != nullptr) facts.route = found->name();
  if (chosen != nullptr && !chosen->reply) facts.upstream = chosen->upstream;
  trace_->judge();
  if (!trace_->wanted()) return;
  for (const RouteConfig& route : lent_.config.routes) {
    if (&route == found) break;
    const std::string why = why_not(route, asked);
    trace_->note("route", "not " + route_text(route) + ": " + why);
  }
  if (found == nullptr) return;
  if (chosen == nullptr) return trace_->note("route", route_text(*found) + ", to no upstream");
  const bool replies = chosen->reply.has_value();
  trace_->note("route", route_text(*chosen) + ", to " +
                            (replies ? "return" : lent_.config.upstream(chosen->upstream).name) +
                            (ambiguous ? "; but the path can be read in two ways" : ""));
} catch (const std::bad_alloc&) {
  trace_->lose();
}

void Exchange::trace_sent(const std::string& request) noexcept try {
  trace_lines("sent", masked_request_lines(request));
} catch (const std::bad_alloc&) {
  trace_->lose();
}

void Exchange::trace_answer() noexcept try {
  trace_lines("answer", masked_lines(forward_->answer()));
} catch (const std::bad_alloc&) {
  trace_->lose();
}

void Exchange::trace_end(int status) noexcept try {
  if (request_.heard()) trace_request();
  TraceFacts& facts = trace_->facts;
  facts.client = lent_.client_address.text();
  facts.client_host = lent_.client_address.host_text();
  if (facts.path.empty()) {
    const std::string target = target_for_log();
    facts.path = normal_path(target.substr(0, target.find('?')));
    facts.host = lower_case(upgrade_.host);
  }
  std::string verdict = status == 0 ? "no answer" : "answered " + std::to_string(status);
  verdict.append(": ").append(reason_);
  if (!detail_.empty()) verdict += ": " + detail_;
  trace_->note("verdict", verdict);
} catch (const std::bad_alloc&) {
  trace_->lose();
}

}  // namespace sluice
