// RouteConditions: which requests a route takes, as its conf says it. The router holds requests
// against them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/address_ranges.h"
#include "core/pattern.h"
#include "net/address.h"

namespace sluice {

enum class PathForm : uint8_t {
  under,    // route PATH: it and everything under it
  exact,    // route = PATH: it alone
  pattern,  // route ~ REGEX
};

// What must be there by that name, and with which value: this one exactly, or one in which the
// pattern is found; with neither any will do.
struct ValueMatch {
  std::string name;
  std::string value = {};
  Pattern pattern = {};

  bool takes(std::string_view given) const {
    return pattern ? pattern.found_in(given) : value.empty() || given == value;
  }
};

// All must hold; of those that are lists, one of their elements. An empty list holds always.
struct RouteConditions {
  PathForm path_form = PathForm::under;
  // In normal form (RFC 3986 6.2.2); of PathForm::under without '/' at its end, but of "/" itself.
  // Of a pattern its text.
  std::string path;
  Pattern pattern = {};                  // PathForm::pattern
  std::vector<std::string> match_hosts;  // lower case; "*.example.org" matches any subdomain
  std::vector<ValueMatch> match_headers;
  std::vector<ValueMatch> match_queries;  // names and values without escapes
  std::vector<ValueMatch> match_cookies;
  AddressRanges match_clients;
  std::vector<Address> match_listeners;
  std::vector<std::string> match_methods;

  // Path and host decide alone.
  bool path_and_host_alone() const {
    return match_headers.empty() && match_queries.empty() && match_cookies.empty() &&
           match_clients.none() && match_listeners.empty() && match_methods.empty();
  }
  // What the route is called in logs and commands: "/a", "=/a", "~^/a".
  std::string name() const { return std::string(mark()) += path; }
  bool is_called(std::string_view text) const {
    return text.starts_with(mark()) && text.substr(mark().size()) == path;
  }
  // The part of a path that the path of a server's URI takes the place of.
  std::string_view prefix() const {
    return path_form == PathForm::pattern ? std::string_view("/") : std::string_view(path);
  }

 private:
  std::string_view mark() const {
    if (path_form == PathForm::under) return "";
    return path_form == PathForm::exact ? "=" : "~";
  }
};

}  // namespace sluice
