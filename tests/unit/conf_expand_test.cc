// ${env:NAME} and ${file:PATH}: what they become, what is refused, and that no message tells a
// secret.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/draft.h"
#include "core/conf/expand.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::string problem(const std::string& text, const std::string& folder = "") {
  try {
    expand(text, folder);
  } catch (const ConfProblem& thrown) {
    return thrown.what;
  }
  return "";
}

}  // namespace

TEST_CASE("conf expand: variables, in any place of a word") {
  const TestVariable token("SLUICE_TEST_TOKEN", "t0ken");
  const TestVariable empty("SLUICE_TEST_EMPTY", "");
  CHECK(expand("", "") == "");
  CHECK(expand("plain $HOME $ {x} $}", "") == "plain $HOME $ {x} $}");
  CHECK(expand("${env:SLUICE_TEST_TOKEN}", "") == "t0ken");
  CHECK(expand("Bearer ${env:SLUICE_TEST_TOKEN}!", "") == "Bearer t0ken!");
  CHECK(expand("${env:SLUICE_TEST_TOKEN}${env:SLUICE_TEST_TOKEN}", "") == "t0kent0ken");
  CHECK(expand("<${env:SLUICE_TEST_EMPTY}>", "") == "<>");
}

TEST_CASE("conf expand: $${ is a plain ${") {
  CHECK(expand("$${env:X}", "") == "${env:X}");
  CHECK(expand("a$${", "") == "a${");
  CHECK(expand("$$", "") == "$$");
  CHECK(expand("$$$${", "") == "$$${");
  const TestVariable x("SLUICE_TEST_X", "x");
  CHECK(expand("$${a}${env:SLUICE_TEST_X}", "") == "${a}x");
}

TEST_CASE("conf expand: of several dollars before a brace each pair stays but the last") {
  const TestVariable x("SLUICE_TEST_X", "x");
  CHECK(expand("$$${env:SLUICE_TEST_X}", "") == "$$x");
  CHECK(expand("$$$${env:SLUICE_TEST_X}", "") == "$$${env:SLUICE_TEST_X}");
  CHECK(expand("$$$$${env:SLUICE_TEST_X}", "") == "$$$$x");
}

TEST_CASE("conf expand: what is text is told") {
  const TestVariable x("SLUICE_TEST_X", "$x");
  const auto spans = [](const std::string& text) {
    std::vector<Span> verbatim;
    std::string all = expand(text, "", &verbatim);
    for (const Span& part : verbatim) {
      all += " " + std::to_string(part.begin) + "-" + std::to_string(part.end);
    }
    return all;
  };
  CHECK(spans("$host") == "$host");
  CHECK(spans("${env:SLUICE_TEST_X}") == "$x 0-2");
  CHECK(spans("$a${env:SLUICE_TEST_X}b${env:SLUICE_TEST_X}") == "$a$xb$x 2-4 5-7");
  CHECK(spans("<$${a}") == "<${a} 1-3");
}

TEST_CASE("conf expand: a value is not expanded again") {
  const TestVariable outer("SLUICE_TEST_OUTER", "${env:SLUICE_TEST_INNER} $${");
  const TestVariable inner("SLUICE_TEST_INNER", "secret");
  CHECK(expand("${env:SLUICE_TEST_OUTER}", "") == "${env:SLUICE_TEST_INNER} $${");
}

TEST_CASE("conf expand: a file loses one final line end") {
  struct Row {
    std::string_view content;
    std::string_view value;
  };
  const Row rows[] = {
      {"secret", "secret"}, {"secret\n", "secret"}, {"secret\r\n", "secret"}, {"", ""},
      {"\n", ""},           {" a b ", " a b "}};
  const TestFolder folder;
  for (const Row& row : rows) {
    CAPTURE(row.content);
    folder.write("token", row.content);
    CHECK(expand("${file:token}", folder.path()) == row.value);
    CHECK(expand("<${file:" + folder.path() + "token}>", "/elsewhere/") ==
          "<" + std::string(row.value) + ">");
  }
}

