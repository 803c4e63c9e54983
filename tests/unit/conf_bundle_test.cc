// ConfBundle: what the master writes a worker reads, nobody else writes, and nothing is left of it.
#include "core/process/conf_bundle.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

ConfIds ids_of(const std::string& upstream) {
  ConfIds ids;
  ids.upstream(upstream);
  return ids;
}

TEST_CASE("conf bundle: a worker reads the ids and the recording") {
  const std::string recording(100'000, 'r');
  const uint64_t held = sys::held_descriptors();
  {
    Result<ConfBundle> made = ConfBundle::make(ids_of("chat"), recording);
    REQUIRE(made.ok());
    const ConfBundle bundle = std::move(made.value());
    const Result<MappedBundle> mapped = MappedBundle::map(::dup(bundle.fd()), bundle.bytes());
    REQUIRE(mapped.ok());
    CHECK(mapped.value().recording() == recording);
    CHECK(mapped.value().ids().bytes() == ids_of("chat").bytes());
  }
  CHECK(sys::held_descriptors() == held);
}

TEST_CASE("conf bundle: who gets the descriptor neither writes nor cuts it") {
  Result<ConfBundle> made = ConfBundle::make(ids_of("chat"), "secret");
  REQUIRE(made.ok());
  const int fd = made.value().fd();
  CHECK(::pwrite(fd, "x", 1, 0) < 0);
  CHECK(::ftruncate(fd, 1) < 0);
  CHECK(sys::map_file(fd, made.value().bytes(), true) == nullptr);
}

TEST_CASE("conf bundle: its end wipes it for all who have mapped it") {
  std::optional<MappedBundle> mapped;
  {
    Result<ConfBundle> made = ConfBundle::make(ids_of("chat"), "secret");
    REQUIRE(made.ok());
    const ConfBundle bundle = std::move(made.value());
    mapped.emplace(std::move(MappedBundle::map(::dup(bundle.fd()), bundle.bytes()).value()));
    REQUIRE(mapped->recording() == "secret");
  }
  CHECK(mapped->recording() == std::string(6, '\0'));
}

TEST_CASE("conf bundle: a child that is forked meanwhile wipes nothing") {
  Result<ConfBundle> made = ConfBundle::make(ids_of("chat"), "secret");
  REQUIRE(made.ok());
  const int status = testing::run_in_child([&made] {
    made.value().leave_to_parent();
    return 0;
  });
  CHECK(sys::exit_status(status) == 0);
  const Result<MappedBundle> mapped =
      MappedBundle::map(::dup(made.value().fd()), made.value().bytes());
  REQUIRE(mapped.ok());
  CHECK(mapped.value().recording() == "secret");
}

TEST_CASE("conf bundle: what is malformed is a Fault, and its descriptor is closed") {
  const uint64_t held = sys::held_descriptors();
  for (const size_t bytes : {1u, 4u, 12u, 15u, 16u}) {
    CAPTURE(bytes);
    const int fd = sys::memory_file(bytes);
    REQUIRE(fd >= 0);
    CHECK(MappedBundle::map(fd, bytes).ok() == (bytes == 16));  // four empty lists
  }
  const Result<MappedBundle> none = MappedBundle::map(sys::memory_file(4), 0);
  CHECK_FALSE(none.ok());
  CHECK(none.fault().error != 0);
  CHECK(sys::held_descriptors() == held);
}

}  // namespace
}  // namespace sluice
