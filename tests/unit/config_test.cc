// Config: who holds one, and its end in pieces.
#include "core/config.h"

#include <doctest/doctest.h>

#include <memory>
#include <utility>

using namespace sluice;

TEST_CASE("config: the last reference may take it, any other may not") {
  const uint32_t before = Config::living;
  ConfigRef one(new Config);
  ConfigRef two = one;
  CHECK(one.take_last() == nullptr);
  CHECK(one->references == 2);
  two = ConfigRef();
  const std::unique_ptr<Config> taken = one.take_last();
  REQUIRE(taken != nullptr);
  CHECK_FALSE(one);
  CHECK(one.take_last() == nullptr);
  CHECK(Config::living == before + 1);
}

TEST_CASE("config: taken apart, it is gone after as many steps as it has parts") {
  Config config;
  CHECK_FALSE(take_apart(config));
  config.routes.resize(100);
  config.upstreams.resize(20);
  config.listeners.resize(3);
  int steps = 0;
  while (take_apart(config)) ++steps;
  CHECK(steps >= 10);
  CHECK(steps <= 123);
  CHECK(config.routes.empty());
  CHECK(config.upstreams.empty());
  CHECK(config.listeners.empty());
}
