// Exchange: who the client is, and whether its request may go where its route leads. Each link
// looks at one thing and knows no other; they stand in the order of what they cost, and the first
// refusal stands.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/session/exchange.h"
#include "core/session/jwt_check.h"
#include "net/sys.h"
#include "protocol/origin.h"

namespace sluice {

namespace {

constexpr size_t most_told_origin_bytes = 200;

// What the request asks for as a page's origin. A trusted hop that speaks plain HTTP to us may have
// ended TLS, and says so.
Origin origin_asked(const RequestHead& head, const UpgradeRequest& upgrade, const Hop& hop) {
  std::string scheme = hop.over_tls ? "https" : "http";
  if (hop.trusted) {
    const std::string_view* const told = head.find("X-Forwarded-Proto");
    if (told != nullptr && (*told == "https" || *told == "wss")) scheme = "https";
  }
  return parse_origin(scheme + "://" + std::string(upgrade.authority)).value_or(Origin());
}

struct LimitNotice {
  Refusal refusal;
  const char* remedy;
};

LimitNotice limit_notice(ClientLimit limit, const RouteConfig& route, uint32_t table_size) {
  const ConnectionLimits& most = route.limit_connections;
  switch (limit) {
    case ClientLimit::connections:
      return {{429, client_connections_reason,
               "limit_connections " + std::to_string(most.per_client) + " per client"},
              "it is told 429; raise it if many users share that address"};
    case ClientLimit::route_connections:
      return {{503, route_connections_reason,
               "limit_connections " + std::to_string(most.per_route) + " per route"},
              "further clients are told 503; raise it if the servers can take more"};
    case ClientLimit::handshakes: {
      const ClientRate& rate = route.limit_handshakes;
      return {
          {429, client_handshakes_reason,
           "limit_handshakes " + std::to_string(rate.count) + (rate.period_s == 1 ? "/s" : "/m") +
               " burst=" + std::to_string(rate.burst) + " per client"},
          "it is told 429; raise it if many users share that address"};
    }
    case ClientLimit::listener_connections:
    case ClientLimit::table:
      break;
  }
  return {{503, client_table_reason, "client_table_size " + std::to_string(table_size)},
          "there is no room to count it, and it is told 503; raise it"};
}

}  // namespace

// From here on the client is who the hop before us says, where that one is believed.
void Exchange::find_client() {
  const ListenConfig& listener = lent_.listener;
  hop_.address = lent_.client_address;
  hop_.over_tls = listener.tls != nullptr || (preface_ && preface_->proxy_header().over_tls);
  hop_.trusted =
      !listener.trusted_proxies.none() && listener.trusted_proxies.trust(hop_.address.address());
  if (!hop_.trusted) return;
  lent_.client_address =
      real_client(request_.head(), listener.real_ip_header, listener.trusted_proxies, hop_.address);
}

const Exchange::Link Exchange::links[] = {
    &Exchange::check_address,    &Exchange::check_origin, &Exchange::offer_protocols,
    &Exchange::limit_handshakes, &Exchange::check_token,  &Exchange::take_seats,
};

Exchange::Step Exchange::admit() {
  plain_ = !upgrades_ || route_->reply.has_value();
  for (const Link link : links) {
    if (std::optional<Refusal> refusal = (this->*link)()) return refuse(*std::move(refusal));
  }
  return route_->password_file != 0 ? check_password() : authorize();
}

// Of listeners whose clients are known at accept it is decided there.
std::optional<Refusal> Exchange::check_address() {
  if (route_->access.admit(lent_.client_address.address())) return std::nullopt;
  return Refusal{403, denied_reason, "by the route"};
}

// Who sends no Origin is no browser (RFC 6455 10.2). Of plain requests it says less: a browser
// leaves it out of some, and asks the server itself about others (CORS).
std::optional<Refusal> Exchange::check_origin() {
  const AllowedOrigins& allowed = route_->allowed_origins;
  const RequestHead& head = request_.head();
  const std::string_view* const origin = head.find("Origin");
  if (!upgrades_ || !allowed.given() || origin == nullptr) return std::nullopt;
  const Origin own = origin_asked(head, upgrade_, hop_);
  if (head.count("Origin") == 1 && allowed.allow(*origin, own)) return std::nullopt;
  return Refusal{403, origin_reason,
                 "Origin is " + std::string(origin->substr(0, most_told_origin_bytes))};
}

std::optional<Refusal> Exchange::offer_protocols() {
  if (!upgrades_) return std::nullopt;
  const std::vector<std::string>& allowed = route_->subprotocols;
  for (const std::string_view offered : upgrade_.protocols) {
    if (carries_jwt(*route_, offered)) continue;
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), offered) != allowed.end()) {
      protocols_.push_back(offered);
    }
  }
  if (!route_->require_subprotocol || !protocols_.empty()) return std::nullopt;
  return Refusal{400, subprotocol_reason};
}

