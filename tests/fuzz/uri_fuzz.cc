// URIs: what is accepted holds no byte that it must not hold, and reading it again from what was
// made of it gives the same. Three lines: a Host or authority, a request's target, a server URI.
#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include "core/router.h"
#include "net/check.h"
#include "protocol/uri.h"
#include "tests/fuzz/input.h"
#include "tests/unit/path_judge.h"

namespace sluice::fuzz {

namespace {

bool holds_any(std::string_view text, std::string_view bytes) {
  return text.find_first_of(bytes) != std::string_view::npos;
}

// No text that is accepted anywhere may hold one of these.
bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return byte > 0x20 && byte < 0x7f; });
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_authority(std::string_view text) {
  const Result<Authority> parsed = parse_authority(text);
  if (!parsed.ok()) return;
  const auto& [host, port] = parsed.value();
  SLUICE_CHECK(!host.empty() && lies_in(host, text) && printable(text));
  SLUICE_CHECK(!holds_any(text, "@/?#\\\"<>%^`{|}"));
  SLUICE_CHECK(host.starts_with('[') == host.ends_with(']'));
  if (!host.starts_with('[')) SLUICE_CHECK(!holds_any(host, ":[]"));
  const std::string again = std::string(host) + ":" + std::to_string(port);
  const Result<Authority> second = parse_authority(again);
  SLUICE_CHECK(second.ok() && second.value().host == host && second.value().port == port);
}

void check_path(std::string_view path) {
  SLUICE_CHECK(path.starts_with('/') && printable(path) && !holds_any(path, "?#\"<>"));
  const std::string text(path);
  SLUICE_CHECK(!testing::judged_refused(text));
  SLUICE_CHECK(normal_path(path) == testing::judged_normal(text));
  SLUICE_CHECK(decoded_path(path) == testing::judged_decoded(text));
  SLUICE_CHECK(spelled_bytes(path, normal_path(path).size()) == path.size());
}

// Every byte that may be escaped, escaped, in lower case: the same path (RFC 3986 6.2.2).
std::string respelled(std::string_view path) {
  std::string spelled;
  for (size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '%') {
      for (const char digit : path.substr(at, 3)) {
        spelled += static_cast<char>(std::tolower(static_cast<unsigned char>(digit)));
      }
      at += 2;
    } else if (testing::unreserved_bytes.find(path[at]) != std::string_view::npos) {
      std::string escape = testing::escape_of(path[at]);
      for (char& digit : escape) {
        digit = static_cast<char>(std::tolower(static_cast<unsigned char>(digit)));
      }
      spelled += escape;
    } else {
      spelled += path[at];
    }
  }
  return spelled;
}

// Routes of the parts of two paths, the second's first; both paths' choices are judged, by every
// spelling.
void check_routes(std::string_view first, std::string_view second) {
  Config config;
  std::vector<std::string> paths;
  for (const std::string_view path : {second, first}) {
    for (size_t end = path.size(); end > 0 && paths.size() < 20; end = path.rfind('/', end - 1)) {
      const std::string route = normal_path(path.substr(0, end));
      const bool twofold = route.find("//") != std::string::npos || route.ends_with('/') ||
                           holds_any(route, "\\") || route.find("%2F") != std::string::npos ||
                           route.find("%5C") != std::string::npos;
      if (twofold) continue;
      paths.push_back(route);
      config.routes.emplace_back().path = route;
    }
  }
  config.index_routes();
  const std::vector<bool> open(paths.size(), true);
  for (const std::string_view path : {first, second}) {
    const int judged = testing::judged_route(paths, open, std::string(path));
    for (const std::string& spelled : {std::string(path), respelled(path)}) {
      SLUICE_CHECK(parse_request_target(spelled).ok());
      const Head head;
      RouteRequest request;
      request.path = spelled;
      request.head = &head;
      const RouteChoice choice = find_route(config, request);
      SLUICE_CHECK(choice.ambiguous == (judged == testing::judged_ambiguous));
      if (choice.ambiguous) continue;
      SLUICE_CHECK((choice.route == nullptr) == (judged < 0));
      if (judged >= 0) SLUICE_CHECK(choice.route == &config.routes[static_cast<size_t>(judged)]);
    }
  }
}

void check_target(std::string_view text) {
  const Result<RequestTarget> parsed = parse_request_target(text);
  if (!parsed.ok()) return;
  const RequestTarget& target = parsed.value();
  SLUICE_CHECK(lies_in(target.authority, text) && lies_in(target.query, text));
  SLUICE_CHECK(printable(text) && !holds_any(text, "#\"<>"));
  check_path(target.path);
  SLUICE_CHECK(target.query.empty() || target.query.starts_with('?'));
  if (text.starts_with('/')) {
    SLUICE_CHECK(target.authority.empty());
  } else {
    SLUICE_CHECK(parse_authority(target.authority).ok());
    check_authority(target.authority);
  }
  std::string again = target.authority.empty() ? "" : "ws://" + std::string(target.authority);
  again.append(target.path).append(target.query);
  const Result<RequestTarget> second = parse_request_target(again);
  SLUICE_CHECK(second.ok() && second.value().authority == target.authority &&
               second.value().path == target.path && second.value().query == target.query);
}

void check_server(std::string_view text, std::string_view target_text) {
  const Result<ServerUri> parsed = parse_server_uri(text);
  if (!parsed.ok()) return;
  const ServerUri& uri = parsed.value();
  SLUICE_CHECK(uri.unix_path.empty() == (uri.port != 0) || uri.unix_path.empty());
  SLUICE_CHECK(parse_authority(uri.authority).ok() && printable(uri.authority));
  SLUICE_CHECK(!uri.host.empty() && !holds_any(uri.host, "[]@/"));
  if (!uri.path.empty()) check_path(uri.path);
  const Result<ServerUri> second = parse_server_uri(text_of(uri));
  SLUICE_CHECK(second.ok() && second.value() == uri);
  // What is joined of a server's path and a target's goes into a request line as it is.
  const Result<RequestTarget> target = parse_request_target(target_text);
  if (!target.ok()) return;
  const std::string_view path = target.value().path;
  for (size_t slash = 0; slash < path.size();
       slash = std::min(path.find('/', slash + 1), path.size())) {
    const std::string route = slash == 0 ? "/" : normal_path(path.substr(0, slash));
    SLUICE_CHECK(path_is_under(normal_path(path), route));
    const std::string joined = upstream_target(uri, route, path, target.value().query);
    const Result<RequestTarget> again = parse_request_target(joined);
    SLUICE_CHECK(again.ok() && joined.starts_with('/') &&
                 again.value().query == target.value().query);
    if (uri.path.empty()) SLUICE_CHECK(again.value().path == path);
    check_path(again.value().path);
    const std::string_view base(uri.path.data(), uri.path.find_last_not_of('/') + 1);
    if (!base.empty()) SLUICE_CHECK(path_is_under(again.value().path, base));
  }
}

void run(std::string_view text) {
  std::array<std::string_view, 3> lines;
  for (std::string_view& line : lines) {
    const size_t end = std::min(text.find('\n'), text.size());
    line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  check_authority(lines[0]);
  check_target(lines[1]);
  const Result<RequestTarget> first = parse_request_target(lines[1]);
  const Result<RequestTarget> second = parse_request_target(lines[0]);
  if (first.ok()) {
    check_routes(first.value().path, second.ok() ? second.value().path : "/%61/b;c/%40");
  }
  check_server(lines[2], lines[1]);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
