// Exchange: whether the request may go where its route leads. Each link looks at one thing and
// knows no other; they stand in the order of what they cost, and the first refusal stands.
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

}  // namespace

const Exchange::Link Exchange::links[] = {
    &Exchange::check_address,
    &Exchange::check_origin,
    &Exchange::offer_protocols,
    &Exchange::check_token,
};

Exchange::Step Exchange::admit() {
  for (const Link link : links) {
    if (std::optional<Refusal> refusal = (this->*link)()) return refuse(*std::move(refusal));
  }
  return route_->authorizer.empty() ? enter() : authorize();
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

}  // namespace sluice
