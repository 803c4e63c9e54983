// ${env:NAME} and ${file:PATH}: what they become, what is refused, and that no message tells a
// secret.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/draft.h"
#include "core/conf/expand.h"
#include "tests/conf/memory_inputs.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string folder = "/conf/";

std::string problem(MemoryInputs& inputs, const std::string& text, const std::string& from = "") {
  try {
    expand(inputs, text, from);
  } catch (const ConfProblem& thrown) {
    return thrown.what;
  }
  return "";
}

}  // namespace

TEST_CASE("conf expand: variables, in any place of a word") {
  MemoryInputs inputs;
  inputs.variables["TOKEN"] = "t0ken";
  inputs.variables["EMPTY"] = "";
  CHECK(expand(inputs, "", "") == "");
  CHECK(expand(inputs, "plain $HOME $ {x} $}", "") == "plain $HOME $ {x} $}");
  CHECK(expand(inputs, "${env:TOKEN}", "") == "t0ken");
  CHECK(expand(inputs, "Bearer ${env:TOKEN}!", "") == "Bearer t0ken!");
  CHECK(expand(inputs, "${env:TOKEN}${env:TOKEN}", "") == "t0kent0ken");
  CHECK(expand(inputs, "<${env:EMPTY}>", "") == "<>");
}

TEST_CASE("conf expand: $${ is a plain ${") {
  MemoryInputs inputs;
  CHECK(expand(inputs, "$${env:X}", "") == "${env:X}");
  CHECK(expand(inputs, "a$${", "") == "a${");
  CHECK(expand(inputs, "$$", "") == "$$");
  CHECK(expand(inputs, "$$$${", "") == "$$${");
  inputs.variables["X"] = "x";
  CHECK(expand(inputs, "$${a}${env:X}", "") == "${a}x");
}

TEST_CASE("conf expand: of several dollars before a brace each pair stays but the last") {
  MemoryInputs inputs;
  inputs.variables["X"] = "x";
  CHECK(expand(inputs, "$$${env:X}", "") == "$$x");
  CHECK(expand(inputs, "$$$${env:X}", "") == "$$${env:X}");
  CHECK(expand(inputs, "$$$$${env:X}", "") == "$$$$x");
}

TEST_CASE("conf expand: what is text is told") {
  MemoryInputs inputs;
  inputs.variables["X"] = "$x";
  const auto spans = [&inputs](const std::string& text) {
    std::vector<Span> verbatim;
    std::string all = expand(inputs, text, "", &verbatim);
    for (const Span& part : verbatim) {
      all += " " + std::to_string(part.begin) + "-" + std::to_string(part.end);
    }
    return all;
  };
  CHECK(spans("$host") == "$host");
  CHECK(spans("${env:X}") == "$x 0-2");
  CHECK(spans("$a${env:X}b${env:X}") == "$a$xb$x 2-4 5-7");
  CHECK(spans("<$${a}") == "<${a} 1-3");
}

TEST_CASE("conf expand: a value is not expanded again") {
  MemoryInputs inputs;
  inputs.variables["OUTER"] = "${env:INNER} $${";
  inputs.variables["INNER"] = "secret";
  CHECK(expand(inputs, "${env:OUTER}", "") == "${env:INNER} $${");
}

TEST_CASE("conf expand: a file loses one final line end") {
  MemoryInputs inputs;
  struct Row {
    std::string_view content;
    std::string_view value;
  };
  const Row rows[] = {
      {"secret", "secret"}, {"secret\n", "secret"}, {"secret\r\n", "secret"}, {"", ""},
      {"\n", ""},           {" a b ", " a b "}};
  for (const Row& row : rows) {
    CAPTURE(row.content);
    inputs.files["/conf/token"] = row.content;
    CHECK(expand(inputs, "${file:token}", folder) == row.value);
    CHECK(expand(inputs, "<${file:" + folder + "token}>", "/elsewhere/") ==
          "<" + std::string(row.value) + ">");
  }
}

TEST_CASE("conf expand: a value with a line break or NUL could begin a header of its own") {
  MemoryInputs inputs;
  const std::string refused = "the value holds a line break or a NUL byte";
  for (const std::string_view content :
       {std::string_view("a\n\n"), std::string_view("a\nb"), std::string_view("a\rb"),
        std::string_view("\ra"), std::string_view("a\r\n\n"), std::string_view("a\0b", 3),
        std::string_view("a\0\n", 3)}) {
    CAPTURE(content);
    inputs.files["/conf/token"] = content;
    CHECK(problem(inputs, "${file:token}", folder) == "${file:token}: " + refused);
  }
  inputs.variables["BROKEN"] = "hunter2\r\nX-Admin: 1";
  CHECK(problem(inputs, "${env:BROKEN}") == "${env:BROKEN}: " + refused);
}

TEST_CASE("conf expand: what cannot be expanded is named") {
  MemoryInputs inputs;
  inputs.read_errors["/conf/."] = EISDIR;
  inputs.files["/conf/large"] = std::string(64 * 1024 + 1, 'x');
  inputs.files["/conf/largest"] = std::string(64 * 1024, 'x');
  const std::string only =
      "only ${env:NAME} and ${file:PATH} can be expanded; write $${ for a plain ${";
  CHECK(problem(inputs, "${env:UNSET}", folder) ==
        "${env:UNSET}: the environment variable is not set");
  CHECK(problem(inputs, "${file:missing}", folder) ==
        "${file:missing}: cannot be read: No such file or directory");
  CHECK(problem(inputs, "${file:.}", folder) == "${file:.}: cannot be read: Is a directory");
  CHECK(problem(inputs, "${file:large}", folder) == "${file:large}: the file holds more than 64k");
  CHECK(problem(inputs, "${file:largest}", folder) == "");
  CHECK(problem(inputs, "${env:}", folder) == "${env:}: no variable is named");
  CHECK(problem(inputs, "${file:}", folder) == "${file:}: no file is named");
  CHECK(problem(inputs, "${}", folder) == "${}: " + only);
  CHECK(problem(inputs, "${HOME}", folder) == "${HOME}: " + only);
  CHECK(problem(inputs, "${ENV:HOME}", folder) == "${ENV:HOME}: " + only);
  CHECK(problem(inputs, "a ${env:HOME", folder) == "\"a ${env:HOME\": ${ without its }");
  CHECK(problem(inputs, "${", folder) == "\"${\": ${ without its }");
}

TEST_CASE("conf expand: a problem behind a secret does not tell it") {
  MemoryInputs inputs;
  inputs.variables["TOKEN"] = "hunter2";
  for (const char* text : {"${env:TOKEN}${env:UNSET}", "${env:TOKEN}${", "${env:TOKEN}${x}"}) {
    CAPTURE(text);
    const std::string what = problem(inputs, text);
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

TEST_CASE("conf expand: a folder right below /run is one that sluice makes") {
  CHECK(run_folder_of("/run/sluice/control.sock") == "/run/sluice/");
  CHECK(run_folder_of("/var/run/sluice/sluice.pid") == "/var/run/sluice/");
  for (const char* path :
       {"/run/x.sock", "/run//x.sock", "/run/a/b/x.sock", "run/a/x.sock", "x.sock", "/x.sock", "/",
        "", "/srv/run/a/x.sock", "/rum/sluice/x.sock"}) {
    CAPTURE(path);
    CHECK(run_folder_of(path).empty());
  }
}
