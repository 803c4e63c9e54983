// Strangers are not let in, but a mistyped word is answered with what was meant.
#include "core/process/control_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/conf/suggest.h"
#include "core/observe/json.h"
#include "net/printable.h"

namespace sluice {

namespace {

std::string known_commands() {
  std::string text;
  for (const std::string_view word : control_words) {
    text += text.empty() ? "" : ", ";
    text += word;
  }
  return text;
}

// "" where they are as the command wants them.
std::string read_arguments(ControlCommand command, std::string_view words,
                           ControlRequest& request) {
  switch (command) {
    case ControlCommand::drain:
      return read_drain(words, request.drain);
    case ControlCommand::undrain:
      return read_undrain(words, request.undrain);
    case ControlCommand::sessions:
      return read_sessions(words, request.sessions);
    case ControlCommand::close:
      return read_close(words, request.close);
    case ControlCommand::trace:
      return read_trace(words, request.trace);
    default:
      break;
  }
  const std::string_view argument = take_word(words);
  return argument.empty() ? "" : "it takes no argument, not \"" + printable(argument) + "\"";
}

// `room` is how many bytes of the line are left for them.
Json told(const std::vector<std::string>& texts, size_t& room) {
  Json told = Json::array();
  size_t untold = 0;
  for (const std::string& text : texts) {
    const size_t bytes = line_of(text).size() + 1;  // with a comma
    if (bytes > room) {
      ++untold;
    } else {
      room -= bytes;
      told.push_back(text);
    }
  }
  if (untold > 0) told.push_back(std::to_string(untold) + " more, which the error log tells");
  return told;
}

// False where there is such a member, and it is no list of texts.
bool read_texts(const Json& answer, const char* name, std::vector<std::string>& texts) {
  const auto found = answer.find(name);
  if (found == answer.end()) return true;
  if (!found->is_array()) return false;
  for (const Json& each : *found) {
    const auto* const text = each.get_ptr<const std::string*>();
    if (text == nullptr) return false;
    texts.push_back(*text);
  }
  return true;
}

}  // namespace

ControlRequest parse_control_request(std::string_view line) {
  ControlRequest request;
  const std::string_view word = take_word(line);
  if (word.empty()) {
    request.wrong = "an empty line; commands are " + known_commands();
    return request;
  }
  const auto found = std::find(control_words.begin(), control_words.end(), word);
  if (found == control_words.end()) {
    const std::string near = suggestion(word.substr(0, 32), control_words);
    request.wrong = "unknown command \"" + printable(word) + "\"" +
                    (near.empty() ? "; commands are " + known_commands() : near);
    return request;
  }
  const auto command = static_cast<ControlCommand>(found - control_words.begin());
  request.wrong = read_arguments(command, line, request);
  if (request.wrong.empty()) {
    request.command = command;
  } else {
    request.wrong.insert(0, std::string(word) + ": ");
  }
  return request;
}

std::optional<std::string> ControlLines::next() {
  const size_t end = bytes_.find('\n');
  oversize_ = oversize_ || std::min(end, bytes_.size()) > most_line_bytes;
  if (oversize_ || end == std::string::npos) return std::nullopt;
  std::string line = bytes_.substr(0, end);
  bytes_.erase(0, end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::optional<std::string> ControlLines::last() {
  if (std::optional<std::string> line = next()) return line;
  if (oversize_ || bytes_.empty()) return std::nullopt;
  return std::exchange(bytes_, {});
}

std::string text_of(const ControlAnswer& answer) {
  size_t room = most_answer_bytes;
  Json json;
  json["ok"] = answer.ok;
  if (!answer.ok) json["errors"] = told(answer.errors, room);
  if (!answer.warnings.empty()) json["warnings"] = told(answer.warnings, room);
  return line_of(json) + "\n";
}

std::optional<ControlAnswer> parse_control_answer(std::string_view line) {
  if (line.size() > most_answer_line_bytes) return std::nullopt;
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto ok = json.find("ok");
  if (ok == json.end() || !ok->is_boolean()) return std::nullopt;
  ControlAnswer answer{ok->get<bool>()};
  if (!read_texts(json, "errors", answer.errors)) return std::nullopt;
  if (!read_texts(json, "warnings", answer.warnings)) return std::nullopt;
  return answer;
}

}  // namespace sluice
