// PasswordThread: bcrypt's verdicts, from another thread, and its end.
#include "core/process/password_thread.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "net/sys.h"
#include "net/sys_bell.h"

using namespace sluice;

namespace {

using Verdict = PasswordQueue::Verdict;

Verdict verdict_of(const PasswordQueue& queue, const char* hash, const char* password) {
  const uint64_t now_ms = sys::monotonic_ms();
  const auto ticket = queue.ask(hash, password, now_ms, now_ms + 20'000, 8);
  REQUIRE(ticket);
  sys::ring(queue.bell());
  Verdict verdict = Verdict::waiting;
  while ((verdict = queue.look(*ticket)) == Verdict::waiting &&
         sys::monotonic_ms() < now_ms + 20'000) {
    std::this_thread::yield();
  }
  return verdict;
}

}  // namespace

TEST_CASE("password thread: bcrypt of every prefix, and what is none") {
  std::array<PasswordPlace, 8> places;
  std::atomic<uint32_t> bell{0};
  const PasswordQueue queue(places, &bell);
  PasswordThread thread;
  REQUIRE(thread.start(queue).ok());
  // Solar Designer's test vectors for crypt_blowfish.
  CHECK(verdict_of(queue, "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U") ==
        Verdict::right);
  CHECK(verdict_of(queue, "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U") ==
        Verdict::right);
  CHECK(verdict_of(queue, "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*V") ==
        Verdict::wrong);
  CHECK(verdict_of(queue, "nonsense", "U*U") == Verdict::wrong);
}

TEST_CASE("password thread: without memory there is none") {
  PasswordThread thread;
  CHECK(thread.start(PasswordQueue()).ok());
}
