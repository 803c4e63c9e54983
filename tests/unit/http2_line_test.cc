// Http2Line: the order of waiting, and who leaves from the middle of it.
#include "protocol/http2_line.h"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace sluice;

TEST_CASE("http2 line: first come, first out, whoever leaves meanwhile") {
  Http2Line line;
  Http2Line::Place places[5];
  CHECK(line.empty());
  for (uint32_t i = 0; i < 5; ++i) line.append(places[i], 100 + i);
  CHECK(&line.front() == &places[0]);
  CHECK(line.front_wants_bytes() == 100);
  line.leave(places[2]);
  line.leave(places[2]);
  line.leave(places[4]);
  line.append(places[2], 7);
  for (const int next : {0, 1, 3, 2}) {
    REQUIRE_FALSE(line.empty());
    CHECK(&line.front() == &places[next]);
    CHECK(line.front().in_line());
    line.leave(line.front());
    CHECK_FALSE(places[next].in_line());
  }
  CHECK(line.empty());
  line.append(places[4], 1);
  CHECK(&line.front() == &places[4]);
}
