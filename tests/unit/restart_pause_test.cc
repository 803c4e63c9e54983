// RestartPause: at once, then ever longer, up to a limit; a worker that lived long forgets it all.
#include "core/process/restart_pause.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("restart_pause: quick deaths in a row pause longer and longer, up to a limit") {
  RestartPause pause;
  for (const uint64_t wanted :
       {0u, 100u, 200u, 400u, 800u, 1'600u, 3'200u, 6'400u, 12'800u, 25'600u}) {
    CHECK(pause.after_death_ms(RestartPause::quick_death_ms - 1) == wanted);
  }
  for (int i = 0; i < 100; ++i) CHECK(pause.after_death_ms(0) == 30'000);
}

TEST_CASE(
    "restart_pause: after a long life a successor starts at once, and so after its own death") {
  RestartPause pause;
  for (int i = 0; i < 5; ++i) pause.after_death_ms(0);
  CHECK(pause.after_death_ms(RestartPause::quick_death_ms) == 0);
  CHECK(pause.after_death_ms(0) == 0);
  CHECK(pause.after_death_ms(0) == 100);
}

TEST_CASE("restart_pause: a start that fails never comes again at once") {
  RestartPause pause;
  CHECK(pause.after_failed_start_ms() == 100);
  CHECK(pause.after_failed_start_ms() == 200);
  CHECK(pause.after_death_ms(0) == 200);  // three in a row
}

}  // namespace
}  // namespace sluice
