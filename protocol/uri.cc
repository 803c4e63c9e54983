// URIs by RFC 3986's grammar, as strict as an edge must be in a path and as lenient in a query as
// browsers need.
#include "protocol/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

#include "protocol/ascii.h"

namespace sluice {

namespace {

constexpr std::string_view no_view;

// Byte classes, one bit each.
constexpr uint8_t in_host = 1;   // RFC 3986 3.2.2, reg-name without escapes
constexpr uint8_t in_path = 2;   // pchar and '/', and what browsers leave unescaped
constexpr uint8_t in_query = 4;  // everything printable but what would end it or breaks HTML

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int byte = 0x21; byte < 0x7f; ++byte) classes[static_cast<size_t>(byte)] = in_query;
  const auto remove = [&classes](std::string_view bytes) {
    for (const char byte : bytes) classes[static_cast<unsigned char>(byte)] = 0;
  };
  const auto add = [&classes](std::string_view bytes, uint8_t bits) {
    for (const char byte : bytes) {
      auto& entry = classes[static_cast<unsigned char>(byte)];
      entry = static_cast<uint8_t>(entry | bits);
    }
  };
  remove("\"<>#");
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=",
      in_host | in_path);
  add(":@/%[]|^\\", in_path);
  return classes;
}

constexpr std::array<uint8_t, 256> classes = make_classes();

bool all_in(std::string_view text, uint8_t wanted) {
  for (const char byte : text) {
    if ((classes[static_cast<unsigned char>(byte)] & wanted) == 0) return false;
  }
  return true;
}

int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

