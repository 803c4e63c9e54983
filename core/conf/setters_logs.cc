// Setters of what is written: logs, how their lines look, and the pid file.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/conf/expand.h"
#include "core/conf/foreign.h"
#include "core/conf/setters.h"
#include "core/conf/suggest.h"
#include "core/observe/log.h"
#include "protocol/ascii.h"

namespace sluice::setters {

namespace {

constexpr std::array<std::string_view, 5> level_names = {"debug", "info", "notice", "warn",
                                                         "error"};
constexpr uint16_t syslog_port = 514;

bool is_level(std::string_view text) {
  return std::find(level_names.begin(), level_names.end(), text) != level_names.end();
}

LogLevel level_of(const Word& word) {
  const auto found = std::find(level_names.begin(), level_names.end(), word.value);
  if (found == level_names.end()) {
    static constexpr std::array<std::string_view, 6> words = {"debug", "info",  "notice",
                                                              "warn",  "error", "json"};
    throw ConfProblem{quoted(word.text) + " is not a level (debug, info, notice, warn, error)" +
                      (word.expanded() ? "" : suggestion(word.value, words))};
  }
  return static_cast<LogLevel>(found - level_names.begin());
}

// `sluice -t` asks whether a start could open it, and leaves nothing behind.
void check_writable(const SetterCall& call, const std::string& path) {
  if (!call.draft.options.open_files) return;
  const int error = call.draft.inputs.writable(path);
  if (error == 0) return;
  throw ConfProblem{quoted(call.word(1).text) + " cannot be opened: " + std::strerror(error)};
}

bool is_switch(const std::string& text) {
  static constexpr std::array<std::string_view, 6> words = {"on", "yes",   "true",
                                                            "no", "false", "none"};
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Refuses words that are likely meant as something else than a file's name.
void refuse_log_habits(const SetterCall& call) {
  const Word& word = call.word(1);
  const std::string directive = call.statement.words[0].value;
  const std::string file = "; a file of that name is ./" + word.text;
  if (is_level(word.value)) {
    throw ConfProblem{
        quoted(word.text) + " is a level, not a place; write " +
        (directive == "error_log" ? "error_log stderr " + word.text : "access_log stdout") + file};
  }
  if (is_switch(word.value)) {
    throw ConfProblem{quoted(word.text) + " is not a place; write " + directive +
                      " stderr, stdout, off or a file's name" + file};
  }
}

[[noreturn]] void refuse_syslog(const SetterCall& call, const std::string& why) {
  throw ConfProblem{quoted(call.word(1).text) + why +
                    "; write syslog:unix:/dev/log or syslog:udp:127.0.0.1:514"};
}

// Of "unix:/dev/log", "udp:127.0.0.1:514", "udp:[::1]" and the like.
Address syslog_address(const SetterCall& call, std::string_view text) {
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(std::string_view("unix:").size());
    if (!path.starts_with('/')) refuse_syslog(call, ": the socket's path does not begin with /");
    const Result<Address> address = Address::from_unix_path(path);
    if (!address.ok()) refuse_syslog(call, ": " + address.fault().text());
    return address.value();
  }
  if (!text.starts_with("udp:")) refuse_syslog(call, " names neither unix:PATH nor udp:IP:PORT");
  text.remove_prefix(std::string_view("udp:").size());
  const bool bracketed = text.starts_with('[') && text.ends_with(']');
  Result<Address> address =
      Address::from_ip(bracketed ? text.substr(1, text.size() - 2) : text, syslog_port);
  if (!address.ok() && text.find(':') != std::string_view::npos && !text.starts_with("unix:")) {
    address = Address::parse(text);
  }
  if (!address.ok() || address.value().port() == 0) {
    refuse_syslog(call, ": behind udp: stands an IP address with a port");
  }
  return address.value();
}

std::string tag_of(const Word& word, const std::string& tag) {
  const bool printable =
      std::all_of(tag.begin(), tag.end(), [](char byte) { return byte > 0x20 && byte < 0x7f; });
  if (printable && !tag.empty() && tag.size() <= SyslogTarget::most_tag_bytes) return tag;
  throw ConfProblem{quoted(word.text) + " is not tag=NAME, a name of 1 to " +
                    std::to_string(SyslogTarget::most_tag_bytes) +
                    " printable characters without blanks"};
}

uint8_t facility_of(const Word& word, const std::string& name) {
  const std::span<const std::string_view> names = syslog_facility_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<uint8_t>(found - names.begin());
  throw ConfProblem{quoted(word.text) + " is not facility=NAME, with a name of syslog.conf(5) as " +
                    "in facility=daemon or facility=local7" +
                    (word.expanded() ? "" : suggestion(name, names))};
}

// facility= and tag=, which only syslog has.
void take_option(LogTarget& target, const Word& word) {
  const size_t equals = word.value.find('=');
  const std::string name = word.value.substr(0, equals);
  const std::string value = word.value.substr(equals + 1);
  if (name != "facility" && name != "tag") {
    static constexpr std::array<std::string_view, 2> names = {"facility", "tag"};
    throw ConfProblem{quoted(word.text) + " is neither facility=NAME nor tag=NAME" +
                      (word.expanded() ? "" : suggestion(name, names))};
  }
  if (!target.syslog) {
    throw ConfProblem{quoted(word.text) + " is for syslog alone, as in syslog:unix:/dev/log " +
                      word.text};
  }
  if (name == "facility") {
    target.syslog->facility = facility_of(word, value);
  } else {
    target.syslog->tag = tag_of(word, value);
  }
}

// What the first argument names.
void take_place(const SetterCall& call, LogTarget& target) {
  constexpr std::string_view syslog = "syslog:";
  const Word& word = call.word(1);
  target.path = word.value;
  target.syslog.reset();
  if (word.value == "off" || stream_of(word.value) >= 0) return;
  if (word.value.empty()) throw ConfProblem{"the file's name is empty"};
  if (word.value.starts_with(syslog)) {
    const std::string ours = syslog_of_nginx(word.text);
    if (!ours.empty()) {
      throw ConfProblem{quoted(word.text) + " of nginx; here it is " +
                        call.statement.words[0].value + " " + ours};
    }
    target.syslog.emplace();
    target.syslog->address =
        syslog_address(call, std::string_view(word.value).substr(syslog.size()));
    return;
  }
  refuse_log_habits(call);
  target.path = resolve_path(call.statement.folder, word.value);
  check_writable(call, target.path);
}

// A field of nginx or HAProxy, by ours.
std::string_view field_of_others(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> others[] = {
      {"remote_addr", "client"},
      {"remote_port", "client"},
      {"connection", "id"},
      {"server_addr", "listener"},
      {"request", "target"},
      {"request_uri", "target"},
      {"uri", "target"},
      {"path", "target"},
      {"http_host", "host"},
      {"http_origin", "origin"},
      {"http_user_agent", "user_agent"},
      {"http_x_forwarded_for", "forwarded_for"},
      {"x_forwarded_for", "forwarded_for"},
      {"proxy_add_x_forwarded_for", "forwarded_for"},
      {"http_x_request_id", "request_id"},
      {"request_time", "duration"},
      {"session_time", "duration"},
      {"bytes_sent", "upstream_bytes"},
      {"body_bytes_sent", "upstream_bytes"},
      {"bytes_received", "client_bytes"},
      {"request_length", "client_bytes"},
      {"upstream_addr", "peer"},
      {"server", "peer"},
      {"backend", "upstream"},
      {"retries", "tries"},
      {"upstream_connect_time", "connect_time"},
      {"ssl_protocol", "tls_version"},
      {"ssl_cipher", "tls_cipher"},
      {"ssl_server_name", "tls_name"},
      {"sni", "tls_name"},
      {"ssl_client_s_dn", "tls_client_subject"},
      {"termination_state", "reason"},
  };
  for (const auto& [theirs, ours] : others) {
    if (theirs == name) return ours;
  }
  return "";
}

[[noreturn]] void refuse_field(const Word& word) {
  std::string name = lower_case(word.value);
  std::replace(name.begin(), name.end(), '-', '_');
  if (name.starts_with('$')) name.erase(0, 1);
  if (name == "time" || name == "event" || name == "time_iso8601" || name == "time_local") {
    throw ConfProblem{quoted(word.text) + ": each line begins with its time and event anyway"};
  }
  const std::span<const std::string_view> names = log_field_names();
  std::string_view meant = log_field_named(name) ? std::string_view(name) : field_of_others(name);
  if (meant.empty()) meant = nearest(name, names);
  std::string wrong = quoted(word.text) + " is no field";
  if (word.expanded() || meant.empty()) {
    wrong += "; there are";
    for (const std::string_view each : names) {
      wrong.append(each == names.front() ? " " : ", ").append(each);
    }
  } else {
    wrong.append(", did you mean \"").append(meant).append("\"?");
  }
  throw ConfProblem{wrong};
}

void check_format_name(const Word& word) {
  const bool plain = std::all_of(word.value.begin(), word.value.end(), [](char byte) {
    const char letter = lower_case(byte);
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
           byte == '-' || byte == '.';
  });
  if (word.value.empty() || !plain) {
    throw ConfProblem{quoted(word.text) +
                      " is not a name for a format; it has letters, digits, _, - and . alone"};
  }
  if (word.value == "text" || word.value == "json") {
    throw ConfProblem{quoted(word.text) + " is built in; give this one another name"};
  }
}

LogForm form_of(const Word& word) {
  if (word.value == "text") return LogForm::text;
  if (word.value == "json") return LogForm::json;
  throw ConfProblem{quoted(word.text) +
                    " is neither text nor json; behind the name comes one of them, then fields"};
}

}  // namespace

void error_log(const SetterCall& call) {
  LogTarget target = call.draft.config.error_log;
  target.format = {};
  take_place(call, target);
  bool level_given = false;
  bool form_given = false;
  for (size_t n = 2; n <= call.arguments(); ++n) {
    const Word& word = call.word(n);
    const bool is_form = word.value == "json" || word.value == "text";
    // Not find(): with LTO g++ 12 warns here of a size that no word has.
    if (std::count(word.value.begin(), word.value.end(), '=') > 0) {
      take_option(target, word);
      continue;
    }
    const LogLevel level = is_form ? target.level : level_of(word);
    if (std::exchange(is_form ? form_given : level_given, true)) {
      throw ConfProblem{quoted(word.text) + (is_form ? ": its form" : ": a level") +
                        " is given already"};
    }
    target.level = level;
    if (is_form) target.format.form = form_of(word);
  }
  call.draft.config.error_log = target;
}

// The format may stand behind this line: resolve_logs() looks for it.
void access_log(const SetterCall& call) {
  LogTarget target;
  take_place(call, target);
  std::optional<LogFormatUse> format;
  for (size_t n = 2; n <= call.arguments(); ++n) {
    const Word& word = call.word(n);
    if (word.value.find('=') != std::string::npos) {
      take_option(target, word);
    } else if (format) {
      throw ConfProblem{quoted(word.text) + ": the format is given already, " +
                        quoted(format->name.text)};
    } else {
      format.emplace(LogFormatUse{word, call.statement.place});
    }
  }
  call.draft.config.access_log = target;
  call.draft.access_format = format;
}

void log_format(const SetterCall& call) {
  const Word& name = call.word(1);
  check_format_name(name);
  if (call.draft.log_formats.count(name.value) > 0) {
    throw ConfProblem{quoted(name.text) + " is already given " +
                      seen_from(call.statement.place, call.draft.log_formats.at(name.value).place)};
  }
  // Where a field is wrong, the name is known all the same.
  LogFormat& format =
      call.draft.log_formats.emplace(name.value, LogFormatDraft{name, {}, call.statement.place})
          .first->second.format;
  format.form = form_of(call.word(2));
  LogFields given;
  for (size_t n = 3; n <= call.arguments(); ++n) {
    const Word& word = call.word(n);
    const std::optional<LogField> field = log_field_named(word.value);
    if (!field) refuse_field(word);
    if (given.has(*field)) throw ConfProblem{quoted(word.text) + " is named twice"};
    given.add(*field);
    format.fields.push_back(*field);
  }
}

void max_log_value_size(const SetterCall& call) {
  call.draft.log_value_bytes =
      static_cast<uint32_t>(size_bytes(call.word(1), least_log_value_bytes, most_log_value_bytes));
}

void log_query(const SetterCall& call) {
  call.draft.config.log_query = switch_on(call.word(1));
}

void log_mask(const SetterCall& call) {
  std::vector<std::string> names;
  for (size_t n = 1; n <= call.arguments(); ++n) {
    const Word& word = call.word(n);
    if (word.value == "off") {
      if (call.arguments() == 1) break;
      throw ConfProblem{"off stands alone"};
    }
    std::string_view rest = word.value;
    for (bool more = true; more;) {
      const size_t end = std::min(rest.find(','), rest.size());
      const std::string_view name = rest.substr(0, end);
      more = end < rest.size();
      if (name.empty() || name.find_first_of("&=;?# ") != std::string_view::npos) {
        throw ConfProblem{quoted(word.text) +
                          " is not off or names of query parameters, as in token,api_key"};
      }
      names.push_back(lower_case(name));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  call.draft.config.masked_parameters = std::move(names);
  call.draft.log_mask_at = call.statement.place;
}

void pid_file(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value.empty()) throw ConfProblem{"the file's name is empty"};
  if (word.value == "off" || is_switch(word.value)) {
    throw ConfProblem{quoted(word.text) + " is not a file; without this line there is none" +
                      "; a file of that name is ./" + word.text};
  }
  const std::string path = resolve_path(call.statement.folder, word.value);
  check_writable(call, path);
  call.draft.config.pid_file = path;
}

}  // namespace sluice::setters
