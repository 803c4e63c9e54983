// MemoryText: a text through a descriptor, which its receiver can only read.
#include "core/process/memory_text.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "core/process/answer_memory.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/process_testing.h"

using namespace sluice;

TEST_CASE("memory text: what goes in comes out, and nobody can change it") {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100'000}}) {
    const std::string text(bytes, 'x');
    Result<MemoryText> made = MemoryText::make(text);
    REQUIRE(made.ok());
    CHECK(made.value().bytes() == bytes);
    CHECK(sys::write(made.value().fd(), "y", 1) < 0);
    const MemoryText moved = std::move(made.value());
    const Result<std::string> taken = take_memory_text(::dup(moved.fd()), bytes);
    REQUIRE(taken.ok());
    CHECK(taken.value() == text);
  }
}

TEST_CASE("answer memory: a child's answers are seen, and who closes it has none") {
  AnswerMemory memory;
  CHECK(memory.bytes().empty());
  REQUIRE(memory.open().ok());
  REQUIRE(memory.bytes().size() == AnswerMemory::most_bytes);
  sluice::testing::Child child([&] {
    memory.bytes()[0] = 'k';
    memory.close();
    return memory.bytes().empty() ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(memory.bytes()[0] == 'k');
}
