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

}  // namespace sluice::setters
