// What is said on the control socket: requests, a line each, of which the first word is a command;
// and answers, a line of JSON each. Texts only, no descriptor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/process/control_arguments.h"

namespace sluice {

enum class ControlCommand : uint8_t {
  reload,
  stop,
  quit,
  reopen,
  status,
  drain,
  undrain,
  sessions,
  close,
  trace
};

// In the order of ControlCommand.
inline constexpr std::array<std::string_view, 10> control_words = {
    "reload", "stop", "quit", "reopen", "status", "drain", "undrain", "sessions", "close", "trace"};

inline std::string_view word_of(ControlCommand command) {
  return control_words[static_cast<size_t>(command)];
}

struct ControlRequest {
  std::optional<ControlCommand> command;
  std::string wrong;  // why there is no command, fit for an answer
  // What stands behind the command's word, of the command that it is.
  DrainRequest drain{};
  NamedPart undrain{};
  SessionsRequest sessions{};
  CloseRequest close{};
  TraceRequest trace{};
};

// `line` without its line feed. Words are separated by blanks.
ControlRequest parse_control_request(std::string_view line);

// Cuts what came into lines. Bounded: the caller appends only while no line is whole.
class ControlLines {
 public:
  static constexpr size_t most_line_bytes = 4096;  // without its line feed

  void append(std::string_view bytes) { bytes_ += bytes; }
  // The next line, without line feed and a carriage return before it; nullopt where none is whole.
  std::optional<std::string> next();
  // Nothing more comes: the last line, whose line feed is missing; nullopt where there is none.
  std::optional<std::string> last();
  // What came is longer than a line may be: next() and last() have nothing any more.
  bool oversize() const { return oversize_; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
  bool oversize_ = false;
};

// Of a command that can fail in words of ours.
struct ControlAnswer {
  bool ok = true;
  std::vector<std::string> errors{};    // none where `ok`
  std::vector<std::string> warnings{};  // also where not
};

inline ControlAnswer refusal(std::string error) {
  return {false, {std::move(error)}, {}};
}

// {"ok":true} or {"ok":false,"errors":["..."]}, and "warnings" where there are any; one line,
// its line feed included. Of texts beyond most_answer_bytes only the first ones are told.
std::string text_of(const ControlAnswer& answer);
inline constexpr size_t most_answer_bytes = size_t{1} << 20;

// Longer than any line that answers: texts, or the status of as many workers as there can be.
inline constexpr size_t most_answer_line_bytes = 2 * most_answer_bytes;

// Nullopt where the line is no such answer, or longer than one can be. Further members are passed
// over.
std::optional<ControlAnswer> parse_control_answer(std::string_view line);

}  // namespace sluice
