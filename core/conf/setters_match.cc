// Setters of what a route takes: its path, and the conditions beside it.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "core/conf/setters.h"
#include "core/conf/variables.h"
#include "protocol/ascii.h"
#include "protocol/http1.h"
#include "protocol/uri.h"

namespace sluice::setters {

namespace {

constexpr std::string_view route_forms =
    "write route PATH for it and everything under it, route = PATH for it alone, or route ~ REGEX";

RouteConditions& conditions_of(const SetterCall& call) {
  return call.section.as<RouteDraft>().route;
}

// Values that are compared as they stand.
void warn_of_variable(const SetterCall& call, const Word& word, const char* what) {
  const std::string variable = variable_in(word);
  if (!variable.empty()) call.warn(quoted(variable) + what);
}

// A word that looks like a pattern where none can be is refused or warned about.
void refuse_globs(const SetterCall& call, const Word& word, const std::string& path) {
  const std::string last = path.substr(path.rfind('/') + 1);
  if (last == "*" || last == "**" || last == ".*" || last == "(.*)") {
    const std::string under = word.text.substr(0, std::max<size_t>(1, word.text.rfind('/')));
    throw ConfProblem{quoted(word.text) + ": a route takes everything under its path" +
                      (word.expanded() ? "" : "; write route " + under)};
  }
  if (path.find_first_of("*^") != std::string::npos || path.ends_with('$')) {
    call.warn(quoted(word.text) + " is taken as it stands; " + std::string(route_forms));
  }
  warn_of_variable(call, word, " is part of the path as it stands; there are no variables here");
}

// A path that no request's target can hold would never match.
std::string normal_route_path(const Word& word) {
  if (!word.value.starts_with('/')) {
    const bool form = word.value.find_first_of("^~=") == 0;
    throw ConfProblem{quoted(word.text) + " does not begin with /" +
                      (form ? "; " + std::string(route_forms) : "")};
  }
  const Result<RequestTarget> target = parse_request_target(word.value);
  if (!target.ok()) {
    throw ConfProblem{quoted(word.text) + " is not a path: " + target.fault().text()};
  }
  if (!target.value().query.empty()) {
    throw ConfProblem{quoted(word.text) +
                      " is not a path: match_query looks at the query, a route does not"};
  }
  std::string normal = normal_path(word.value);
  for (const std::string_view twofold : {"//", "\\", "%2F", "%5C"}) {
    if (normal.find(twofold) == std::string::npos) continue;
    throw ConfProblem{quoted(word.text) + " has two readings (" + std::string(twofold) +
                      "), so that no request can take it"};
  }
  return normal;
}

void take_pattern(const SetterCall& call, const Word& word, RouteConditions& route) {
  route.path_form = PathForm::pattern;
  route.path = word.value;
  route.pattern = pattern_of(word);
  if (word.value.find('%') == std::string::npos) return;
  call.warn(quoted(word.text) +
            " holds a %: a path must match as it came and with its escapes undone; write a byte "
            "that may be escaped as ., or both ways, as (%20| )");
}

std::string match_host_of(const Word& word) {
  std::string host = lower_case(word.value);
  if (host.size() > 1 && host.ends_with('.')) host.pop_back();
  const std::string name = host.starts_with("*.") ? host.substr(2) : host;
  const Result<Authority> authority = parse_authority(name);
  if (authority.ok() && authority.value().host.size() != name.size()) {
    throw ConfProblem{quoted(word.text) + ": leave the port out, every port matches"};
  }
  if (name.starts_with('.')) {
    throw ConfProblem{quoted(word.text) + " begins with a dot; write " + name.substr(1) + " *" +
                      name + " for the host and all below it"};
  }
  if (!authority.ok() || name.find_first_of("*$~^") != std::string::npos ||
      name.find("..") != std::string::npos) {
    throw ConfProblem{quoted(word.text) +
                      " is not a host's name; write it whole, as *.DOMAIN, or * alone for all"};
  }
  return host;
}

// "NAME", "NAME VALUE", "NAME ~ REGEX"; `what` has that name.
ValueMatch value_match(const SetterCall& call, const char* what) {
  ValueMatch match{call.word(1).value};
  if (call.arguments() == 1) return match;
  const Word& second = call.word(2);
  if (call.arguments() == 3) {
    if (second.text != "~") {
      throw ConfProblem{quoted(second.text) + " is not ~"};
    }
    match.pattern = pattern_of(call.word(3));
    return match;
  }
  if (second.text == "~") throw ConfProblem{"behind ~ stands a regular expression"};
  if (second.value.empty()) {
    throw ConfProblem{"the value is empty; leave it out where the " + std::string(what) +
                      " need only be there"};
  }
  match.value = second.value;
  const std::string& text = second.text;
  if (text.size() > 1 && text != "*/*" && (text.front() == '*' || text.back() == '*')) {
    call.warn(quoted(text) + " is compared with the whole value, its * with a *; write ~ REGEX " +
              "for a pattern, or leave the value out where the " + what + " need only be there");
  }
  warn_of_variable(call, second, " is compared as it stands; there are no variables here");
  return match;
}

}  // namespace

// What an expanded word holds may be a secret, which RE2 would cite.
Pattern pattern_of(const Word& word) {
  std::string wrong;
  std::optional<Pattern> pattern = Pattern::compile(word.value, wrong);
  if (pattern) return *std::move(pattern);
  if (word.expanded()) wrong.resize(std::min(wrong.find(':'), wrong.size()));
  throw ConfProblem{quoted(word.text) + " is not a regular expression: " + wrong};
}

void route(const SetterCall& call) {
  RouteConditions& route = conditions_of(call);
  if (call.arguments() == 1) {
    const Word& word = call.word(1);
    route.path = normal_route_path(word);
    if (route.path.size() > 1 && route.path.ends_with('/')) route.path.pop_back();
    refuse_globs(call, word, route.path);
    call.section.label = quoted(word.text);
    return;
  }
  const Word& form = call.word(1);
  const Word& word = call.word(2);
  if (form.text == "=") {
    route.path_form = PathForm::exact;
    route.path = normal_route_path(word);
  } else if (form.text == "~") {
    take_pattern(call, word, route);
  } else {
    throw ConfProblem{quoted(form.text) + " is neither = nor ~; " + std::string(route_forms)};
  }
  call.section.label = form.text + " " + quoted(word.text);
}

void match_host(const SetterCall& call) {
  std::vector<std::string>& hosts = conditions_of(call).match_hosts;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "*") {
      if (call.arguments() > 1) throw ConfProblem{"* is every host and stands alone"};
      return;
    }
    std::string host = match_host_of(word);
    if (std::find(hosts.begin(), hosts.end(), host) != hosts.end()) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
    hosts.push_back(std::move(host));
  }
}

