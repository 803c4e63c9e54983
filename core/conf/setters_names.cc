// Setters of how servers' names are resolved.
#include <string>

#include "core/conf/setters.h"

namespace sluice::setters {

namespace {

constexpr uint16_t dns_port = 53;

}  // namespace

void resolver(const SetterCall& call) {
  std::vector<Address>& servers = call.draft.config.resolver.servers;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const bool has_port = word.value.find(':') != std::string::npos;
    Result<Address> address = Address::from_ip(word.value, dns_port);
    if (!address.ok() && has_port) address = Address::parse(word.value);
    const bool usable = address.ok() && !address.value().is_unix() && address.value().port() != 0 &&
                        !address.value().is_any();
    if (word.value.starts_with("valid=")) {  // nginx's
      throw ConfProblem{quoted(word.text) + ": write resolve_interval MIN MAX, a line of its own"};
    }
    if (!usable) {
      throw ConfProblem{quoted(word.text) +
                        " is not a name server's address: IP, IP:PORT or [IPV6]:PORT"};
    }
    servers.push_back(address.value());
  }
}

void resolver_timeout(const SetterCall& call) {
  call.draft.config.resolver.timeout_ms = time_ms(call.word(1));
}

void resolve_interval(const SetterCall& call) {
  ResolverSettings& settings = call.draft.config.resolver;
  if (call.word(1).value == "off" && call.arguments() == 1) {
    settings.follow = false;
    return;
  }
  settings.least_interval_ms = time_ms_or_off(call.word(1));
  if (settings.least_interval_ms == 0) {
    throw ConfProblem{"off takes no " + quoted(call.word(2).text)};
  }
  const uint32_t usual_ms = ResolverSettings().most_interval_ms;
  settings.most_interval_ms = call.arguments() > 1 ? time_ms(call.word(2)) : usual_ms;
  if (settings.most_interval_ms >= settings.least_interval_ms) return;
  if (call.arguments() > 1) {
    throw ConfProblem{quoted(call.word(2).text) + " is less than the time before it"};
  }
  settings.most_interval_ms = settings.least_interval_ms;
}

void resolve_at_start(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value != "try" && word.value != "require") {
    throw ConfProblem{quoted(word.text) + " is neither try nor require"};
  }
  call.draft.config.resolver.required = word.value == "require";
}

void resolve_max_addresses(const SetterCall& call) {
  call.draft.config.resolver.most_addresses =
      static_cast<uint32_t>(number(call.word(1), 1, 10'000));
}

}  // namespace sluice::setters
