// A second, simple implementation of how a path chooses its route (core/DESIGN.md section 7, path),
// to judge the first one by: it goes by whole segments and by plain replacement where
// protocol/uri.cc goes byte by byte.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::testing {

inline void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
}

inline std::string escape_of(int byte) {
  char text[4];
  std::snprintf(text, sizeof text, "%%%02X", static_cast<unsigned>(byte));
  return text;
}

inline constexpr std::string_view unreserved_bytes =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";  // RFC 3986 2.3

inline void escapes_in_upper_case(std::string& path) {
  for (size_t at = path.find('%'); at < path.size(); at = path.find('%', at + 1)) {
    for (size_t i = at + 1; i < at + 3; ++i) {
      path[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(path[i])));
    }
  }
}

// RFC 3986 6.2.2.1 and 6.2.2.2.
inline std::string judged_normal(std::string path) {
  escapes_in_upper_case(path);
  for (const char byte : unreserved_bytes) {
    replace_all(path, escape_of(static_cast<unsigned char>(byte)), std::string(1, byte));
  }
  return path;
}

// Every escape undone, then every slash by one.
inline std::string judged_decoded(const std::string& path) {
  std::string decoded;
  for (size_t at = 0; at < path.size();) {
    const bool escape = path[at] == '%';
    decoded += escape ? static_cast<char>(std::strtol(path.substr(at + 1, 2).c_str(), nullptr, 16))
                      : path[at];
    at += escape ? 3 : 1;
  }
  replace_all(decoded, "\\", "/");
  while (decoded.find("//") != std::string::npos) replace_all(decoded, "//", "/");
  return decoded;
}

inline std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  for (size_t begin = 1; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    segments.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

inline bool judged_has_dots(const std::string& reading) {
  for (const std::string& segment : segments_of(reading)) {
    for (const std::string_view dots : {".", ".."}) {
      if (segment == dots || segment.starts_with(std::string(dots) + ";")) return true;
    }
  }
  return false;
}

inline bool judged_refused(const std::string& path) {
  return path.find("%00") != std::string::npos || judged_has_dots(judged_normal(path)) ||
         judged_has_dots(judged_decoded(path));
}

// Whether the route's segments are the path's first ones.
inline bool judged_under(const std::string& path, const std::string& route) {
  if (route == "/") return true;
  const std::vector<std::string> inner = segments_of(path);
  const std::vector<std::string> outer = segments_of(route);
  return inner.size() >= outer.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

constexpr int judged_ambiguous = -2;

// The number of the route, -1 for none, or judged_ambiguous. `open` says of each route whether its
// other conditions hold.
inline int judged_route(const std::vector<std::string>& routes, const std::vector<bool>& open,
                        const std::string& path) {
  int taken[2] = {-1, -1};
  for (int i = static_cast<int>(routes.size()) - 1; i >= 0; --i) {
    const auto index = static_cast<size_t>(i);
    if (!open[index]) continue;
    const std::string route = judged_normal(routes[index]);
    if (judged_under(judged_normal(path), route)) taken[0] = i;
    if (judged_under(judged_decoded(path), judged_decoded(route))) taken[1] = i;
  }
  return taken[0] == taken[1] ? taken[0] : judged_ambiguous;
}

}  // namespace sluice::testing
