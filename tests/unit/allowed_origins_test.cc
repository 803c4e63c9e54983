// Which pages a route's WebSockets may be opened from.
#include "core/allowed_origins.h"

#include <doctest/doctest.h>

#include <string_view>

using namespace sluice;

namespace {

const Origin asked{"https", "edge.example", 443};

OriginPattern pattern(const char* scheme, const char* host, uint16_t port, bool below) {
  return {{scheme, host, port}, below};
}

}  // namespace

TEST_CASE("allowed origins: a page is compared whole") {
  AllowedOrigins allowed;
  CHECK(!allowed.given());
  allowed.patterns = {pattern("https", "a.example", 443, false)};
  CHECK(allowed.given());
  CHECK(allowed.allow("https://a.example", asked));
  CHECK(allowed.allow("https://A.EXAMPLE:443", asked));
  for (const char* other :
       {"http://a.example", "https://a.example:8443", "https://b.a.example", "https://xa.example",
        "https://a.example.evil", "https://a.example.", "null", "", "https://edge.example",
        "https://a.example/", "https://a.example, https://a.example"}) {
    CAPTURE(other);
    CHECK(!allowed.allow(other, asked));
  }
}

TEST_CASE("allowed origins: hosts below one, at any depth, and not itself") {
  AllowedOrigins allowed;
  allowed.patterns = {pattern("", "b.example", 0, true)};
  CHECK(allowed.allow("https://x.b.example", asked));
  CHECK(allowed.allow("http://x.y.b.example", asked));
  for (const char* other :
       {"https://b.example", "https://xb.example", "https://.b.example", "https://x.b.example:444",
        "ftp://x.b.example", "https://x.b.example.evil"}) {
    CAPTURE(other);
    CHECK(!allowed.allow(other, asked));
  }
  allowed.patterns = {pattern("", "b.example", 8443, false)};
  CHECK(allowed.allow("https://b.example:8443", asked));
  CHECK(!allowed.allow("https://b.example", asked));
}

TEST_CASE("allowed origins: the same one is of the same scheme, host and port") {
  AllowedOrigins allowed;
  allowed.same_origin = true;
  CHECK(allowed.allow("https://edge.example", asked));
  CHECK(!allowed.allow("http://edge.example", asked));
  CHECK(!allowed.allow("https://edge.example:8443", asked));
  CHECK(!allowed.allow("https://other.example", asked));
  CHECK(!allowed.allow("null", asked));
  CHECK(!allowed.allow("https://edge.example", Origin()));
}

TEST_CASE("allowed origins: null only where it is named, all where the conf says so") {
  AllowedOrigins allowed;
  allowed.null = true;
  CHECK(allowed.given());
  CHECK(allowed.allow("null", asked));
  CHECK(!allowed.allow("NULL", asked));
  CHECK(!allowed.allow("https://a.example", asked));
  AllowedOrigins all;
  all.all = true;
  CHECK(all.given());
  CHECK(all.allow("null", asked));
  CHECK(all.allow("nonsense", asked));
}
