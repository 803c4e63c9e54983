// OwnUse: time used goes on counting over processes.
#include "core/process/own_use.h"

#include <doctest/doctest.h>

#include "net/sys_process.h"

namespace sluice {
namespace {

TEST_CASE("own use: a process adds its own time to what others used before") {
  ProcessGauges told;
  told.cpu_ms.add(1'000'000);
  OwnUse use(told);
  use.tell();
  const uint64_t first = told.cpu_ms.value();
  CHECK(first >= 1'000'000);
  use.tell();
  CHECK(told.cpu_ms.value() >= first);
  CHECK(told.cpu_ms.value() < first + 10'000);  // not all of it again
  CHECK(told.most_descriptors.value() == sys::raise_descriptor_limit());
  told.clear();
  CHECK(told.most_descriptors.value() == 0);
  CHECK(told.resident_bytes.value() == 0);
  CHECK(told.cpu_ms.value() >= first);
}

}  // namespace
}  // namespace sluice
