// Section numbers are those of HAProxy's proxy-protocol.txt.
#include "protocol/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace sluice {

namespace {

using Family = ProxyHeader::Family;
using Outcome = ProxyParse::Outcome;

constexpr std::string_view v1_signature = "PROXY ";
constexpr std::string_view v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t v2_fixed_bytes = 16;  // signature, version and command, family, length

constexpr uint8_t tlv_alpn = 0x01;
constexpr uint8_t tlv_authority = 0x02;
constexpr uint8_t tlv_crc32c = 0x03;
constexpr uint8_t tlv_unique_id = 0x05;
constexpr uint8_t tlv_ssl = 0x20;
constexpr uint8_t ssl_client_spoke_tls = 0x01;

ProxyParse bad(const char* reason) {
  return {Outcome::bad, {}, reason};
}

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// --- version 1: one line of text (2.1)

bool read_ip(std::string_view text, Family family, ProxyEndpoint& endpoint) {
  const std::string terminated(text);
  return inet_pton(family == Family::ip4 ? AF_INET : AF_INET6, terminated.c_str(),
                   endpoint.ip.data()) == 1;
}

// Decimal, without leading zeros.
bool read_port(std::string_view text, ProxyEndpoint& endpoint) {
  if (text.size() > 1 && text[0] == '0') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), endpoint.port);
  return error == std::errc() && end == text.data() + text.size();
}

// The word before the next blank, which is taken with it. The last one ends with the line.
std::string_view take_word(std::string_view& line) {
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  return word;
}

// `line`: behind the signature, without its CR LF.
ProxyParse read_v1_line(std::string_view line, size_t bytes) {
  ProxyParse parsed{Outcome::header, {}, ""};
  ProxyHeader& header = parsed.header;
  header.bytes = bytes;
  if (line.find('\0') != std::string_view::npos) return bad("a NUL in a PROXY header");
  const bool ends_in_blank = line.ends_with(' ');
  const std::string_view protocol = take_word(line);
  if (protocol == "UNKNOWN") return parsed;  // what follows must be ignored
  if (protocol != "TCP4" && protocol != "TCP6") {
    return bad("a PROXY header of neither TCP4 nor TCP6 nor UNKNOWN");
  }
  header.family = protocol == "TCP4" ? Family::ip4 : Family::ip6;
  if (!read_ip(take_word(line), header.family, header.source) ||
      !read_ip(take_word(line), header.family, header.destination)) {
    return bad("a PROXY header without two addresses of its family");
  }
  if (!read_port(take_word(line), header.source) ||
      !read_port(take_word(line), header.destination)) {
    return bad("a PROXY header without two ports");
  }
  if (!line.empty() || ends_in_blank) return bad("a PROXY header with more than two ports");
  return parsed;
}

ProxyParse parse_v1(std::string_view text) {
  const std::string_view seen = text.substr(0, most_proxy_v1_bytes);
  const size_t end = seen.find_first_of("\r\n");
  if (end == std::string_view::npos) {
    return seen.size() == most_proxy_v1_bytes ? bad("a PROXY header of more than 107 bytes")
                                              : ProxyParse{};
  }
  if (seen[end] == '\n') return bad("a PROXY header whose line ends without CR");
  if (end + 1 == seen.size()) {
    return seen.size() == most_proxy_v1_bytes ? bad("a PROXY header of more than 107 bytes")
                                              : ProxyParse{};
  }
  if (seen[end + 1] != '\n') return bad("a PROXY header whose line ends without LF");
  return read_v1_line(seen.substr(v1_signature.size(), end - v1_signature.size()), end + 2);
}

// --- version 2: binary (2.2)

size_t number_at(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<size_t>(bytes[at]) << 8 | bytes[at + 1];
}

// How many bytes the addresses take.
size_t address_bytes(Family family) {
  switch (family) {
    case Family::none:
      return 0;
    case Family::ip4:
      return 12;
    case Family::ip6:
      return 36;
    case Family::unix_socket:
      break;
  }
  return 216;
}

void read_v2_addresses(std::span<const uint8_t> bytes, ProxyHeader& header) {
  const size_t ip_bytes = header.family == Family::ip4 ? 4 : 16;
  std::copy_n(bytes.begin(), ip_bytes, header.source.ip.begin());
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(ip_bytes), ip_bytes,
              header.destination.ip.begin());
  header.source.port = static_cast<uint16_t>(number_at(bytes, 2 * ip_bytes));
  header.destination.port = static_cast<uint16_t>(number_at(bytes, 2 * ip_bytes + 2));
}

constexpr std::array<uint32_t, 256> crc32c_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}

// CRC-32C (RFC 4960 appendix B) of a header in which the four bytes at `field` count as zero.
uint32_t crc32c_of(std::span<const uint8_t> header, size_t field) {
  static constexpr std::array<uint32_t, 256> table = crc32c_table();
  uint32_t value = ~0u;
  for (size_t at = 0; at < header.size(); ++at) {
    const uint8_t byte = at >= field && at < field + 4 ? 0 : header[at];
    value = table[(value ^ byte) & 0xff] ^ value >> 8;
  }
  return ~value;
}

