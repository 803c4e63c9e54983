// A colon and a bracket are no token, so IPv6 addresses and ports stand in quotes (RFC 7239 4).
#include "protocol/forwarded.h"

#include <arpa/inet.h>

#include <array>

#include "protocol/head.h"

namespace sluice {

namespace {

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, 16> bytes;
  const std::string terminated(text);
  return terminated.find('\0') == std::string::npos &&
         inet_pton(family, terminated.c_str(), bytes.data()) == 1;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string quoted_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') quoted += '\\';
    quoted += byte;
  }
  return quoted + '"';
}

}  // namespace

std::string forwarded_node(std::string_view entry) {
  if (is_ip(AF_INET, entry)) return std::string(entry);
  if (is_ip(AF_INET6, entry)) return "\"[" + std::string(entry) + "]\"";
  const size_t colon = entry.rfind(':');
  const bool with_port = colon != std::string_view::npos && is_port(entry.substr(colon + 1));
  const std::string_view host = with_port ? entry.substr(0, colon) : entry;
  const bool bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  const bool known = bracketed ? is_ip(AF_INET6, host.substr(1, host.size() - 2))
                               : with_port && is_ip(AF_INET, host);
  return known ? quoted_string(entry) : "unknown";
}

std::string forwarded_element(std::string_view entry, std::string_view host,
                              std::string_view proto) {
  std::string element = "for=" + forwarded_node(entry);
  if (!host.empty()) element += ";host=" + quoted_string(host);
  return element.append(";proto=").append(proto);
}

std::string forwarded_list(std::string_view forwarded_for) {
  std::string list;
  for_each_element(forwarded_for, [&list](std::string_view entry) {
    if (!list.empty()) list += ", ";
    list += "for=" + forwarded_node(entry);
  });
  return list;
}

}  // namespace sluice
