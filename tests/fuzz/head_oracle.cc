// Plain code over a head's bytes: lines, colons, blanks.
#include "tests/fuzz/head_oracle.h"

#include <algorithm>
#include <regex>

#include "net/check.h"
#include "protocol/extensions.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string lower(std::string_view text) {
  std::string small(text);
  for (char& byte : small) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return small;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view take_line(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  SLUICE_CHECK(end != std::string_view::npos);
  const std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  for (const char byte : line) {
    const auto number = static_cast<unsigned char>(byte);
    SLUICE_CHECK(byte == '\t' || (number >= 0x20 && number != 0x7f));
  }
  return line;
}

void check_request_line(std::string_view line, const RequestHead& head) {
  const std::string version = "HTTP/1." + std::to_string(head.minor_version);
  SLUICE_CHECK(line == std::string(head.method) + " " + std::string(head.target) + " " + version);
  SLUICE_CHECK(is_token(head.method) && !head.target.empty());
  SLUICE_CHECK(head.target.find_first_of(" \t") == std::string_view::npos);
}

void check_status_line(std::string_view line, const AnswerHead& head) {
  SLUICE_CHECK(head.status >= 100 && head.status <= 599);
  const std::string begin =
      "HTTP/1." + std::to_string(head.minor_version) + " " + std::to_string(head.status);
  SLUICE_CHECK(line.starts_with(begin));
  SLUICE_CHECK(trimmed(line.substr(begin.size())) == trimmed(head.reason));
}

// RFC 9112 2.2: one empty line is ignored before a start line.
std::string_view take_start_line(std::string_view& bytes) {
  const std::string_view line = take_line(bytes);
  return line.empty() ? take_line(bytes) : line;
}

void check_fields(std::string_view bytes, const Head& head) {
  SLUICE_CHECK(head.major_version == 1 && (head.minor_version == 0 || head.minor_version == 1));
  for (const HeaderField& field : head.fields) {
    const std::string_view line = take_line(bytes);
    const size_t colon = line.find(':');
    SLUICE_CHECK(colon != std::string_view::npos && is_token(line.substr(0, colon)));
    SLUICE_CHECK(field.name == line.substr(0, colon));
    SLUICE_CHECK(field.value == trimmed(line.substr(colon + 1)));
  }
  SLUICE_CHECK(take_line(bytes).empty() && bytes.empty());
}

const std::vector<std::string>& hop_by_hop() {
  static const std::vector<std::string> names = {"connection",
                                                 "keep-alive",
                                                 "proxy-connection",
                                                 "proxy-authorization",
                                                 "proxy-authenticate",
                                                 "te",
                                                 "trailer",
                                                 "transfer-encoding",
                                                 "upgrade",
                                                 "http2-settings"};
  return names;
}

bool is_one_of(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void check_accepted_head(std::string_view bytes, const RequestHead& head) {
  check_request_line(take_start_line(bytes), head);
  check_fields(bytes, head);
}

void check_accepted_head(std::string_view bytes, const AnswerHead& head) {
  check_status_line(take_start_line(bytes), head);
  check_fields(bytes, head);
}

std::vector<HeaderField> end_to_end_fields(const Head& head,
                                           std::initializer_list<std::string_view> also) {
  std::vector<std::string> dropped = hop_by_hop();
  dropped.emplace_back("content-length");
  for (const std::string_view name : also) dropped.push_back(lower(name));
  for (const std::string_view name : list_elements(head, "Connection")) {
    dropped.push_back(lower(name));
  }
  std::vector<HeaderField> kept;
  for (const HeaderField& field : head.fields) {
    const std::string name = lower(field.name);
    if (!is_one_of(dropped, name) && !name.starts_with("sec-websocket-")) kept.push_back(field);
  }
  return kept;
}

void check_same_fields(const std::vector<HeaderField>& a, const std::vector<HeaderField>& b) {
  SLUICE_CHECK(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    SLUICE_CHECK(a[i].name == b[i].name && a[i].value == b[i].value);
  }
}

void check_no_hop_by_hop(const Head& head, std::initializer_list<std::string_view> allowed) {
  for (const HeaderField& field : head.fields) {
    const std::string name = lower(field.name);
    if (name == "connection" || name == "upgrade") continue;
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) continue;
    SLUICE_CHECK(!is_one_of(hop_by_hop(), name) && name != "content-length");
  }
}

bool offer_permitted(std::string_view offer) {
  static const std::regex form(
      R"~(permessage-deflate([ \t]*;[ \t]*((server|client)_no_context_takeover)~"
      R"~(|server_max_window_bits[ \t]*=[ \t]*(8|9|1[0-5]|"(8|9|1[0-5])"))~"
      R"~(|client_max_window_bits([ \t]*=[ \t]*(8|9|1[0-5]|"(8|9|1[0-5])"))?))*)~");
  const std::string small = lower(trimmed(offer));
  if (small.size() > 500) return deflate_offer_valid(offer);  // std::regex recurses by the byte
  if (!std::regex_match(small, form)) return false;
  for (const char* name : {"server_no", "client_no", "server_max", "client_max"}) {
    const size_t first = small.find(name);
    if (first != std::string::npos && small.find(name, first + 1) != std::string::npos) {
      return false;
    }
  }
  return true;
}

HeadReading read_head(Http1Parser& parser, std::string_view bytes, uint8_t kind) {
  using Outcome = Http1Parser::Outcome;
  HeadReading reading;
  Cut cut(kind);
  while (!bytes.empty() && reading.outcome == Outcome::more) {
    const std::string piece(bytes.substr(0, cut.next(bytes.size())));
    const Http1Parser::Fed fed = parser.feed_head(piece);
    SLUICE_CHECK(fed.consumed <= piece.size());
    reading.outcome = fed.outcome;
    if (fed.outcome == Outcome::more) SLUICE_CHECK(fed.consumed == piece.size());
    reading.consumed += fed.consumed;
    bytes.remove_prefix(piece.size());
  }
  if (reading.outcome == Outcome::failed) {
    SLUICE_CHECK(parser.feed_head("\r\n").outcome == Outcome::failed);
    reading.status = parser.status();
    reading.reason = parser.reason();
    reading.consumed = 0;  // how far a refused head was looked at depends on the pieces
  }
  return reading;
}

}  // namespace sluice::fuzz
