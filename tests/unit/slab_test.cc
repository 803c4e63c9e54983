// Slab: elements stay where they are while it grows, and memory is touched only as far as it is
// used.
#include "net/slab.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace sluice {
namespace {

struct Element {
  uint64_t value = 7;
  uint64_t rest[31];
};

TEST_CASE("slab: elements begin as they are declared and never move") {
  Slab<Element> slab;
  std::vector<Element*> places;
  for (uint32_t i = 0; i < 5000; ++i) {
    Element& added = slab.add();
    CHECK(added.value == 7);
    CHECK(slab.size() == i + 1);
    added.value = i;
    places.push_back(&added);
  }
  const Slab<Element>& seen = slab;
  for (uint32_t i = 0; i < 5000; ++i) {
    CHECK(&slab[i] == places[i]);
    CHECK(seen[i].value == i);
  }
}

TEST_CASE("slab: what is not used yet is not touched") {
  Slab<Element> slab;
  auto* const first = reinterpret_cast<uint8_t*>(&slab.add());
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t pages = 1000 * sizeof(Element) / page;
  std::vector<unsigned char> resident(pages);
  REQUIRE(::mincore(first, pages * page, resident.data()) == 0);
  CHECK((resident[0] & 1) == 1);
  size_t touched = 0;
  for (const unsigned char each : resident) touched += each & 1u;
  CHECK(touched == 1);
}

TEST_CASE("slab: its end gives the memory back") {
  void* place;
  {
    Slab<Element> slab;
    place = &slab.add();
    CHECK(::msync(place, sizeof(Element), MS_ASYNC) == 0);
  }
  CHECK(::msync(place, sizeof(Element), MS_ASYNC) != 0);
}

}  // namespace
}  // namespace sluice
