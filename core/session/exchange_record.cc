// Exchange: what the access log is told of it, and the counters.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "core/observe/query_mask.h"
#include "core/session/exchange.h"
#include "protocol/head.h"

namespace sluice {

namespace {

// The error log gets so many bytes of a client's host and target each.
constexpr size_t most_notice_value_bytes = 200;

// A target or Host that was not understood is logged up to so many bytes.
constexpr size_t most_unread_bytes = 256;

// Fields of one name, as one list (RFC 9110 5.3).
std::string field_text(const Head& head, std::string_view name) {
  std::string joined;
  for (const HeaderField& each : head.fields) {
    if (!equals_ignoring_case(each.name, name)) continue;
    if (!joined.empty()) joined += ", ";
    joined += each.value;
  }
  return joined;
}

}  // namespace

// Where a request was refused before its target was understood, this is the part that came, without
// what may be a password or a token.
std::string Exchange::target_for_log() const {
  const bool query = lent_.config.log_query;
  std::string target(upgrade_.target.path);
  if (!target.empty()) {
    if (query) target += with_masked_query(upgrade_.target.query, lent_.config.masked_parameters);
    return target;
  }
  target = request_.head_so_far().target;
  if (query) target = with_masked_query(target, lent_.config.masked_parameters);
  if (!query) target.resize(std::min(target.find_first_of("?#"), target.size()));
  if (!target.starts_with('/')) {
    // An absolute form, or CONNECT's authority alone.
    const size_t scheme = target.find("://");
    const size_t authority = scheme == std::string::npos ? 0 : scheme + 3;
    const size_t userinfo = target.substr(0, target.find_first_of("/?#", authority)).rfind('@');
    if (userinfo != std::string::npos && userinfo >= authority) {
      target.erase(authority, userinfo + 1 - authority);
    }
  }
  return target.substr(0, most_unread_bytes);
}

std::string_view Exchange::host_for_log() const {
  if (!upgrade_.authority.empty()) return upgrade_.authority;
  const RequestHead head = request_.head_so_far();
  const std::string_view* host = head.find("Host");
  if (host == nullptr) return {};
  return host->substr(host->rfind('@') + 1).substr(0, most_unread_bytes);
}

SessionRecord Exchange::record() const {
  SessionRecord record;
  record.id = lent_.id_text();
  record.client = lent_.client_address.text();
  if (route_ != nullptr) record.route = route_->name();
  if (dial_ && dial_->peer() != nullptr) record.peer = dial_->peer()->name;
  record.subprotocol = agreed_.protocol;
  record.duration_ms = lent_.now_ms() - lent_.opened_ms;
  record.host = host_for_log();
  if (plain_) record.method = request_.head().method;
  if (request_body_) record.from_client.bytes = request_body_->scanner().payload_bytes();
  if (answer_relay_) record.from_upstream.bytes = answer_relay_->body().scanner().payload_bytes();
  record.target = target_for_log();
  record.reason = reason_;
  record.detail = detail_;
  const LogFields wanted = lent_.worker.log.access_format().wanted();
  if (!wanted.none()) add_details(record, wanted);
  return record;
}

// What the upstream is told where the route says so: then a client's own id means nothing there.
std::string Exchange::request_id_for_log(const Head& head) const {
  constexpr std::string_view name = "X-Request-Id";
  const auto sets = [name](const HeaderSetting& each) {
    return equals_ignoring_case(each.name, name);
  };
  const bool ours = route_ != nullptr &&
                    std::any_of(route_->set_headers.begin(), route_->set_headers.end(), sets);
  const std::string theirs = ours ? "" : field_text(head, name);
  return theirs.empty() ? lent_.id_text() : theirs;
}

void Exchange::add_details(SessionRecord& record, const LogFields& wanted) const {
  if (wanted.has(LogField::listener)) record.listener = lent_.listener.address.text();
  if (dial_ && wanted.has(LogField::upstream)) {
    record.upstream = lent_.config.upstream(route_->upstream).name;
  }
  if (dial_) {
    record.tries = dial_->tries();
    record.peers_tried = dial_->tried();
  }
  record.connect_ms = connect_ms_;
  const RequestHead head = request_.head_so_far();
  if (wanted.has(LogField::origin)) record.origin = field_text(head, "Origin");
  if (wanted.has(LogField::user_agent)) record.user_agent = field_text(head, "User-Agent");
  if (wanted.has(LogField::forwarded_for)) {
    record.forwarded_for = field_text(head, "X-Forwarded-For");
  }
  if (wanted.has(LogField::protocol)) record.protocol = protocol_for_log();
  if (over_stream_ && wanted.has(LogField::connection)) {
    record.connection = lent_.worker.id_text(connection_number_);
  }
  if (wanted.has(LogField::request_id)) record.request_id = request_id_for_log(head);
  // Before its end the TLS handshake cannot be asked.
  const TlsTransport* const tls = preface_ && stage_ != Stage::preface ? preface_->tls() : nullptr;
  if (tls == nullptr) return;
  if (wanted.has(LogField::tls_version)) record.tls_version = tls->version();
  if (wanted.has(LogField::tls_cipher)) record.tls_cipher = tls->cipher();
  if (wanted.has(LogField::tls_name)) record.tls_name = tls->server_name();
  if (wanted.has(LogField::tls_client_subject)) record.tls_client_subject = tls->verified_subject();
}

std::string Exchange::protocol_for_log() const {
  if (over_stream_) return "HTTP/2";
  const RequestHead head = request_.head_so_far();
  return head.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

void Exchange::log_unanswered(const char* reason) noexcept {
  const bool heard = request_.heard() || (stage_ == Stage::preface && preface_->heard());
  if (!heard || logged_) return;
  try {
    if (*reason_ == '\0') reason_ = reason;
    log_end(served_status());
  } catch (const std::bad_alloc&) {
    lent_.worker.log.access_sink.lose_line();
  }
}

void Exchange::count_end(int status) {
  if (trace_ != nullptr) trace_end(status);
  const LabelRows& labels = lent_.worker.labels;
  RouteRow& row = route_ != nullptr ? labels.route(route_->id) : labels.routes[LabelRows::no_route];
  if (plain_) {
    row.served[answer_place(status)].add(1);
    lent_.worker.row.served.add(1);
    return;
  }
  row.answered[answer_place(status)].add(1);
  lent_.worker.row.refused.add(1);
  lent_.worker.row.handshakes_ms.add(lent_.now_ms() - lent_.opened_ms);
}

void Exchange::log_end(int status) {
  logged_ = true;
  count_end(status);
  Log& log = lent_.worker.log;
  SessionRecord last;
  if (log.access_enabled() || (!plain_ && log.enabled(LogLevel::info))) last = record();
  last.status = static_cast<uint16_t>(status);
  if (log.access_enabled()) {
    const SessionEvent event = plain_ ? SessionEvent::request : SessionEvent::refused;
    return log.access(access_line(log.access_format(), event, last));
  }
  if (plain_) return;
  // Without an access log the error log is where an operator looks.
  if (!log.enabled(LogLevel::info)) return;
  log.recurring(LogLevel::info, std::string("refused ") + reason_,
                refused_notice(std::move(last), most_notice_value_bytes));
}

}  // namespace sluice
