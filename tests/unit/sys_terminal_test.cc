// sys, terminals: keys come at once from a pseudo terminal, which is as before at the end.
#include "net/sys_terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <string>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

TEST_CASE("sys terminal: keys, the size, and all as before") {
  const testing::Descriptor far(::posix_openpt(O_RDWR | O_NOCTTY));
  REQUIRE(::grantpt(far.get()) == 0);
  REQUIRE(::unlockpt(far.get()) == 0);
  const testing::Descriptor near(::open(::ptsname(far.get()), O_RDWR | O_NOCTTY));
  CHECK(sys::is_terminal(near.get()));
  const winsize size{24, 80, 0, 0};
  REQUIRE(::ioctl(far.get(), TIOCSWINSZ, &size) == 0);
  CHECK(sys::terminal_size(near.get()).columns == 80);
  CHECK(sys::terminal_size(near.get()).rows == 24);

  REQUIRE(sys::take_keys(near.get()));
  REQUIRE(::write(far.get(), "q\x03", 2) == 2);
  sys::wait_readable_either(near.get(), -1, 10'000);
  char bytes[8];
  CHECK(::read(near.get(), bytes, sizeof bytes) == 2);
  CHECK(std::string(bytes, 2) == "q\x03");
  CHECK(::read(near.get(), bytes, sizeof bytes) == 0);  // and nothing is waited for
  sys::give_keys_back(near.get());
  termios now{};
  REQUIRE(::tcgetattr(near.get(), &now) == 0);
  CHECK((now.c_lflag & ICANON) != 0);
  CHECK((now.c_lflag & ECHO) != 0);
}

TEST_CASE("sys terminal: a pipe is none") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const testing::Descriptor reading(ends[0]);
  const testing::Descriptor writing(ends[1]);
  CHECK(!sys::is_terminal(reading.get()));
  CHECK(sys::terminal_size(reading.get()).columns == 0);
  CHECK(!sys::take_keys(reading.get()));
  sys::give_keys_back(reading.get());
  sys::wait_readable_either(-1, reading.get(), 0);
}

}  // namespace
}  // namespace sluice