// The TLVs from `at` on (2.2.1 to 2.2.6); null where all is well.
const char* read_tlvs(std::span<const uint8_t> whole, size_t at, ProxyHeader& header) {
  bool checked = false;
  while (at < whole.size()) {
    if (whole.size() - at < 3) return "a PROXY header with half a TLV";
    const uint8_t type = whole[at];
    const size_t length = number_at(whole, at + 1);
    at += 3;
    if (whole.size() - at < length) return "a PROXY header with half a TLV";
    if (type == tlv_crc32c) {
      if (length != 4 || std::exchange(checked, true)) return "a PROXY header with an odd checksum";
      const uint32_t told =
          static_cast<uint32_t>(number_at(whole, at) << 16 | number_at(whole, at + 2));
      if (told != crc32c_of(whole, at)) return "a PROXY header with a wrong checksum";
    }
    if (type == tlv_ssl) {
      if (length < 5) return "a PROXY header with half a TLV";
      header.over_tls = (whole[at] & ssl_client_spoke_tls) != 0;
    }
    at += length;
  }
  return nullptr;
}

// The family and, in the low half, whether it is a stream or datagrams (2.2); false where no sender
// may write it so.
bool read_family(uint8_t byte, Family& family) {
  static constexpr std::pair<uint8_t, Family> known[] = {
      {0x00, Family::none},       {0x11, Family::ip4}, {0x12, Family::ip4},
      {0x21, Family::ip6},        {0x22, Family::ip6}, {0x31, Family::unix_socket},
      {0x32, Family::unix_socket}};
  const auto* const found = std::find_if(std::begin(known), std::end(known),
                                         [byte](const auto& each) { return each.first == byte; });
  if (found == std::end(known)) return false;
  family = found->second;
  return true;
}

ProxyParse parse_v2(std::span<const uint8_t> bytes) {
  if (bytes.size() > 12) {
    if (bytes[12] >> 4 != 2) return bad("a PROXY header of neither version 1 nor 2");
    if ((bytes[12] & 0x0f) > 1) return bad("a PROXY header of neither LOCAL nor PROXY");
  }
  if (bytes.size() < v2_fixed_bytes) return {};
  const bool local = (bytes[12] & 0x0f) == 0;
  const size_t length = v2_fixed_bytes + number_at(bytes, 14);
  if (length > most_proxy_header_bytes) return bad("a PROXY header of more than 4096 bytes");
  ProxyParse parsed{Outcome::header, {}, ""};
  ProxyHeader& header = parsed.header;
  header.bytes = length;
  // Of LOCAL everything is to be discarded, the family included.
  if (!local && !read_family(bytes[13], header.family)) {
    return bad("a PROXY header of an unknown family");
  }
  const size_t fixed = v2_fixed_bytes + address_bytes(header.family);
  if (length < fixed) return bad("a PROXY header too short for its addresses");
  if (bytes.size() < length) return {};
  if (local) return parsed;
  if (header.family == Family::ip4 || header.family == Family::ip6) {
    read_v2_addresses(bytes.subspan(v2_fixed_bytes), header);
  }
  if (const char* wrong = read_tlvs(bytes.first(length), fixed, header)) return bad(wrong);
  return parsed;
}

// --- writing

std::string ip_text(Family family, const ProxyEndpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == Family::ip4 ? AF_INET : AF_INET6, endpoint.ip.data(), text, sizeof text);
  return text;
}

void append_number(std::string& bytes, size_t value) {
  bytes += static_cast<char>(value >> 8 & 0xff);
  bytes += static_cast<char>(value & 0xff);
}

void append_ip(std::string& bytes, Family family, const ProxyEndpoint& endpoint) {
  bytes.append(reinterpret_cast<const char*>(endpoint.ip.data()), family == Family::ip4 ? 4 : 16);
}

void append_tlv(std::string& bytes, uint8_t type, std::string_view value) {
  constexpr size_t most_bytes = 255;  // as long as a host's name can be
  if (value.empty() || value.size() > most_bytes) return;
  bytes += static_cast<char>(type);
  append_number(bytes, value.size());
  bytes += value;
}

}  // namespace

std::string write_proxy_v1(const ProxyHeader& header) {
  const Family family = header.family;
  if (family != Family::ip4 && family != Family::ip6) return "PROXY UNKNOWN\r\n";
  return std::string(family == Family::ip4 ? "PROXY TCP4 " : "PROXY TCP6 ") +
         ip_text(family, header.source) + ' ' + ip_text(family, header.destination) + ' ' +
         std::to_string(header.source.port) + ' ' + std::to_string(header.destination.port) +
         "\r\n";
}

std::string write_proxy_v2(const ProxyHeader& header, const ProxyTlvs& tlvs) {
  const Family family = header.family;
  const bool known = family == Family::ip4 || family == Family::ip6;
  std::string behind;
  if (known) {
    append_ip(behind, family, header.source);
    append_ip(behind, family, header.destination);
    append_number(behind, header.source.port);
    append_number(behind, header.destination.port);
  }
  append_tlv(behind, tlv_alpn, tlvs.alpn);
  append_tlv(behind, tlv_authority, tlvs.authority);
  append_tlv(behind, tlv_unique_id, tlvs.unique_id);
  std::string bytes(v2_signature);
  bytes += '\x21';  // version 2, PROXY
  bytes += !known ? '\0' : family == Family::ip4 ? '\x11' : '\x21';
  append_number(bytes, behind.size());
  return bytes + behind;
}

std::string write_proxy_v2_local() {
  std::string bytes(v2_signature);
  bytes += '\x20';  // version 2, LOCAL
  bytes += '\0';    // UNSPEC
  append_number(bytes, 0);
  return bytes;
}

ProxyParse parse_proxy_header(std::span<const uint8_t> bytes) {
  const std::string_view text = text_of(bytes);
  for (const std::string_view signature : {v1_signature, v2_signature}) {
    if (!signature.starts_with(text.substr(0, signature.size()))) continue;
    if (text.size() < signature.size()) return {};
    return signature == v1_signature ? parse_v1(text) : parse_v2(bytes);
  }
  return bad("no PROXY header");
}

}  // namespace sluice
