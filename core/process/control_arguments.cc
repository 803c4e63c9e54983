// A mistyped word is answered with what may stand there.
#include "core/process/control_arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "core/conf/suggest.h"
#include "core/conf/values.h"
#include "net/address.h"
#include "net/printable.h"
#include "protocol/close_code.h"
#include "protocol/frame_codec.h"
#include "protocol/utf8.h"

namespace sluice {

namespace {

constexpr std::string_view blanks = " \t";
constexpr size_t most_quoted_bytes = 64;
constexpr size_t most_id_bytes = 64;  // three numbers have fewer digits

constexpr std::array<std::string_view, 3> part_words = {"upstream", "route", "listener"};
constexpr std::array<Part::Kind, 3> part_kinds = {Part::Kind::upstream, Part::Kind::route,
                                                  Part::Kind::listener};
constexpr std::array<std::string_view, 5> filter_words = {"upstream", "route", "client", "listener",
                                                          "id"};

std::string quoted(std::string_view word) {
  return "\"" + printable(word.substr(0, most_quoted_bytes)) + "\"";
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Where something else was to stand.
std::string unexpected(std::string_view word, std::string_view wanted) {
  return (word.empty() ? "a word is missing" : "not " + quoted(word)) + ": " + std::string(wanted);
}

// "/a/" is "/a", as in a conf; "=/a/" is itself.
std::string path_of(std::string_view word) {
  while (word.starts_with('/') && word.size() > 1 && word.ends_with('/')) word.remove_suffix(1);
  return std::string(word);
}

std::string read_part(std::string_view& words, NamedPart& part) {
  const std::string_view kind = take_word(words);
  const auto found = std::find(part_words.begin(), part_words.end(), kind);
  if (found == part_words.end()) {
    return unexpected(kind, "upstream NAME [server URI], route PATH or listener ADDRESS") +
           suggestion(kind.substr(0, most_quoted_bytes), part_words);
  }
  const std::string_view name = take_word(words);
  if (name.empty()) return std::string(kind) + " needs a name behind it";
  part.kind = part_kinds[static_cast<size_t>(found - part_words.begin())];
  part.name = part.kind == Part::Kind::route ? path_of(name) : std::string(name);
  if (part.kind != Part::Kind::upstream) return "";
  std::string_view rest = words;
  if (take_word(rest) != "server") return "";
  words = rest;
  part.server = take_word(words);
  if (part.server.empty()) return "server needs a URI behind it";
  part.kind = Part::Kind::server;
  return "";
}

// `name` is the word before it.
std::string read_time(std::string_view name, std::string_view word, uint64_t& value_ms) {
  if (word.empty()) return std::string(name) + " needs a time behind it, such as 30s";
  value_ms = 0;
  if (word == "0s" || word == "0ms" || word == "0") return "";
  try {
    const std::string text(word.substr(0, most_quoted_bytes));
    value_ms = time_ms(Word{text, text});
  } catch (const ConfProblem& problem) {
    return std::string(name) + ": " + problem.what;
  }
  return "";
}

template <class Number>
bool read_number(std::string_view word, Number& value) {
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, value);
  return error == std::errc() && rest == end;
}

// As sessions have it; false where it is none.
bool normalize_client(std::string& value) {
  if (value == "unix:") return true;
  std::string_view host = value;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (const Result<Address> alone = Address::from_ip(host, 0); alone.ok()) {
    value = alone.value().host_text();
    return true;
  }
  const Result<Address> whole = Address::parse(value);
  if (!whole.ok() || whole.value().is_unix() || whole.value().is_any()) return false;
  value = whole.value().text();
  return true;
}

std::string no_client(std::string_view value) {
  return quoted(value) +
         " is no client's address, as 192.0.2.7, 192.0.2.7:4711, ::1, [::1]:4711 and unix: are";
}

// "" where it may be one.
std::string wrong_id(std::string_view id) {
  if (id.size() <= most_id_bytes) return "";
  return quoted(id) + "... is longer than any session's id";
}

std::string read_filter(std::string_view kind, std::string_view& words, SessionFilter& filter) {
  const auto found = std::find(filter_words.begin(), filter_words.end(), kind);
  if (found == filter_words.end()) {
    return unexpected(kind,
                      "upstream NAME, route PATH, client ADDRESS, listener ADDRESS, id ID, "
                      "limit=N") +
           suggestion(kind.substr(0, most_quoted_bytes), filter_words);
  }
  if (filter.by != SessionFilter::By::all) {
    return "a second filter, " + quoted(kind) + ": sessions takes one";
  }
  const std::string_view value = take_word(words);
  if (value.empty()) return std::string(kind) + " needs a value behind it";
  filter.by = static_cast<SessionFilter::By>(found - filter_words.begin() + 1);
  filter.value = filter.by == SessionFilter::By::route ? path_of(value) : std::string(value);
  if (filter.by == SessionFilter::By::client && !normalize_client(filter.value)) {
    return no_client(value);
  }
  if (filter.by == SessionFilter::By::id) return wrong_id(value);
  return "";
}

// The first six are filters.
constexpr std::array<std::string_view, 9> trace_words = {
    "client", "route", "upstream", "listener", "host", "path", "count", "lines", "for"};
constexpr std::string_view trace_usage =
    "client=ADDRESS, route=PATH, upstream=NAME, listener=ADDRESS, host=NAME, path=PATH, count=N, "
    "lines=N, for=TIME";

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char each) {
    return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each;
  });
  return lower;
}

