// The conf's lexer: words, quotes, comments, and what it refuses.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/conf/lexer.h"

using namespace sluice;

namespace {

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("conf lexer: words, quotes and comments") {
  struct Row {
    std::string_view line;
    Words words;
  };
  const Row rows[] = {
      {"", {}},
      {"  \t ", {}},
      {"listen 8080", {"listen", "8080"}},
      {"\t  listen \t 8080\t ", {"listen", "8080"}},
      // '#' begins a comment at a word's start only
      {"# listen 8080", {}},
      {"   #", {}},
      {"listen 8080 # everywhere", {"listen", "8080"}},
      {"listen 8080 #everywhere \"", {"listen", "8080"}},
      {"route /a#b", {"route", "/a#b"}},
      {"route \"#a\"", {"route", "#a"}},
      {"a \"b\" #c", {"a", "b"}},
      // quotes hold together what blanks would part
      {"set_header A \"b  c\"", {"set_header", "A", "b  c"}},
      {"\"listen\" \"8080\"", {"listen", "8080"}},
      {"a \"\" b", {"a", "", "b"}},
      {"a \"\t\"", {"a", "\t"}},
      {"a \"b\"", {"a", "b"}},
      // a carriage return at the end belongs to the line's end, and only that one
      {"listen 8080\r", {"listen", "8080"}},
      {"a \"b\"\r", {"a", "b"}},
      {"\r", {}},
      // bytes beyond ASCII are nobody's business here
      {"a \xc3\xa9\xff", {"a", "\xc3\xa9\xff"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const SplitLine split = split_line(row.line);
    CHECK(split.problem == "");
    CHECK(split.words == row.words);
  }
}

TEST_CASE("conf lexer: inside quotes only \\\" and \\\\ are escapes, outside there are none") {
  struct Row {
    std::string_view line;
    std::string_view word;
  };
  const Row rows[] = {
      {R"("a\"b")", R"(a"b)"}, {R"("a\\b")", R"(a\b)"},  {R"("a\\")", R"(a\)"},
      {R"("\"")", R"(")"},     {R"("a\nb")", R"(a\nb)"}, {R"("\d+\.")", R"(\d+\.)"},
      {R"(a\b)", R"(a\b)"},    {R"(a\\b)", R"(a\\b)"},   {R"("a\\\"b")", R"(a\"b)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const SplitLine split = split_line(row.line);
    CHECK(split.problem == "");
    REQUIRE(split.words.size() == 1);
    CHECK(split.words[0] == row.word);
  }
}

TEST_CASE("conf lexer: a typing error is a problem, and the words before it are kept") {
  struct Row {
    std::string_view line;
    std::string_view problem;
    Words words;
  };
  const std::string_view open = "the quote is not closed on this line";
  const std::string_view glued = "text right behind a closing quote";
  const std::string_view middle =
      "a quote in the middle of a word: quote the whole word and write \\\" inside";
  const Row rows[] = {
      {"a \"b", open, {"a"}},      {"a \"", open, {"a"}},        {"a \"b\\\"", open, {"a"}},
      {"a \"b # c", open, {"a"}},  {"a \"b\"c d", glued, {"a"}}, {"a \"b\"\"c\"", glued, {"a"}},
      {"a \"b\"#c", glued, {"a"}}, {"a b\"c\"", middle, {"a"}},  {"a b\\\"c", middle, {"a"}},
      {"\"listen", open, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const SplitLine split = split_line(row.line);
    CHECK(split.problem == row.problem);
    CHECK(split.words == row.words);
  }
}

TEST_CASE("conf lexer: control bytes are refused wherever they stand") {
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string raw(1, static_cast<char>(byte));
    const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    CHECK((split_line("a b" + raw + "c").problem.empty()) == (!control && byte != '"'));
    CHECK((split_line("a # " + raw + "c").problem.empty()) == !control);
  }
  const std::string_view cr = "a carriage return (0x0d) that does not end the line";
  CHECK(split_line("a\rb").problem == cr);
  CHECK(split_line("a\r\r").problem == cr);
  CHECK(split_line("a \x7f").problem == "control byte 0x7f in the line");
  CHECK(split_line(std::string_view("a \0b", 4)).problem == "control byte 0x00 in the line");
}

TEST_CASE("conf lexer: quotes of other languages hold no word together") {
  const std::string single =
      "single quotes hold no word together; write double quotes (\"), around the single ones where "
      "those are meant";
  const std::string typographic =
      "typographic quotes hold no word together; write plain double quotes (\")";
  for (const std::string_view line : {"a 'b'", "a 'b c'", "a ''", "'a' b", "a 'b' # c"}) {
    CAPTURE(line);
    CHECK(split_line(line).problem == single);
  }
  for (const std::string_view line : {"a \xe2\x80\x9c"
                                      "b\xe2\x80\x9d",
                                      "a \xe2\x80\x98"
                                      "b c\xe2\x80\x99",
                                      "a \xe2\x80\x9e"
                                      "b\xe2\x80\x9c",
                                      "a \xc2\xab"
                                      "b\xc2\xbb"}) {
    CAPTURE(line);
    CHECK(split_line(line).problem == typographic);
  }
  // Within a word and in double quotes they are bytes as others.
  for (const std::string_view line :
       {"a \"'b'\"", "a b'c'", "a 'b", "a 'b'c", "a it's", "a b\xe2\x80\x99s"}) {
    CAPTURE(line);
    CHECK(split_line(line).problem == "");
  }
}

TEST_CASE("conf lexer: whether the last word stood in quotes") {
  CHECK(split_line("a \"b;\"").last_quoted);
  CHECK_FALSE(split_line("a b;").last_quoted);
  CHECK_FALSE(split_line("\"a\" b").last_quoted);
  CHECK(split_line("a \"b\" # c").last_quoted);
}
