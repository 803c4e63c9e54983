// URIs: what is accepted holds no byte that it must not hold, and reading it again from what was
// made of it gives the same. Three lines: a Host or authority, a request's target, a server URI.
#include <array>
#include <string>

#include "core/router.h"
#include "net/check.h"
#include "protocol/uri.h"
#include "tests/fuzz/input.h"

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

std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    SLUICE_CHECK(i + 2 < text.size());
    const std::string digits(text.substr(i + 1, 2));
    SLUICE_CHECK(digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos);
    const int byte = std::stoi(digits, nullptr, 16);
    SLUICE_CHECK(byte != 0 && byte != '/' && byte != '\\');
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

void check_path(std::string_view path) {
  SLUICE_CHECK(path.starts_with('/') && printable(path) && !holds_any(path, "?#\\\"<>"));
  const std::string plain = "/" + unescaped(path).substr(1) + "/";
  SLUICE_CHECK(plain.find("/./") == std::string::npos && plain.find("/../") == std::string::npos);
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

std::string text_of_server(const ServerUri& uri) {
  const std::string scheme = uri.secure ? "wss://" : "ws://";
  if (uri.unix_path.empty()) return scheme + uri.authority + uri.path;
  return scheme + "unix:" + uri.unix_path + (uri.path.empty() ? "" : ":" + uri.path);
}

void check_server(std::string_view text, std::string_view target_text) {
  const Result<ServerUri> parsed = parse_server_uri(text);
  if (!parsed.ok()) return;
  const ServerUri& uri = parsed.value();
  SLUICE_CHECK(uri.unix_path.empty() == (uri.port != 0) || uri.unix_path.empty());
  SLUICE_CHECK(parse_authority(uri.authority).ok() && printable(uri.authority));
  SLUICE_CHECK(!uri.host.empty() && !holds_any(uri.host, "[]@/"));
  if (!uri.path.empty()) check_path(uri.path);
  const Result<ServerUri> second = parse_server_uri(text_of_server(uri));
  SLUICE_CHECK(second.ok() && second.value().secure == uri.secure &&
               second.value().unix_path == uri.unix_path && second.value().host == uri.host &&
               second.value().port == uri.port && second.value().authority == uri.authority &&
               second.value().path == uri.path);
  // What is joined of a server's path and a target's goes into a request line as it is.
  const Result<RequestTarget> target = parse_request_target(target_text);
  if (!target.ok()) return;
  const std::string_view path = target.value().path;
  for (size_t slash = 0; slash < path.size();
       slash = std::min(path.find('/', slash + 1), path.size())) {
    const std::string_view route = slash == 0 ? "/" : path.substr(0, slash);
    SLUICE_CHECK(path_is_under(path, route));
    const std::string joined = upstream_target(uri, route, path, target.value().query);
    const Result<RequestTarget> again = parse_request_target(joined);
    SLUICE_CHECK(again.ok() && joined.starts_with('/') &&
                 again.value().query == target.value().query);
    if (uri.path.empty()) SLUICE_CHECK(again.value().path == path);
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
  check_server(lines[2], lines[1]);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