std::string read_count(std::string_view name, std::string_view word, uint32_t most,
                       uint32_t& value) {
  if (read_number(word, value) && value > 0 && value <= most) return "";
  return quoted(word) + " is no " + std::string(name) + ": " + std::string(name) +
         "=N with N from 1 to " + std::to_string(most);
}

// `which` is a place in trace_words.
std::string set_trace(size_t which, std::string_view value, TraceRequest& request) {
  const std::string_view name = trace_words[which];
  if (name == "count") {
    return read_count(name, value, TraceRequest::most_handshakes, request.handshakes);
  }
  if (name == "lines") return read_count(name, value, TraceRequest::most_lines, request.lines);
  if (name == "for") {
    std::string wrong = read_time(name, value, request.for_ms);
    return wrong.empty() && request.for_ms == 0 ? "for needs a time above 0" : wrong;
  }
  const std::array<std::string*, 6> filters = {&request.client,   &request.route, &request.upstream,
                                               &request.listener, &request.host,  &request.path};
  std::string& filter = *filters[which];
  if (!filter.empty()) return "a second " + std::string(name);
  filter = name == "route" || name == "path" ? path_of(value) : std::string(value);
  if (name == "host") filter = lower_case(value);
  if (name == "client" && !normalize_client(filter)) return no_client(value);
  return "";
}

}  // namespace

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, std::min(line.find_first_of(blanks), line.size()));
  line.remove_prefix(word.size());
  return word;
}

std::string text_of(const NamedPart& part) {
  switch (part.kind) {
    case Part::Kind::everything:
      break;
    case Part::Kind::upstream:
      return "upstream " + part.name;
    case Part::Kind::server:
      return "upstream " + part.name + " server " + part.server;
    case Part::Kind::route:
      return "route " + part.name;
    case Part::Kind::listener:
      return "listener " + part.name;
  }
  return "everything";
}

std::string read_drain(std::string_view words, DrainRequest& request) {
  if (const std::string wrong = read_part(words, request.part); !wrong.empty()) return wrong;
  const std::string_view over = take_word(words);
  if (over.empty()) return "";
  if (over != "over") return unexpected(over, "over TIME, or nothing");
  uint64_t value_ms = 0;
  const std::string wrong = read_time(over, take_word(words), value_ms);
  if (!wrong.empty()) return wrong;
  request.over_ms = value_ms;
  const std::string_view more = take_word(words);
  return more.empty() ? "" : unexpected(more, "nothing stands behind the time");
}

std::string read_undrain(std::string_view words, NamedPart& part) {
  if (const std::string wrong = read_part(words, part); !wrong.empty()) return wrong;
  const std::string_view more = take_word(words);
  return more.empty() ? "" : unexpected(more, "nothing stands behind the part");
}

std::string read_sessions(std::string_view words, SessionsRequest& request) {
  constexpr std::string_view limit = "limit=";
  for (std::string_view word = take_word(words); !word.empty(); word = take_word(words)) {
    if (word.starts_with(limit)) {
      const std::string_view number = word.substr(limit.size());
      if (read_number(number, request.limit) && request.limit <= SessionsRequest::most_limit) {
        continue;
      }
      return quoted(word) + " is no limit: limit=N with N from 0 to " +
             std::to_string(SessionsRequest::most_limit);
    }
    const std::string wrong = read_filter(word, words, request.filter);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// `client ADDRESS`, as sessions has it, or `client=ADDRESS`.
std::string read_trace(std::string_view words, TraceRequest& request) {
  for (std::string_view word = take_word(words); !word.empty(); word = take_word(words)) {
    const size_t equals = word.find('=');
    const bool joined = equals != std::string_view::npos;
    const std::string_view name = word.substr(0, equals);
    const auto found = std::find(trace_words.begin(), trace_words.end(), name);
    if (found == trace_words.end()) {
      return unexpected(word, trace_usage) +
             suggestion(name.substr(0, most_quoted_bytes), trace_words);
    }
    const std::string_view value = joined ? word.substr(equals + 1) : take_word(words);
    if (value.empty()) return std::string(name) + " needs a value behind it";
    std::string wrong = set_trace(static_cast<size_t>(found - trace_words.begin()), value, request);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string read_close(std::string_view words, CloseRequest& request) {
  request.id = take_word(words);
  if (request.id.empty()) return "close needs a session's id, as the list of sessions has it";
  if (std::string wrong = wrong_id(request.id); !wrong.empty()) return wrong;
  std::string_view rest = words;
  const std::string_view code = take_word(rest);
  if (code.empty()) return "";
  if (!read_number(code, request.code) || !close_code_allowed_on_wire(request.code)) {
    return quoted(code) +
           " may not stand in a Close; codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999";
  }
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  rest.remove_suffix(rest.size() - std::min(rest.find_last_not_of(blanks) + 1, rest.size()));
  if (rest.size() > max_close_reason_bytes) {
    return "the reason has " + std::to_string(rest.size()) + " bytes; a Close has room for " +
           std::to_string(max_close_reason_bytes);
  }
  if (const size_t whole = utf8_whole_bytes(bytes_of(rest)); whole < rest.size()) {
    return "the reason is no UTF-8 from its byte " + std::to_string(whole + 1) +
           " on; a Close takes nothing else";
  }
  request.reason = rest;
  return "";
}

}  // namespace sluice
