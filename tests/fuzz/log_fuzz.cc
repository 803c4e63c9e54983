// Lines of the logs: whatever strangers put into a session's facts, a line in JSON is strict JSON
// in ASCII with each field once, a line of text is one line of printable ASCII, no value is longer
// than the format has it, and no masked parameter's value is seen.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/observe/access_log.h"
#include "core/observe/line_text.h"
#include "core/observe/query_mask.h"
#include "core/process/log_handover.h"
#include "net/check.h"
#include "protocol/utf8.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

bool is_utf8(std::string_view text) {
  return utf8_whole_bytes(bytes_of(text)) == text.size();
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return byte >= 0x20 && byte < 0x7f; });
}

// The object that the text is; strictly, and without a name twice.
nlohmann::json strict_object(const std::string& text) {
  std::vector<std::string> names;
  const auto note = [&names](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::key) names.push_back(parsed.get<std::string>());
    return true;
  };
  nlohmann::json object = nlohmann::json::parse(text, note, /*allow_exceptions=*/false);
  SLUICE_CHECK(object.is_object());
  SLUICE_CHECK(object.size() == names.size());
  return object;
}

constexpr std::string SessionRecord::*texts[] = {&SessionRecord::id,
                                                 &SessionRecord::client,
                                                 &SessionRecord::host,
                                                 &SessionRecord::target,
                                                 &SessionRecord::reason,
                                                 &SessionRecord::detail,
                                                 &SessionRecord::listener,
                                                 &SessionRecord::upstream,
                                                 &SessionRecord::peers_tried,
                                                 &SessionRecord::origin,
                                                 &SessionRecord::user_agent,
                                                 &SessionRecord::forwarded_for,
                                                 &SessionRecord::request_id,
                                                 &SessionRecord::tls_version,
                                                 &SessionRecord::tls_cipher,
                                                 &SessionRecord::tls_name,
                                                 &SessionRecord::tls_client_subject};

// Each text is the one of the input up to the next line feed; the last one is all the rest.
SessionRecord record_of(Input& input, std::string& storage) {
  SessionRecord record;
  record.status = input.byte();
  record.duration_ms = record.from_client.bytes = uint64_t{input.byte()} << 40;
  record.client_rtt_us = input.byte();
  record.closed_by = static_cast<Party>(input.byte() & 3);
  record.code = record.client_closes.got = input.byte();
  record.handshake_ms = input.byte() == 0 ? SessionRecord::no_ms : 7;
  storage = text_of(input.rest());
  std::string_view rest = storage;
  for (const auto text : texts) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    record.*text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  record.route = record.peer = record.subprotocol = rest;
  return record;
}

void check_json(const LogFormat& format, SessionEvent event, const SessionRecord& record) {
  const std::string line = "{" + access_line(format, event, record);
  SLUICE_CHECK(is_printable(line));
  const nlohmann::json object = strict_object(line);
  SLUICE_CHECK(object.contains("event"));
  if (format.most_value_bytes == 0 && object.contains("user_agent") && is_utf8(record.user_agent)) {
    SLUICE_CHECK(object["user_agent"] == record.user_agent);
  }
}

// `name=value` again and again, where a value is plain or quoted.
void check_text(const std::string& line) {
  SLUICE_CHECK(is_printable(line));
  std::string_view rest = line;
  rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  while (!rest.empty()) {
    SLUICE_CHECK(rest.front() == ' ');
    const size_t equals = rest.find('=');
    SLUICE_CHECK(equals != std::string_view::npos);
    SLUICE_CHECK(log_field_named(rest.substr(1, equals - 1)).has_value());
    rest.remove_prefix(equals + 1);
    size_t end = std::min(rest.find(' '), rest.size());
    if (rest.starts_with('"')) {
      for (end = 1; rest.at(end) != '"'; ++end) end += rest.at(end) == '\\';
      ++end;
    }
    rest.remove_prefix(end);
  }
}

// The query that is logged holds no value of a parameter named "token".
void check_mask(std::string_view query) {
  const std::vector<std::string> names = {"token"};
  const std::string once = with_masked_query(query, names);
  SLUICE_CHECK(with_masked_query(once, names) == once);
  const std::string told = with_masked_query("?token=hunter2&" + std::string(query), names);
  SLUICE_CHECK(told.starts_with("?token=***&"));
  const std::string behind = with_masked_query(std::string(query) + "?token=hunter2", names);
  SLUICE_CHECK(behind.ends_with("?token=***"));
}

void run(const uint8_t* data, size_t size) {
  Input input(data, size);
  LogFormat format;
  const uint8_t kind = input.byte();
  format.most_value_bytes = (kind & 1) != 0 ? least_log_value_bytes : 0;
  if ((kind & 2) != 0) {
    for (size_t i = 0; i < log_field_names().size(); ++i) {
      format.fields.push_back(static_cast<LogField>(i));
    }
  }
  std::string storage;
  const SessionRecord record = record_of(input, storage);
  for (const SessionEvent event :
       {SessionEvent::open, SessionEvent::close, SessionEvent::refused}) {
    format.form = LogForm::json;
    check_json(format, event, record);
    format.form = LogForm::text;
    check_text(access_line(format, event, record));
  }
  for (const size_t most : {size_t{0}, size_t{7}, size_t{64}}) {
    std::string text;
    append_json_text(text, storage, most);
    SLUICE_CHECK(is_printable(text) && text.size() <= most + 2 + cut_mark.size());
    SLUICE_CHECK(nlohmann::json::accept(text));
  }
  check_mask(storage);
  // What is no handover of ours is refused, and what is taken is one.
  if (const auto logs = unpacked_logs(bytes_of(storage))) {
    SLUICE_CHECK(unpacked_logs(packed(*logs)).has_value());
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(data, size);
  return 0;
}
