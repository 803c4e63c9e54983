// Close codes: every number against the table of protocol/BAD_INPUT.md.
#include "protocol/close_code.h"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace sluice;

TEST_CASE("close_code: exactly the codes of the table may stand on the wire") {
  struct Row {
    uint32_t first;
    uint32_t last;
    bool allowed;
  };
  constexpr Row table[] = {
      {0, 999, false},     {1000, 1003, true}, {1004, 1006, false},  {1007, 1014, true},
      {1015, 2999, false}, {3000, 4999, true}, {5000, 65535, false},
  };
  uint32_t next = 0;
  for (const Row& row : table) {
    REQUIRE(row.first == next);
    for (uint32_t code = row.first; code <= row.last; ++code) {
      CAPTURE(code);
      REQUIRE(close_code_allowed_on_wire(static_cast<uint16_t>(code)) == row.allowed);
    }
    next = row.last + 1;
  }
  CHECK(next == 65536);
}

TEST_CASE("close_code: what sluice sends is allowed") {
  for (const CloseCode code :
       {CloseCode::normal, CloseCode::going_away, CloseCode::protocol_error,
        CloseCode::invalid_data, CloseCode::policy_violation, CloseCode::message_too_big,
        CloseCode::internal_error, CloseCode::service_restart, CloseCode::bad_gateway}) {
    CAPTURE(static_cast<int>(code));
    CHECK(close_code_allowed_on_wire(static_cast<uint16_t>(code)));
  }
}
