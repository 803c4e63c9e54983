// Setters of global directives and of those that concern what is passed on (headers, limits).
#include "core/conf/setters.h"

#include <algorithm>
#include <bit>

#include "core/conf/variables.h"
#include "core/observe/limit_text.h"
#include "protocol/close_code.h"
#include "protocol/end_to_end.h"
#include "protocol/handshake.h"
#include "protocol/http1.h"

namespace sluice::setters {

namespace {

// Header fields that sluice answers for itself.
void check_header_free(const Word& word) {
  check_header_name(word);
  if (equals_ignoring_case(word.value, "Host")) {
    throw ConfProblem{"Host is chosen with the directive \"host\""};
  }
  if (header_is_reserved(word.value)) {
    throw ConfProblem{quoted(word.text) + " belongs to the handshake and cannot be changed"};
  }
}

// The same in answers.
void check_answer_header_free(const Word& word) {
  check_header_name(word);
  if (header_is_reserved(word.value) || is_hop_by_hop(word.value)) {
    throw ConfProblem{
        quoted(word.text) +
        " belongs to the handshake, the body or one connection and cannot be changed"};
  }
}

// Warns of variables in the notation of HAProxy and Caddy, which are sent as plain text.
void warn_of_foreign_variables(const SetterCall& call, const Word& word) {
  for (const std::string_view mark : {"%[", "{http.", "{remote", "{client_ip}", "{host}"}) {
    if (word.text.find(mark) == std::string::npos) continue;
    call.warn(quoted(word.text) +
              " is sent as it stands; variables are written $remote_addr, $host, $http_NAME");
    return;
  }
}

[[noreturn]] void refuse_second(const SetterCall& call, const Word& word) {
  throw ConfProblem{quoted(word.text) + " is already given " +
                    (call.section.kind() == Section::top ? "at the top" : "in this section")};
}

// "NAME VALUE", into the section's list.
void add_setting(const SetterCall& call, std::vector<HeaderSetting>& headers) {
  const Word& name = call.word(1);
  if (!header_value_valid(call.word(2).value)) {
    throw ConfProblem{"the value " + quoted(call.word(2).text) + " holds a control byte"};
  }
  for (const HeaderSetting& known : headers) {
    if (equals_ignoring_case(known.name, name.value)) refuse_second(call, name);
  }
  warn_of_foreign_variables(call, call.word(2));
  headers.push_back({name.value, compile_header_value(call.word(2))});
}

// The first argument, into the section's list.
void add_name(const SetterCall& call, std::vector<std::string>& names) {
  const Word& name = call.word(1);
  for (const std::string& known : names) {
    if (equals_ignoring_case(known, name.value)) refuse_second(call, name);
  }
  names.push_back(name.value);
}

}  // namespace

void check_header_name(const Word& word) {
  if (!is_token(word.value)) {
    throw ConfProblem{quoted(word.text) + " is not a header's name; it has no blanks and no colon"};
  }
}

void workers(const SetterCall& call) {
  const Word& word = call.word(1);
  call.draft.config.workers =
      word.value == "auto" ? 0
                           : or_else(", or auto", [&] { return number(word, 1, most_workers); });
}

void user(const SetterCall& call) {
  const Word& word = call.word(1);
  if (!call.draft.inputs.user_id(word.value)) {
    throw ConfProblem{"there is no user " + quoted(word.text) + " on this machine"};
  }
  call.draft.config.user = word.value;
}

void splice(const SetterCall& call) {
  call.draft.config.splice = switch_on(call.word(1));
}

void sandbox(const SetterCall& call) {
  call.draft.config.sandbox = switch_on(call.word(1));
}

void worker_timeout(const SetterCall& call) {
  constexpr uint32_t least_ms = 1'000;  // a turn may well take a part of it
  const uint32_t value_ms = time_ms_or_off(call.word(1));
  if (value_ms > 0 && value_ms < least_ms) {
    throw ConfProblem{quoted(call.word(1).text) + " is out of range: 1s to 576h, or off"};
  }
  call.draft.config.worker_timeout_ms = value_ms;
}

void drain_timeout(const SetterCall& call) {
  call.draft.config.drain_timeout_ms = time_ms_or_off(call.word(1));
}

void drain_code(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value != "1001" && word.value != "1012") {
    throw ConfProblem{quoted(word.text) +
                      " is neither 1001 (going away) nor 1012 (service restart)"};
  }
  call.draft.config.drain_code = word.value == "1001" ? 1001 : 1012;
}

void ring_size(const SetterCall& call) {
  const uint64_t bytes = size_bytes(call.word(1), 16 << 10, 16 << 20);
  if (!std::has_single_bit(bytes)) {
    throw ConfProblem{quoted(call.word(1).text) + " is not a power of two; near it are " +
                      size_text(std::bit_floor(bytes)) + " and " + size_text(std::bit_ceil(bytes))};
  }
  call.draft.config.ring_bytes = static_cast<uint32_t>(bytes);
}