// The wall clock may be set while a session lives: its end is where the token's was then.
std::optional<Refusal> Exchange::check_token() {
  if (!route_->wants_jwt()) return std::nullopt;
  VerifiedJwt verified;
  const auto wall_ms = static_cast<int64_t>(sys::wall_clock_ms());
  if (auto refusal = check_jwt(*route_, request_.head(), upgrade_, wall_ms, verified)) {
    return refusal;
  }
  token_ = std::make_unique<Token>(Token{std::move(verified.claims)});
  if (verified.ends_in_ms) token_->ends_ms = lent_.now_ms() + *verified.ends_in_ms;
  return std::nullopt;
}

// Before what asks others: who guesses at passwords is slowed down here.
std::optional<Refusal> Exchange::limit_handshakes() {
  const ClientRate& rate = route_->limit_handshakes;
  if (!upgrades_ || rate.count == 0) return std::nullopt;
  ClientLimits& limits = lent_.worker.clients;
  const auto key = limits.keys().handshakes_on(lent_.client_address, route_->id);
  if (!key) return std::nullopt;
  const ClientRates::Answer answer = limits.rates().take(*key, rate, lent_.now_ms() * 1'000'000);
  if (answer.replaced) {
    lent_.worker.row.clients_forgotten.add(1);
    lent_.worker.log.recurring(
        LogLevel::warn, "client_table_size",
        "client_table_size " + std::to_string(lent_.config.client_table_size) +
            ": a client's handshakes were forgotten for want of room; raise it");
  }
  if (answer.wait_ns == 0) return std::nullopt;
  Refusal refusal = *limited_by(ClientLimit::handshakes);
  refusal.retry_after_s = static_cast<uint32_t>(
      std::min<uint64_t>((answer.wait_ns + 999'999'999) / 1'000'000'000, UINT32_MAX));
  return refusal;
}

std::optional<Refusal> Exchange::take_seats() {
  if (!upgrades_ || !route_->limit_connections.given()) return std::nullopt;
  const auto limit = seats_.take(lent_.worker.clients, lent_.client_address, *route_);
  return limit ? limited_by(*limit) : std::nullopt;
}

// Counts it, tells it, and is what the client is told. No seat is held meanwhile.
std::optional<Refusal> Exchange::limited_by(ClientLimit limit) {
  seats_.leave();
  lent_.worker.row.limited[static_cast<size_t>(limit)].add(1);
  LimitNotice notice = limit_notice(limit, *route_, lent_.config.client_table_size);
  lent_.worker.log.recurring(LogLevel::notice, notice.refusal.reason,
                             "route " + route_->name() + ": " + notice.refusal.detail +
                                 " reached by " + lent_.client_address.host_text() + ": " +
                                 notice.remedy);
  return std::move(notice.refusal);
}

Exchange::Step Exchange::check_password() {
  const RequestHead& head = request_.head();
  const bool once = head.count("Authorization") == 1;
  password_.emplace(lent_, *route_);
  stage_ = Stage::checking_password;
  return follow(password_->begin(once ? *head.find("Authorization") : std::string_view()));
}

Exchange::Step Exchange::follow(PasswordCheck::Step step) {
  switch (step) {
    case PasswordCheck::Step::wait:
      lent_.arm(PasswordCheck::look_ms);
      return Step::wait;
    case PasswordCheck::Step::right:
      user_ = password_->user();
      password_.reset();
      return authorize();
    case PasswordCheck::Step::full:
      tell_password_trouble(
          "as many passwords wait as auth_basic_queue has room for; raise it, or "
          "make the hashes with a smaller cost (htpasswd -B -C)");
      return refuse({503, password_queue_reason});
    case PasswordCheck::Step::late:
      tell_password_trouble(
          "a password was not checked within auth_basic_timeout; raise it, or "
          "make the hashes with a smaller cost (htpasswd -B -C)");
      return refuse({503, password_late_reason});
    case PasswordCheck::Step::wrong:
      break;
  }
  Refusal refusal{401, request_.head().find("Authorization") == nullptr ? no_password_reason
                                                                        : wrong_password_reason};
  refusal.challenge = "Basic realm=\"" + route_->auth_realm + "\", charset=\"UTF-8\"";
  return refuse(std::move(refusal));
}

void Exchange::tell_password_trouble(const char* what) const {
  lent_.worker.log.recurring(LogLevel::warn, "auth_basic", "route " + route_->name() + ": " + what);
}

}  // namespace sluice