void match_header(const SetterCall& call) {
  check_header_name(call.word(1));
  ValueMatch match = value_match(call, "header");
  if (!header_value_valid(match.value)) {
    throw ConfProblem{"the value " + quoted(call.word(2).text) + " holds a control byte"};
  }
  conditions_of(call).match_headers.push_back(std::move(match));
}

void match_query(const SetterCall& call) {
  if (call.word(1).value.empty()) throw ConfProblem{"the parameter's name is empty"};
  conditions_of(call).match_queries.push_back(value_match(call, "parameter"));
}

void match_cookie(const SetterCall& call) {
  if (!is_token(call.word(1).value)) {
    throw ConfProblem{quoted(call.word(1).text) + " is not a cookie's name"};
  }
  conditions_of(call).match_cookies.push_back(value_match(call, "cookie"));
}

void match_client(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    add_range(call.word(i), conditions_of(call).match_clients);
  }
}

// Whether there is such a listener shows when all are known.
void match_listener(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const Result<Address> address = Address::parse(word.value);
    if (!address.ok()) {
      throw ConfProblem{quoted(word.text) + " is not an address (" + address.fault().text() +
                        "); write it as behind listen"};
    }
    conditions_of(call).match_listeners.push_back(address.value());
    call.section.as<RouteDraft>().match_listeners.push_back(word);
  }
}

void match_method(const SetterCall& call) {
  std::vector<std::string>& methods = conditions_of(call).match_methods;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const bool small = std::any_of(word.value.begin(), word.value.end(),
                                   [](char byte) { return byte >= 'a' && byte <= 'z'; });
    if (!is_token(word.value) || small) {
      throw ConfProblem{quoted(word.text) + " is not a method; write GET, or several with blanks " +
                        "between them, in capital letters"};
    }
    if (std::find(methods.begin(), methods.end(), word.value) != methods.end()) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
    methods.push_back(word.value);
  }
}

}  // namespace sluice::setters
