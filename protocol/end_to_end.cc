// What Connection nominates is sorted once: a head of many options and many fields would else cost
// the product of both.
#include "protocol/end_to_end.h"

#include <algorithm>
#include <iterator>

#include "protocol/ascii.h"

namespace sluice {

namespace {

unsigned char folded(char byte) {
  return static_cast<unsigned char>(lower_case(byte));
}

bool is_plain(char byte) {
  const unsigned char small = folded(byte);
  return (small >= 'a' && small <= 'z') || (small >= '0' && small <= '9') || small == '-';
}

// Whether a server that takes every other byte for '-' (CGI and its heirs) would read the name so.
bool reads_as(std::string_view name, std::string_view plain_name) {
  return std::equal(
      name.begin(), name.end(), plain_name.begin(), plain_name.end(),
      [](char byte, char plain) { return folded(is_plain(byte) ? byte : '-') == folded(plain); });
}

}  // namespace

bool named_in(std::span<const std::string_view> names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view other) { return equals_ignoring_case(other, name); });
}

bool is_hop_by_hop(std::string_view name) {
  static constexpr std::string_view names[] = {"Connection",
                                               "Keep-Alive",
                                               "Proxy-Connection",
                                               "Proxy-Authorization",
                                               "Proxy-Authenticate",
                                               "TE",
                                               "Trailer",
                                               "Transfer-Encoding",
                                               "Upgrade",
                                               "HTTP2-Settings"};
  return named_in(names, name);
}

bool is_forwarding_field(std::string_view name) {
  static constexpr std::string_view names[] = {
      "Forwarded",      "Forwarded-For",    "X-Forwarded",         "X-Original-Forwarded-For",
      "X-Real-IP",      "X-Client-IP",      "X-Cluster-Client-IP", "Client-IP",
      "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6",  "Fastly-Client-IP",
      "Fly-Client-IP"};
  constexpr std::string_view prefix = "X-Forwarded-";
  return reads_as(name.substr(0, prefix.size()), prefix) ||
         std::any_of(std::begin(names), std::end(names),
                     [name](std::string_view other) { return reads_as(name, other); });
}

bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), is_plain);
}

bool header_is_reserved(std::string_view name) {
  constexpr std::string_view prefix = "Sec-WebSocket-";
  for (const std::string_view reserved :
       {"Connection", "Upgrade", "Content-Length", "Transfer-Encoding"}) {
    if (equals_ignoring_case(name, reserved)) return true;
  }
  return equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

EndToEnd::EndToEnd(const Head& head) : nominated_(list_elements(head, "Connection")) {
  std::sort(nominated_.begin(), nominated_.end(),
            [this](std::string_view a, std::string_view b) { return less(a, b); });
}

bool EndToEnd::keeps(std::string_view name) const {
  return !is_hop_by_hop(name) && !header_is_reserved(name) && !nominated(name);
}

bool EndToEnd::nominated(std::string_view name) const {
  return std::binary_search(nominated_.begin(), nominated_.end(), name,
                            [this](std::string_view a, std::string_view b) { return less(a, b); });
}

bool EndToEnd::less(std::string_view a, std::string_view b) const {
  ++comparisons_;
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return folded(x) < folded(y); });
}

}  // namespace sluice