// The byte that the escape at text[0] stands for, or -1 where it is none.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_digit(text[1]);
  const int low = hex_digit(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// RFC 3986 2.3: bytes that mean the same with and without an escape.
bool is_unreserved(int byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

// "." or "..", also with path parameters behind it (RFC 3986 3.3, "..;x").
bool is_dot_segment(std::string_view segment) {
  segment = segment.substr(0, segment.find(';'));
  return segment == "." || segment == "..";
}

// A dot segment of the path as it stands is one of the decoded path, too, which has more slashes.
bool holds_dot_segment(std::string_view decoded) {
  for (size_t begin = 1; begin <= decoded.size();) {
    const size_t end = std::min(decoded.find('/', begin), decoded.size());
    if (is_dot_segment(decoded.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

// Why this cannot be a request's path, or nullptr.
const char* wrong_with_path(std::string_view path) {
  if (!all_in(path, in_path)) return "a byte that no path may hold";
  for (size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
    const int byte = escaped_byte(path.substr(i));
    if (byte < 0) return "a malformed %-escape";
    if (byte == 0) return "an escaped NUL";
  }
  return holds_dot_segment(decoded_path(path)) ? "a dot segment" : nullptr;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (lower_case(text[i]) != lower[i]) return false;
  }
  return true;
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;  // "" where none was given or nothing stands behind the colon
};

// Cuts at the first colon that is not an IPv6 literal's.
HostAndPort split_authority(std::string_view text) {
  const size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  const size_t colon = bracket == std::string_view::npos ? bracket : text.find(':', bracket);
  if (colon == std::string_view::npos) return {text, no_view};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool host_valid(std::string_view host) {
  if (!host.starts_with('[')) return !host.empty() && all_in(host, in_host);
  if (!host.ends_with(']')) return false;
  const std::string literal(host.substr(1, host.size() - 2));
  in6_addr ignored;
  return literal.find('\0') == std::string::npos &&
         inet_pton(AF_INET6, literal.c_str(), &ignored) == 1;
}

struct ServerScheme {
  std::string_view text;
  bool secure;
};

constexpr ServerScheme server_schemes[] = {
    {"ws://", false}, {"wss://", true}, {"http://", false}, {"https://", true}};

Result<ServerUri> unix_server(ServerUri uri, std::string_view rest) {
  const size_t colon = rest.find(':');
  uri.unix_path = rest.substr(0, colon);
  if (!uri.unix_path.starts_with('/')) return Fault{"the socket's path does not begin with /"};
  uri.path = colon == std::string_view::npos ? no_view : rest.substr(colon + 1);
  uri.host = uri.authority = "localhost";
  return uri;
}

Result<ServerUri> inet_server(ServerUri uri, std::string_view rest) {
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const Result<Authority> parsed = parse_authority(authority);
  if (!parsed.ok()) return parsed.fault();
  const uint16_t default_port = uri.secure ? 443 : 80;
  const std::string_view host = parsed.value().host;
  uri.host = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  uri.port = split_authority(authority).port.empty() ? default_port : parsed.value().port;
  uri.authority = host;
  if (uri.port != default_port) uri.authority += ":" + std::to_string(uri.port);
  uri.path = rest.substr(slash);
  return uri;
}

// The domain that "_ws._tcp.example.org" is of; the whole name where it is not spelled so (RFC 2782
// has no other form, but service catalogues have).
std::string_view domain_of(std::string_view service) {
  while (service.starts_with('_')) {
    const size_t dot = service.find('.');
    if (dot == std::string_view::npos) break;
    service.remove_prefix(dot + 1);
  }
  return service;
}

Result<ServerUri> service_server(ServerUri uri, std::string_view rest) {
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const Result<Authority> parsed = parse_authority(rest.substr(0, slash));
  if (!parsed.ok()) return parsed.fault();
  if (split_authority(rest.substr(0, slash)).port.data() != nullptr || parsed.value().port != 0) {
    return Fault{"a service has no port of its own, its SRV records bring it"};
  }
  uri.service = lower_case(parsed.value().host);
  in_addr ignored;
  uri.host = domain_of(uri.service);
  if (uri.service.starts_with('[') || uri.host.empty() ||
      inet_pton(AF_INET, uri.service.c_str(), &ignored) == 1) {
    return Fault{"a service is a name, as _ws._tcp.example.org"};
  }
  uri.authority = uri.host;
  uri.path = rest.substr(slash);
  return uri;
}

}  // namespace

Result<Authority> parse_authority(std::string_view text) {
  if (text.find('@') != std::string_view::npos) return Fault{"userinfo before the host"};
  const HostAndPort parts = split_authority(text);
  if (!host_valid(parts.host)) return Fault{"not a host"};
  Authority authority;
  authority.host = parts.host;
  if (parts.port.empty()) return authority;
  const char* end = parts.port.data() + parts.port.size();
  const auto [rest, error] = std::from_chars(parts.port.data(), end, authority.port);
  if (error != std::errc() || rest != end) return Fault{"the port is not a number up to 65535"};
  return authority;
}

Result<RequestTarget> parse_request_target(std::string_view text) {
  RequestTarget target;
  if (text.find('#') != std::string_view::npos) return Fault{"a fragment"};
  if (!text.starts_with('/')) {
    size_t scheme_bytes = 0;
    for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://"}) {
      if (starts_with_ignoring_case(text, scheme)) scheme_bytes = scheme.size();
    }
    if (scheme_bytes == 0) return Fault{"neither a path nor an http or ws URI"};
    text.remove_prefix(scheme_bytes);
    const size_t end = std::min(text.find_first_of("/?"), text.size());
    target.authority = text.substr(0, end);
    text.remove_prefix(end);
    if (const auto authority = parse_authority(target.authority); !authority.ok()) {
      return authority.fault();
    }
  }
  const size_t question = std::min(text.find('?'), text.size());
  target.path = question == 0 ? std::string_view("/") : text.substr(0, question);
  target.query = text.substr(question);
  if (const char* wrong = wrong_with_path(target.path)) return Fault{wrong};
  if (!all_in(target.query, in_query)) return Fault{"a byte that no query may hold"};
  return target;
}

std::string normal_path(std::string_view path) {
  std::string normal;
  normal.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    const int byte = escaped_byte(path.substr(i));
    if (byte < 0) {
      normal += path[i];
      continue;
    }
    if (is_unreserved(byte)) {
      normal += static_cast<char>(byte);
    } else {
      static constexpr char digits[] = "0123456789ABCDEF";
      normal += {'%', digits[byte >> 4], digits[byte & 15]};
    }
    i += 2;
  }
  return normal;
}

std::string decoded_path(std::string_view path) {
  std::string decoded;
  decoded.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    const int escaped = escaped_byte(path.substr(i));
    char byte = escaped < 0 ? path[i] : static_cast<char>(escaped);
    if (escaped >= 0) i += 2;
    if (byte == '\\') byte = '/';
    if (byte != '/' || !decoded.ends_with('/')) decoded += byte;
  }
  return decoded;
}

size_t spelled_bytes(std::string_view path, size_t normal_bytes) {
  size_t at = 0;
  while (at < path.size() && normal_bytes > 0) {
    const int byte = escaped_byte(path.substr(at));
    const size_t normal = byte < 0 || is_unreserved(byte) ? 1 : 3;
    at += byte < 0 ? 1 : 3;
    normal_bytes -= std::min(normal, normal_bytes);
  }
  return at;
}

Result<ServerUri> parse_server_uri(std::string_view text) {
  ServerUri uri;
  const bool service = starts_with_ignoring_case(text, "srv+");
  const std::string_view plain = service ? text.substr(4) : text;
  const ServerScheme* const scheme = std::find_if(
      std::begin(server_schemes), std::end(server_schemes),
      [plain](const ServerScheme& each) { return starts_with_ignoring_case(plain, each.text); });
  if (scheme == std::end(server_schemes)) {
    return Fault{"it begins with none of ws://, wss://, http:// and https://"};
  }
  uri.secure = scheme->secure;
  const std::string_view rest = plain.substr(scheme->text.size());
  const Result<ServerUri> parsed = service                     ? service_server(uri, rest)
                                   : rest.starts_with("unix:") ? unix_server(uri, rest.substr(5))
                                                               : inet_server(uri, rest);
  if (!parsed.ok()) return parsed;
  const std::string_view path = parsed.value().path;
  if (path.empty()) return parsed;
  if (!path.starts_with('/')) return Fault{"its path does not begin with /"};
  const Result<RequestTarget> target = parse_request_target(path);
  if (!target.ok()) return target.fault();
  if (!target.value().query.empty()) return Fault{"it has a query; the client's travels on"};
  return parsed;
}

std::string text_of(const ServerUri& uri) {
  const std::string scheme = uri.secure ? "wss://" : "ws://";
  if (!uri.service.empty()) return "srv+" + scheme + uri.service + uri.path;
  if (uri.unix_path.empty()) return scheme + uri.authority + uri.path;
  return scheme + "unix:" + uri.unix_path + (uri.path.empty() ? "" : ":" + uri.path);
}

}  // namespace sluice