void buffer_memory(const SetterCall& call) {
  const bool automatic = call.word(1).text == "auto";
  call.draft.config.buffer_memory_bytes =
      automatic ? 0 : size_bytes(call.word(1), 1 << 20, uint64_t{1} << 40);
}

void worker_connections(const SetterCall& call) {
  call.draft.config.worker_connections = number(call.word(1), 1, 1'000'000);
}

void include(const SetterCall& call) {
  if (call.word(1).value.empty()) throw ConfProblem{"the file's name is empty"};
  call.draft.include = call.word(1);
}

void host(const SetterCall& call) {
  const Word& word = call.word(1);
  HostSetting& setting = call.section.settings.host;
  if (word.value == "client") {
    setting = {HostPolicy::client, ""};
  } else if (word.value == "server") {
    setting = {HostPolicy::server, ""};
  } else if (word.value.find('$') != std::string::npos) {
    throw ConfProblem{quoted(word.text) +
                      ": there are no variables here; `host client` passes the "
                      "client's Host on, `host server` is the server URI's"};
  } else if (parse_authority(word.value).ok()) {
    setting = {HostPolicy::fixed, word.value};
  } else {
    throw ConfProblem{quoted(word.text) + " is neither client nor server nor a host's name"};
  }
}

void set_header(const SetterCall& call) {
  check_header_free(call.word(1));
  add_setting(call, call.section.set_headers);
}

void set_response_header(const SetterCall& call) {
  check_answer_header_free(call.word(1));
  add_setting(call, call.section.set_answer_headers);
}

void remove_response_header(const SetterCall& call) {
  check_answer_header_free(call.word(1));
  add_name(call, call.section.remove_answer_headers);
}

void remove_header(const SetterCall& call) {
  check_header_free(call.word(1));
  add_name(call, call.section.remove_headers);
}

void keep_header(const SetterCall& call) {
  const Word& name = call.word(1);
  check_header_free(name);
  if (is_hop_by_hop(name.value)) {
    throw ConfProblem{quoted(name.text) + " concerns one connection only and cannot be kept"};
  }
  add_name(call, call.section.keep_headers);
}

void subprotocols(const SetterCall& call) {
  std::vector<std::string> names;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    // RFC 6455 4.1: a subprotocol is a token, as a header's name is.
    if (!is_token(word.value)) {
      throw ConfProblem{quoted(word.text) +
                        " is not a subprotocol's name; several are separated by blanks"};
    }
    if (std::find(names.begin(), names.end(), word.value) != names.end()) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
    names.push_back(word.value);
  }
  call.section.settings.subprotocols = std::move(names);
}

void lost_close_code(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value == "off") {
    call.section.settings.lost_close_code = 0;
    return;
  }
  call.section.settings.lost_close_code = close_code(word, ", or off");
}

void max_message_size(const SetterCall& call) {
  const Word& word = call.word(1);
  call.section.settings.max_message_bytes = word.value == "off" ? 0 : or_else(", or off", [&] {
    return size_bytes(word, 1, uint64_t{1} << 40);
  });
}

void max_body_size(const SetterCall& call) {
  const Word& word = call.word(1);
  call.section.settings.max_body_bytes =
      word.value == "off"
          ? UINT64_MAX
          : or_else(", or off", [&] { return size_bytes(word, 1, uint64_t{1} << 40); });
}

void keepalive_requests(const SetterCall& call) {
  call.section.settings.keepalive_requests = number_or_off(call.word(1), 1, 1'000'000);
}

void upstream_keepalive(const SetterCall& call) {
  call.section.settings.keepalive = number_or_off(call.word(1), 1, 100'000);
}

void max_header_fields(const SetterCall& call) {
  constexpr uint32_t least = 5;  // what a WebSocket handshake needs
  call.section.settings.max_header_fields = number_or_off(call.word(1), least, 1'000'000);
}

void max_small_fragments(const SetterCall& call) {
  call.section.settings.max_small_fragments = number_or_off(call.word(1), 1, 1'000'000);
}

void control_frame_rate(const SetterCall& call) {
  RateLimit limit;
  limit.a_second = number_or_off(call.word(1), 1, RateLimit::most);
  if (limit.a_second == 0 && call.arguments() > 1) throw ConfProblem{"off takes no burst"};
  limit.burst = std::min(10 * limit.a_second, RateLimit::most);
  if (call.arguments() > 1) limit.burst = named_number(call.word(2), "burst", 1, RateLimit::most);
  call.section.settings.control_frame_rate = limit;
}

}  // namespace sluice::setters
