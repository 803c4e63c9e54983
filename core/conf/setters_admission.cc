// Setters of who may come in: addresses, and pages by their origins.
#include <algorithm>
#include <string>
#include <utility>

#include "core/conf/setters.h"
#include "protocol/uri.h"

namespace sluice::setters {

namespace {

void add_rule(const SetterCall& call, bool allows) {
  std::vector<AccessRule>& rules = call.section.access.rules;
  if (!rules.empty() && rules.back().all) {
    call.warn("a line before this one names all: nobody is left for it");
  }
  AccessRule rule{.allows = allows};
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "all") {
      if (call.arguments() > 1) throw ConfProblem{"all is every client and stands alone"};
      rule.all = true;
      continue;
    }
    add_range(word, rule.who);
  }
  rules.push_back(std::move(rule));
}

[[noreturn]] void refuse_origin(const Word& word, const std::string& why) {
  throw ConfProblem{quoted(word.text) + why +
                    "; write https://example.org, https://example.org:8443, *.example.org, "
                    "same-origin, null, * or off"};
}

OriginPattern origin_pattern(const Word& word) {
  const size_t end = word.value.find("://");
  const bool named = end != std::string::npos;
  const std::string scheme = named ? word.value.substr(0, end) : "https";
  std::string host = named ? word.value.substr(end + 3) : word.value;
  OriginPattern pattern;
  pattern.below = host.starts_with("*.");
  if (pattern.below) host.erase(0, 2);
  if (host.find('/') != std::string::npos) refuse_origin(word, ": an origin has no path");
  const std::optional<Origin> origin = parse_origin(scheme + "://" + host);
  if (!origin || host.find('*') != std::string::npos) refuse_origin(word, " is not an origin");
  pattern.origin = *origin;
  if (!named) {
    pattern.origin.scheme.clear();
    pattern.origin.port = parse_authority(host).value().port;
  }
  return pattern;
}

// Whether the line goes on with `per WHAT` from there, and ends so.
bool is_per(const SetterCall& call, size_t at, const char* what) {
  return call.arguments() == at + 1 && call.word(at).value == "per" &&
         call.word(at + 1).value == what;
}

}  // namespace

void allow(const SetterCall& call) {
  add_rule(call, true);
}

void deny(const SetterCall& call) {
  add_rule(call, false);
}

void allowed_origins(const SetterCall& call) {
  AllowedOrigins& allowed = call.section.settings.allowed_origins;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "*" || word.value == "off") {
      if (call.arguments() > 1 || allowed.given()) {
        throw ConfProblem{quoted(word.text) + " stands alone"};
      }
      allowed.all = word.value == "*";
    } else if (word.value == "same-origin") {
      allowed.same_origin = true;
    } else if (word.value == "null") {
      allowed.null = true;
    } else {
      allowed.patterns.push_back(origin_pattern(word));
    }
  }
  if (allowed.all && allowed.patterns.size() + allowed.same_origin + allowed.null > 0) {
    throw ConfProblem{"a line before has *, which is every page and stands alone"};
  }
}

void limit_connections(const SetterCall& call) {
  const bool at_listener = call.section.kind() == Section::listen;
  const std::string wanted =
      at_listener ? "N per client, or off" : "N per client, N per route, or off";
  ConnectionLimits& limits = call.section.settings.limit_connections;
  uint32_t& of_client =
      at_listener ? call.section.as<ListenDraft>().most_per_client : limits.per_client;
  const bool given_before = of_client != 0 || limits.per_route != 0;
  if (call.word(1).value == "off") {
    if (call.arguments() > 1 || given_before) throw ConfProblem{"off stands alone"};
    return;
  }
  const bool of_each = is_per(call, 2, "client");
  if (!of_each && (at_listener || !is_per(call, 2, "route"))) {
    throw ConfProblem{"write " + wanted};
  }
  const uint32_t most =
      or_else(", or off", [&] { return number(call.word(1), 1, ConnectionLimits::most); });
  uint32_t& limit = of_each ? of_client : limits.per_route;
  if (limit != 0 && limit != most) {
    throw ConfProblem{"a line before this one has another limit per " + call.word(3).value};
  }
  limit = most;
}

// A page that opens several WebSockets at once is no flood: the burst is what the period brings.
void limit_handshakes(const SetterCall& call) {
  ClientRate rate;
  if (call.word(1).value == "off") {
    if (call.arguments() > 1) throw ConfProblem{"off stands alone"};
    call.section.settings.limit_handshakes = rate;
    return;
  }
  const size_t last = call.arguments();
  if (last < 3 || !is_per(call, last - 1, "client")) {
    throw ConfProblem{"write N/s per client, N/s burst=M per client, N/m for a minute, or off"};
  }
  Word count = call.word(1);
  const bool a_minute = count.value.ends_with("/m");
  if (!a_minute && !count.value.ends_with("/s")) {
    throw ConfProblem{quoted(count.text) + " is not a rate, as in 10/s or 30/m"};
  }
  count.value.resize(count.value.size() - 2);
  rate.period_s = a_minute ? 60 : 1;
  rate.count = number(count, 1, RateLimit::most);
  rate.burst = last == 4 ? named_number(call.word(2), "burst", 1, RateLimit::most) : rate.count;
  call.section.settings.limit_handshakes = rate;
}

void client_table_size(const SetterCall& call) {
  call.draft.config.client_table_size = number(call.word(1), 1'000, 4'194'304);
}

}  // namespace sluice::setters
