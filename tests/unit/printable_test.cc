// Text of strangers: what a log's reader sees of it.
#include "net/printable.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TEST_CASE("printable: what a terminal would act on, and what is not ASCII, is replaced") {
  CHECK(printable("") == "");
  CHECK(printable(" a~") == " a~");
  CHECK(printable("a\x1b[2J\r\n\t\x7f") == "a?[2J????");
  CHECK(printable("caf\xc3\xa9") == "caf??");
  CHECK(printable(std::string("a\0b", 3)) == "a?b");
}

TEST_CASE("printable: it is not endless") {
  CHECK(printable(std::string(100, 'x')) == std::string(100, 'x'));
  CHECK(printable(std::string(101, 'x')) == std::string(100, 'x') + "...");
}

}  // namespace
}  // namespace sluice
