// PipePool: what is lent, how much, and that nothing stays in a pipe for the next one.
#include "net/pipe.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <vector>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {
namespace {

TEST_CASE("pipe: lent last-in first-out, up to the limit") {
  PipePool pool;
  pool.set_limit(2);
  CHECK(pool.left() == 2);
  Pipe* first = pool.borrow();
  Pipe* second = pool.borrow();
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(first->in != second->in);
  CHECK(pool.borrow() == nullptr);
  CHECK(pool.lent() == 2);
  pool.give_back(first);
  CHECK(pool.borrow() == first);
  pool.give_back(second);
  pool.give_back(first);
  CHECK(pool.lent() == 0);
}

TEST_CASE("pipe: one given back with bytes in it comes again without them") {
  PipePool pool;
  pool.set_limit(1);
  Pipe* pipe = pool.borrow();
  REQUIRE(pipe != nullptr);
  REQUIRE(sys::write(pipe->in, "left", 4) == 4);
  pipe->bytes = 4;
  pool.give_back(pipe);
  Pipe* again = pool.borrow();
  REQUIRE(again == pipe);
  CHECK(again->bytes == 0);
  char byte;
  CHECK(sys::read(again->out, &byte, 1) == -EAGAIN);
  pool.give_back(again);
}

TEST_CASE("pipe: as many as the system makes, which may be none, and never more than asked for") {
  PipePool pool;
  CHECK(pool.borrow() == nullptr);
  pool.set_limit(PipePool::most_pipes + 1);
  CHECK(pool.left() == PipePool::most_pipes);
  pool.set_limit(0);
  CHECK(pool.borrow() == nullptr);

  std::vector<int> taken;
  for (int fd; (fd = sys::stream_socket(AF_UNIX)) >= 0;) taken.push_back(fd);
  for (int i = 0; i < 3; ++i) {  // one pipe, and half of another
    sys::close(taken.back());
    taken.pop_back();
  }
  pool.set_limit(2);
  CHECK(pool.left() == 1);
  CHECK(pool.lent() == 0);
  for (const int fd : taken) sys::close(fd);
}

}  // namespace
}  // namespace sluice
