// Requests and answers of the control socket: what is understood, what is said of the rest, and
// lines however they were cut.
#include "core/process/control_request.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

std::string wrong_with(std::string_view line) {
  const ControlRequest request = parse_control_request(line);
  CHECK_FALSE(request.command.has_value());
  return request.wrong;
}

TEST_CASE("control request: each command by its word, blanks around it") {
  for (const std::string_view known : control_words) {
    const std::string word(known);
    CAPTURE(word);
    const std::string needed = word == "drain" || word == "undrain" ? " route /"
                               : word == "close"                    ? " 0-1-1"
                                                                    : "";
    for (const std::string& line : {word + needed, " \t" + (word + needed) + "  "}) {
      const ControlRequest request = parse_control_request(line);
      REQUIRE(request.command.has_value());
      CHECK(word_of(*request.command) == word);
      CHECK(request.wrong.empty());
    }
  }
}

const std::string commands =
    "reload, stop, quit, reopen, status, drain, undrain, sessions, close, trace";

TEST_CASE("control request: what is wrong is said, and what may have been meant") {
  CHECK(wrong_with("relaod") == "unknown command \"relaod\", did you mean \"reload\"?");
  CHECK(wrong_with("QUIT now") == "unknown command \"QUIT\", did you mean \"quit\"?");
  CHECK(wrong_with("frobnicate") == "unknown command \"frobnicate\"; commands are " + commands);
  CHECK(wrong_with("") == "an empty line; commands are " + commands);
  CHECK(wrong_with("  ") == wrong_with(""));
  CHECK(wrong_with("stop now please") == "stop: it takes no argument, not \"now\"");
  CHECK(wrong_with("st\x1b[0mop").find('\x1b') == std::string::npos);
  CHECK(wrong_with(std::string(4096, 'x')).size() < 300);
  CHECK_FALSE(parse_control_request(std::string_view("stop\0", 5)).command.has_value());
}

TEST_CASE("control request: lines come whole, whatever the pieces") {
  const std::string stream = "one\ntwo\r\n\nthree words here\nrest";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    ControlLines lines;
    std::vector<std::string> found;
    for (size_t at = 0; at < stream.size(); at += piece) {
      lines.append(std::string_view(stream).substr(at, piece));
      while (const auto line = lines.next()) found.push_back(*line);
    }
    CHECK(found == std::vector<std::string>{"one", "two", "", "three words here"});
    CHECK(lines.last() == "rest");
    CHECK(lines.empty());
    CHECK_FALSE(lines.last().has_value());
    CHECK_FALSE(lines.oversize());
  }
}

TEST_CASE("control request: a line of 4 KiB is one, a longer one is none") {
  const std::string longest(ControlLines::most_line_bytes, 'x');
  ControlLines lines;
  lines.append(longest);
  CHECK_FALSE(lines.next().has_value());
  CHECK_FALSE(lines.oversize());
  lines.append("\nnext\n");
  CHECK(lines.next() == longest);
  CHECK(lines.next() == "next");
  for (const char* end : {"", "\n", "\nnext\n"}) {
    ControlLines longer;
    longer.append(longest + "x" + end);
    CHECK_FALSE(longer.next().has_value());
    CHECK(longer.oversize());
    CHECK_FALSE(longer.last().has_value());
  }
}

TEST_CASE("control answer: a line of JSON, which reads back") {
  CHECK(text_of(ControlAnswer{}) == "{\"ok\":true}\n");
  CHECK(text_of(refusal("x.conf:3: unknown directive \"rout\"")) ==
        "{\"ok\":false,\"errors\":[\"x.conf:3: unknown directive \\\"rout\\\"\"]}\n");
  const ControlAnswer answer{false, {"one", "t\nw\xffo"}, {"a warning"}};
  const auto read = parse_control_answer(text_of(answer));
  REQUIRE(read.has_value());
  CHECK_FALSE(read->ok);
  CHECK(read->errors == std::vector<std::string>{"one", "t\nw\xef\xbf\xbdo"});
  CHECK(read->warnings == answer.warnings);
}

TEST_CASE("control answer: one with more errors than fit says how many it leaves out") {
  ControlAnswer answer{false, {}, {}};
  const std::string error(1000, 'e');
  for (int i = 0; i < 2000; ++i) answer.errors.push_back(error);
  const std::string text = text_of(answer);
  CHECK(text.size() < most_answer_bytes + 2000);
  const ControlAnswer escapes{false, {std::string(most_answer_bytes / 2, '\x1b')}, {}};
  CHECK(text_of(escapes).size() < 100);
  const auto read = parse_control_answer(text);
  REQUIRE(read.has_value());
  CHECK(read->errors.size() < 2000);
  CHECK(read->errors.back() ==
        std::to_string(2000 - (read->errors.size() - 1)) + " more, which the error log tells");
}

TEST_CASE("control answer: further members are passed over, anything else is none") {
  const auto read = parse_control_answer("{\"pid\":3,\"workers\":[{\"number\":0}],\"ok\":true}");
  REQUIRE(read.has_value());
  CHECK(read->ok);
  const std::string blanks(most_answer_line_bytes - std::string("{\"ok\":true}").size(), ' ');
  CHECK(parse_control_answer("{\"ok\":true}" + blanks).has_value());
  CHECK_FALSE(parse_control_answer("{\"ok\":true}" + blanks + " ").has_value());
  const std::string deep(most_answer_line_bytes / 2, '[');
  CHECK_FALSE(parse_control_answer(deep).has_value());
  CHECK_FALSE(parse_control_answer("{\"ok\":true,\"x\":" + deep).has_value());
  for (const char* bad : {"", "ok", "{}", "[true]", "{\"ok\":1}", "{\"ok\":true} x", "{\"ok\":true",
                          "{\"ok\":true,\"errors\":{}}", "{\"ok\":true,\"errors\":[1]}",
                          "{\"ok\":true,\"errors\":\"x\"}"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_control_answer(bad).has_value());
  }
}

}  // namespace
}  // namespace sluice
