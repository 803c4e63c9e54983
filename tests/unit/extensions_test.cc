// Which offers of permessage-deflate travel: RFC 7692 section 7.1.
#include "protocol/extensions.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TEST_CASE("offers of permessage-deflate that are well-formed (RFC 7692 7.1)") {
  for (const char* good :
       {"permessage-deflate", "Permessage-Deflate", "permessage-deflate ; client_max_window_bits",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
        "permessage-deflate;server_no_context_takeover;client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=8; server_max_window_bits=\"9\"",
        "permessage-deflate; SERVER_MAX_WINDOW_BITS = 10"}) {
    CAPTURE(good);
    CHECK(names_deflate(good));
    CHECK(deflate_offer_valid(good));
  }
  for (const char* bad :
       {"", "x", "server_no_context_takeover=1",
        "server_no_context_takeover=", "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=10", "server_max_window_bits",
        "server_max_window_bits=", "server_max_window_bits=7", "server_max_window_bits=16",
        "server_max_window_bits=010", "server_max_window_bits=+9", "server_max_window_bits=\"9",
        "server_max_window_bits=9 9", "client_max_window_bits=", "client_max_window_bits=1e1",
        "client_max_window_bits;", "; client_max_window_bits"}) {
    const std::string offer = std::string("permessage-deflate; ") + bad;
    CAPTURE(offer);
    CHECK(names_deflate(offer));
    CHECK(!deflate_offer_valid(offer));
  }
  CHECK(!names_deflate("permessage-deflated"));
  CHECK(!names_deflate("x-webkit-deflate-frame"));
  CHECK(!names_deflate(""));
  CHECK(!deflate_offer_valid("permessage-bzip2"));
}

}  // namespace
}  // namespace sluice
