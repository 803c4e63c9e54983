// Address: text to the kernel's form and back; the only place that asks the system's resolver.
#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <memory>

namespace sluice {

namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr socklen_t unix_path_offset = offsetof(sockaddr_un, sun_path);

bool parse_port(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// getaddrinfo's codes in our words: its own differ between systems.
const char* resolver_text(int code) {
  switch (code) {
    case EAI_AGAIN:
      return "the name server does not answer";
    case EAI_MEMORY:
      return "out of memory";
    case EAI_SYSTEM:
      return "getaddrinfo";
    case EAI_FAIL:
      return "the name server failed";
    default:
      return "no such host";
  }
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with(unix_prefix)) return from_unix_path(text.substr(unix_prefix.size()));
  std::string_view host = "0.0.0.0";
  std::string_view port_text = text;
  if (!all_digits(text)) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return Fault{"no port"};
    port_text = text.substr(colon + 1);
    if (colon > 0) host = text.substr(0, colon);
    if (host.front() == '[') {
      if (host.back() != ']') return Fault{"no closing bracket"};
      host = host.substr(1, host.size() - 2);
      if (host.find(':') == std::string_view::npos) return Fault{"not an IPv6 address"};
    } else if (host.find(':') != std::string_view::npos) {
      return Fault{"an IPv6 address must stand in brackets"};
    }
  }
  uint16_t port = 0;
  if (!parse_port(port_text, port)) return Fault{"the port is not a number up to 65535"};
  return from_ip(host, port);
}

Result<Address> Address::from_ip(std::string_view host, uint16_t port) {
  const std::string terminated(host);
  if (terminated.find('\0') != std::string::npos) return Fault{"not an IP address"};
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (inet_pton(AF_INET, terminated.c_str(), &v4.sin_addr) == 1) {
    return from_sockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (inet_pton(AF_INET6, terminated.c_str(), &v6.sin6_addr) == 1) {
    return from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return Fault{"not an IP address"};
}

Result<Address> Address::from_unix_path(std::string_view path) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  if (path.empty()) return Fault{"no path behind unix:"};
  if (path.find('\0') != std::string_view::npos) return Fault{"a NUL in the path"};
  if (path.size() >= sizeof local.sun_path) return Fault{"the path is too long for a unix socket"};
  std::copy(path.begin(), path.end(), local.sun_path);
  const auto length = static_cast<socklen_t>(unix_path_offset + path.size() + 1);
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&local), length);
}

Address Address::from_sockaddr(const sockaddr* address, socklen_t length) {
  Address result;
  result.length_ = std::min<socklen_t>(length, sizeof result.storage_);
  std::memcpy(&result.storage_.most, address, result.length_);
  return result;
}

bool operator==(const Address& a, const Address& b) {
  if (a.family() != b.family()) return false;
  const auto same = [](const void* x, const void* y, size_t bytes) {
    return std::memcmp(x, y, bytes) == 0;
  };
  if (a.family() == AF_INET) {
    const auto* const x = reinterpret_cast<const sockaddr_in*>(&a.storage_);
    const auto* const y = reinterpret_cast<const sockaddr_in*>(&b.storage_);
    return x->sin_port == y->sin_port && same(&x->sin_addr, &y->sin_addr, sizeof x->sin_addr);
  }
  if (a.family() == AF_INET6) {
    const auto* const x = reinterpret_cast<const sockaddr_in6*>(&a.storage_);
    const auto* const y = reinterpret_cast<const sockaddr_in6*>(&b.storage_);
    return x->sin6_port == y->sin6_port && same(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr);
  }
  return a.text() == b.text();
}

uint16_t Address::port() const {
  switch (family()) {
    case AF_INET:
      return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
    case AF_INET6:
      return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
    default:
      return 0;
  }
}

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

std::string Address::text() const {
  switch (family()) {
    case AF_INET:
      return host_text() + ":" + std::to_string(port());
    case AF_INET6:
      return "[" + host_text() + "]:" + std::to_string(port());
    case AF_UNIX:
      return std::string(unix_prefix) + unix_path();
    default:
      return "";
  }
}

bool Address::is_loopback() const {
  if (is_unix()) return false;
  return family() == AF_INET ? host_text().starts_with("127.") : host_text() == "::1";
}

bool Address::is_any() const {
  return !is_unix() && host_text() == (family() == AF_INET ? "0.0.0.0" : "::");
}

bool overlap(const Address& a, const Address& b) {
  if (a == b) return true;
  if (a.is_unix() || a.family() != b.family() || a.port() != b.port()) return false;
  return a.is_any() || b.is_any();
}

namespace {

// inet_ntop formats by snprintf, and each request needs it.
std::string ip4_text(const in_addr* address) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(address);
  std::string text;
  for (size_t i = 0; i < sizeof *address; ++i) {
    if (i > 0) text += '.';
    char digits[3];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, bytes[i]).ptr);
  }
  return text;
}

}  // namespace

std::string Address::host_text() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (family()) {
    case AF_INET:
      return ip4_text(&reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr);
    case AF_INET6:
      inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, text,
                sizeof text);
      return text;
    case AF_UNIX:
      return std::string(unix_prefix);
    default:
      return "";
  }
}

std::string Address::unix_path() const {
  if (!is_unix() || length_ <= unix_path_offset) return "";
  const char* path = reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path;
  const size_t most = length_ - unix_path_offset;
  // The kernel may leave the final NUL out where the path fills sun_path.
  return std::string(path, std::find(path, path + most, '\0'));
}

Result<std::vector<Address>> resolve_blocking(const std::string& host, uint16_t port) {
  if (const Result<Address> numeric = Address::from_ip(host, port); numeric.ok()) {
    return std::vector<Address>{numeric.value()};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  // IPv6 addresses only where this machine speaks it: one that cannot be reached costs a try.
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) return Fault{resolver_text(code), code == EAI_SYSTEM ? errno : 0};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    Address address = Address::from_sockaddr(entry->ai_addr, entry->ai_addrlen);
    address.set_port(port);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) return Fault{"no such host"};
  return addresses;
}

}  // namespace sluice
