// Origins: what is one is written in one way alone, and none gets past a rule that does not name
// its host.
#include <string>

#include "core/allowed_origins.h"
#include "net/check.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string text_of(const Origin& origin) {
  const std::string port = origin.port == 0 ? "" : ":" + std::to_string(origin.port);
  return origin.scheme + "://" + origin.host + port;
}

AllowedOrigins rules() {
  AllowedOrigins allowed;
  allowed.same_origin = true;
  allowed.patterns = {{{"https", "a.example", 443}, false}, {{"", "b.example", 0}, true}};
  return allowed;
}

void run(std::string_view text) {
  static const AllowedOrigins allowed = rules();
  const Origin asked{"https", "edge.example", 8443};
  const std::optional<Origin> page = parse_origin(text);
  const bool let_in = allowed.allow(text, asked);
  if (!page) {
    SLUICE_CHECK(!let_in);
    return;
  }
  SLUICE_CHECK(!page->host.empty() && !page->scheme.empty());
  for (const char byte : page->host + page->scheme) {
    SLUICE_CHECK(byte > ' ' && byte != '/' && byte != '@' && byte != '\\');
    SLUICE_CHECK(byte < 'A' || byte > 'Z');
  }
  SLUICE_CHECK(parse_origin(text_of(*page)) == page);
  if (!let_in) return;
  SLUICE_CHECK(*page == asked || page->host == "a.example" || page->host.ends_with(".b.example"));
  SLUICE_CHECK(allowed.allow(text_of(*page), asked));
  SLUICE_CHECK(!AllowedOrigins().allow(text, asked));
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
