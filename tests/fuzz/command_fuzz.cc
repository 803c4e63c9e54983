// What is said on the control socket, by somebody who may say anything: lines must be those that a
// plain reading finds, however they were cut; each answer must be one line of JSON that reads back;
// and no bytes taken for an answer may do more than be refused.
//   byte 0  how the bytes are cut; the stream follows
#include <algorithm>
#include <string>
#include <vector>

#include "core/process/control_request.h"
#include "net/check.h"
#include "protocol/frame_codec.h"
#include "protocol/utf8.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

struct Lines {
  std::vector<std::string> whole;
  bool oversize = false;
};

// Every line up to the first one that is too long; the last one needs no line feed.
Lines plain_reading(std::string_view stream) {
  Lines lines;
  while (!stream.empty()) {
    const size_t end = std::min(stream.find('\n'), stream.size());
    std::string line(stream.substr(0, end));
    if (line.size() > ControlLines::most_line_bytes) {
      lines.oversize = true;
      break;
    }
    const bool fed = end < stream.size();
    if (fed && line.ends_with('\r')) line.pop_back();
    lines.whole.push_back(line);
    stream.remove_prefix(end + (fed ? 1 : 0));
  }
  return lines;
}

Lines cut_reading(std::string_view stream, uint8_t kind) {
  Lines found;
  ControlLines lines;
  Cut cut(kind);
  while (!stream.empty() && !lines.oversize()) {
    const size_t size = std::min<size_t>(cut.next(stream.size()), 1024);
    lines.append(stream.substr(0, size));
    stream.remove_prefix(size);
    while (const auto line = lines.next()) found.whole.push_back(*line);
  }
  while (const auto line = lines.last()) found.whole.push_back(*line);
  found.oversize = lines.oversize();
  return found;
}

void judge_answer(const ControlAnswer& answer) {
  const std::string text = text_of(answer);
  SLUICE_CHECK(text.find('\n') == text.size() - 1);
  SLUICE_CHECK(utf8_whole_bytes(bytes_of(text)) == text.size());
  const auto read = parse_control_answer(text);
  SLUICE_CHECK(read && read->ok == answer.ok && read->errors.size() == answer.errors.size());
  SLUICE_CHECK(text_of(*read) == text);  // what was replaced once stays as it is
}

void run(Input input) {
  const uint8_t kind = input.byte();
  const std::string_view stream = text_of(input.rest());
  const Lines wanted = plain_reading(stream);
  for (size_t i = 0; i < splits; ++i) {
    const Lines found = cut_reading(stream, split_kind(i, kind));
    SLUICE_CHECK(found.whole == wanted.whole && found.oversize == wanted.oversize);
  }
  for (const std::string& line : wanted.whole) {
    const ControlRequest request = parse_control_request(line);
    SLUICE_CHECK(request.command.has_value() == request.wrong.empty());
    SLUICE_CHECK(request.wrong.size() < 400);
    if (request.command == ControlCommand::close) {
      const std::string& reason = request.close.reason;
      SLUICE_CHECK(reason.size() <= max_close_reason_bytes);
      SLUICE_CHECK(utf8_whole_bytes(bytes_of(reason)) == reason.size());
    }
    if (request.command == ControlCommand::trace) {
      const TraceRequest& trace = request.trace;
      SLUICE_CHECK(trace.handshakes > 0 && trace.handshakes <= TraceRequest::most_handshakes);
      SLUICE_CHECK(trace.lines > 0 && trace.lines <= TraceRequest::most_lines && trace.for_ms > 0);
      SLUICE_CHECK(trace.host.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ \t") == std::string::npos);
      SLUICE_CHECK(trace.path.size() < 2 || !trace.path.ends_with('/'));
    }
    judge_answer(refusal(request.wrong));
    judge_answer({false, {line, request.wrong}, {line}});
    if (const auto answer = parse_control_answer(line)) {
      SLUICE_CHECK(parse_control_answer(text_of(*answer)).has_value());
    }
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
