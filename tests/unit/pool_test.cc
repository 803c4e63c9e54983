// Pool: handles stop resolving at retire(), objects live until sweep(), places are used again under
// a new generation.
#include "net/pool.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

namespace sluice {
namespace {

struct Counted {
  Counted(int& alive_now, int given) : alive(alive_now), value(given) { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }

  int& alive;
  int value;
};

TEST_CASE("pool: a handle finds its object") {
  int alive = 0;
  Pool<Counted> pool;
  const Handle one = pool.create(alive, 1);
  const Handle two = pool.create(alive, 2);
  CHECK(one);
  CHECK_FALSE(one == two);
  REQUIRE(pool.get(one) != nullptr);
  CHECK(pool.get(one)->value == 1);
  CHECK(pool.get(two)->value == 2);
  CHECK(pool.live() == 2);
}

TEST_CASE("pool: handles that name nothing") {
  int alive = 0;
  Pool<Counted> pool;
  CHECK_FALSE(Handle());
  CHECK(pool.get(Handle()) == nullptr);
  CHECK(pool.get(Handle{5, 1}) == nullptr);
  const Handle handle = pool.create(alive, 1);
  CHECK(pool.get(Handle()) == nullptr);
  CHECK(pool.get(Handle{handle.index, handle.generation + 1}) == nullptr);
  CHECK(pool.get(Handle{handle.index + 1, handle.generation}) == nullptr);
  pool.retire(handle);
  pool.sweep();
  CHECK(pool.get(Handle{handle.index, handle.generation + 1}) == nullptr);  // a free place
  CHECK(pool.get(Handle{1'000'000, 1}) == nullptr);
}

TEST_CASE("pool: a walk by places meets the live ones") {
  int alive = 0;
  Pool<Counted> pool;
  CHECK(pool.places() == 0);
  const Handle one = pool.create(alive, 1);
  const Handle two = pool.create(alive, 2);
  pool.retire(one);
  const uint32_t places = pool.places();
  REQUIRE(places >= 2);
  std::vector<int> met;
  for (uint32_t place = 0; place < places; ++place) {
    if (Counted* const each = pool.at(place)) met.push_back(each->value);
  }
  CHECK(met == std::vector<int>{2});
  CHECK(pool.at(two.index) == pool.get(two));
  pool.sweep();
  CHECK(pool.at(one.index) == nullptr);
  CHECK(pool.places() == places);
}

TEST_CASE("pool: a retired object is out of reach at once and destroyed by the sweep") {
  int alive = 0;
  Pool<Counted> pool;
  const Handle handle = pool.create(alive, 42);
  Counted& object = *pool.get(handle);
  pool.retire(handle);
  CHECK(pool.get(handle) == nullptr);
  CHECK(pool.live() == 0);
  CHECK(alive == 1);
  CHECK(object.value == 42);
  // Its place is not given out before the sweep either.
  const Handle next = pool.create(alive, 43);
  CHECK(next.index != handle.index);
  CHECK(object.value == 42);
  pool.sweep();
  CHECK(alive == 1);
  CHECK(pool.get(next)->value == 43);
}

TEST_CASE("pool: a stale handle does not meet its successor") {
  int alive = 0;
  Pool<Counted> pool;
  std::vector<Handle> stale;
  for (int round = 0; round < 100; ++round) {
    const Handle handle = pool.create(alive, round);
    for (const Handle old : stale) {
      CHECK(old.index == handle.index);
      CHECK(pool.get(old) == nullptr);
    }
    CHECK(pool.get(handle)->value == round);
    pool.retire(handle);
    pool.sweep();
    stale.push_back(handle);
  }
  CHECK(alive == 0);
}

TEST_CASE("pool: objects stay where they are while it grows") {
  int alive = 0;
  Pool<Counted> pool;
  std::vector<Handle> handles;
  std::vector<Counted*> places;
  for (int i = 0; i < 3000; ++i) {
    handles.push_back(pool.create(alive, i));
    places.push_back(pool.get(handles.back()));
  }
  std::set<Counted*> distinct(places.begin(), places.end());
  CHECK(distinct.size() == 3000);
  for (size_t i = 0; i < handles.size(); ++i) {
    CHECK(pool.get(handles[i]) == places[i]);
    CHECK(places[i]->value == static_cast<int>(i));
  }
}

TEST_CASE("pool: for_each sees every live object and may retire it") {
  int alive = 0;
  Pool<Counted> pool;
  std::vector<Handle> handles;
  for (int i = 0; i < 3000; ++i) handles.push_back(pool.create(alive, i));
  pool.retire(handles[150]);

  std::vector<int> seen;
  pool.for_each([&](Handle handle, Counted& object) {
    CHECK(handle == handles[static_cast<size_t>(object.value)]);
    seen.push_back(object.value);
    if (object.value % 2 == 0) pool.retire(handle);
    if (object.value == 10) pool.retire(handles[11]);  // one that is yet to come
  });
  CHECK(seen.size() == 2998);  // without 150 and 11
  CHECK(pool.live() == 1499);
  CHECK(alive == 3000);
  pool.sweep();
  CHECK(alive == 1499);
  pool.for_each([](Handle, const Counted& object) { CHECK(object.value % 2 == 1); });
}

TEST_CASE("pool: its end destroys what is live and what is retired") {
  int alive = 0;
  {
    Pool<Counted> pool;
    const Handle retired = pool.create(alive, 1);
    pool.create(alive, 2);
    pool.retire(retired);
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

}  // namespace
}  // namespace sluice