TEST_CASE("conf expand: a value with a line break or NUL could begin a header of its own") {
  const TestFolder folder;
  const std::string refused = "the value holds a line break or a NUL byte";
  for (const std::string_view content :
       {std::string_view("a\n\n"), std::string_view("a\nb"), std::string_view("a\rb"),
        std::string_view("\ra"), std::string_view("a\r\n\n"), std::string_view("a\0b", 3),
        std::string_view("a\0\n", 3)}) {
    CAPTURE(content);
    folder.write("token", content);
    CHECK(problem("${file:token}", folder.path()) == "${file:token}: " + refused);
  }
  const TestVariable broken("SLUICE_TEST_BROKEN", "hunter2\r\nX-Admin: 1");
  CHECK(problem("${env:SLUICE_TEST_BROKEN}") == "${env:SLUICE_TEST_BROKEN}: " + refused);
}

TEST_CASE("conf expand: what cannot be expanded is named") {
  const TestFolder folder;
  folder.write("large", std::string(64 * 1024 + 1, 'x'));
  folder.write("largest", std::string(64 * 1024, 'x'));
  const std::string only =
      "only ${env:NAME} and ${file:PATH} can be expanded; write $${ for a plain ${";
  const std::string& path = folder.path();
  CHECK(problem("${env:SLUICE_TEST_UNSET}", path) ==
        "${env:SLUICE_TEST_UNSET}: the environment variable is not set");
  CHECK(problem("${file:missing}", path) ==
        "${file:missing}: cannot be read: No such file or directory");
  CHECK(problem("${file:.}", path) == "${file:.}: cannot be read: Is a directory");
  CHECK(problem("${file:large}", path) == "${file:large}: the file holds more than 64k");
  CHECK(problem("${file:largest}", path) == "");
  CHECK(problem("${env:}", path) == "${env:}: no variable is named");
  CHECK(problem("${file:}", path) == "${file:}: no file is named");
  CHECK(problem("${}", path) == "${}: " + only);
  CHECK(problem("${HOME}", path) == "${HOME}: " + only);
  CHECK(problem("${ENV:HOME}", path) == "${ENV:HOME}: " + only);
  CHECK(problem("a ${env:HOME", path) == "\"a ${env:HOME\": ${ without its }");
  CHECK(problem("${", path) == "\"${\": ${ without its }");
}

TEST_CASE("conf expand: a problem behind a secret does not tell it") {
  const TestVariable token("SLUICE_TEST_TOKEN", "hunter2");
  for (const char* text : {"${env:SLUICE_TEST_TOKEN}${env:SLUICE_TEST_UNSET}",
                           "${env:SLUICE_TEST_TOKEN}${", "${env:SLUICE_TEST_TOKEN}${x}"}) {
    CAPTURE(text);
    const std::string what = problem(text);
    CHECK(what != "");
    CHECK(what.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("conf expand: paths begin at the folder of the file that names them") {
  CHECK(folder_of("/etc/sluice/sluice.conf") == "/etc/sluice/");
  CHECK(folder_of("conf/x.conf") == "conf/");
  CHECK(folder_of("x.conf") == "");
  CHECK(folder_of("/x.conf") == "/");
  CHECK(resolve_path("/etc/sluice/", "token") == "/etc/sluice/token");
  CHECK(resolve_path("/etc/sluice/", "../token") == "/etc/sluice/../token");
  CHECK(resolve_path("/etc/sluice/", "/run/token") == "/run/token");
  CHECK(resolve_path("", "token") == "token");
}

TEST_CASE("conf expand: whole files, up to a size") {
  const TestFolder folder;
  const std::string path = folder.write("file", std::string(40'000, 'x'));
  std::string content = "what was there before";
  CHECK(read_whole_file(path, 40'000, content) == 0);
  CHECK(content == std::string(40'000, 'x'));
  CHECK(read_whole_file(path, 39'999, content) == EFBIG);
  CHECK(read_whole_file(folder.path() + "missing", 10, content) == ENOENT);
  CHECK(read_whole_file(folder.path(), 10, content) == EISDIR);
}
