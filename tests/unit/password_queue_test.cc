// PasswordQueue: who asks, who checks, and places that nobody comes back for.
#include "core/session/password_queue.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

using namespace sluice;

namespace {

using Verdict = PasswordQueue::Verdict;

constexpr uint64_t now = 1'000'000;
constexpr uint64_t until = now + 10'000;

// For tests a hash is right for its own text.
bool same(const char* hash, const char* password) {
  return std::strcmp(hash, password) == 0;
}

struct Shared {
  std::array<PasswordPlace, 4> places;
  std::atomic<uint32_t> bell{0};
  PasswordQueue queue{places, &bell};
};

}  // namespace

TEST_CASE("password queue: a verdict for each who asked, once") {
  Shared shared;
  PasswordQueue& queue = shared.queue;
  const auto right = queue.ask("a", "a", now, until, 4);
  const auto wrong = queue.ask("a", "b", now, until, 4);
  REQUIRE((right && wrong));
  CHECK(shared.bell == 2);
  CHECK(queue.look(*right) == Verdict::waiting);
  CHECK(queue.check_one(now, same));
  CHECK(queue.check_one(now, same));
  CHECK(!queue.check_one(now, same));
  CHECK(queue.look(*wrong) == Verdict::wrong);
  CHECK(queue.look(*right) == Verdict::right);
  CHECK(queue.look(*right) == Verdict::lost);  // it was told already
  // No password stays behind.
  for (const PasswordPlace& place : shared.places) CHECK(place.password[0] == '\0');
}

TEST_CASE("password queue: full, and room again") {
  Shared shared;
  PasswordQueue& queue = shared.queue;
  CHECK(!PasswordQueue());
  const auto first = queue.ask("a", "a", now, until, 2);
  CHECK(queue.ask("b", "b", now, until, 2));
  CHECK(!queue.ask("c", "c", now, until, 2));
  queue.withdraw(*first);
  CHECK(queue.look(*first) == Verdict::lost);
  CHECK(queue.ask("c", "c", now, until, 2));
  CHECK(!queue.ask("d", "d", now, until, 2));
  CHECK(!queue.ask("d", std::string(256, 'x'), now, until, 4));
  CHECK(queue.ask("d", std::string(255, 'x'), now, until, 4));
  CHECK(!queue.ask(std::string(64, 'x'), "d", now, until, 4));
}

TEST_CASE("password queue: what nobody wants any more is not checked, and free after a while") {
  Shared shared;
  PasswordQueue& queue = shared.queue;
  for (int i = 0; i < 4; ++i) REQUIRE(queue.ask("a", "a", now, until, 4));
  CHECK(!queue.check_one(until + 2'000, same));
  CHECK(!queue.ask("b", "b", until + 2'000, until + 12'000, 4));
  const auto later = queue.ask("b", "b", until + 62'000, until + 72'000, 4);
  REQUIRE(later);
  CHECK(queue.check_one(until + 62'000, same));
  CHECK(queue.look(*later) == Verdict::right);
}

TEST_CASE("password queue: many at once get each their own verdict") {
  std::vector<PasswordPlace> places(64);
  std::atomic<uint32_t> bell{0};
  PasswordQueue queue(places, &bell);
  std::atomic<int> asking{4};
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string mine = std::to_string(t) + "-" + std::to_string(i);
        const bool is_right = i % 2 == 0;
        const auto ticket = queue.ask(mine, is_right ? mine : "x", now, until, 64);
        if (!ticket) continue;
        Verdict verdict = Verdict::waiting;
        while ((verdict = queue.look(*ticket)) == Verdict::waiting) std::this_thread::yield();
        if (verdict != (is_right ? Verdict::right : Verdict::wrong)) ++bad;
      }
      --asking;
    });
  }
  PasswordQueue checking(places, &bell);
  while (asking > 0) {
    if (!checking.check_one(now, same)) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(bad == 0);
}
