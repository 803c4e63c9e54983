// ProcessMeter: what it tells grows with what the process takes.
#include "net/sys_use.h"

#include <doctest/doctest.h>

#include <vector>

#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

TEST_CASE("sys_use: memory and descriptors are those that the process has") {
  const sys::ProcessMeter meter;
  const sys::ProcessUse before = meter.read();
  if (before.resident_bytes == 0) return;  // there is no /proc
  std::vector<char> touched(64 << 20, 'x');
  const sys::ProcessUse after = meter.read();
  CHECK(after.resident_bytes >= before.resident_bytes + touched.size() / 2);
  CHECK(after.virtual_bytes >= after.resident_bytes);
  CHECK(after.cpu_ms >= before.cpu_ms);
  if (before.descriptors == 0) return;  // the kernel is older than 6.2
  CHECK(before.descriptors == sys::held_descriptors());
}

TEST_CASE("sys_use: a child's meter is about the child") {
  CHECK(testing::run_in_child([] {
          const sys::ProcessMeter meter;
          const sys::ProcessUse use = meter.read();
          return use.descriptors == 0 || use.descriptors == sys::held_descriptors() ? 0 : 1;
        }) == 0);
}

}  // namespace
}  // namespace sluice
