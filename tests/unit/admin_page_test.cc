// The page: it fits, brings all that it needs, and its policy names its own style and script.
#include "core/process/admin_page.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

size_t times(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_CASE("admin page: one file of at most 60 KB with one style and one script") {
  const std::string_view page = admin_page();
  CHECK(page.size() < 60 * 1024);
  CHECK(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(times(page, "<style") == 1);
  CHECK(times(page, "<script") == 1);
  CHECK(times(page, "<style>") == 1);
  CHECK(times(page, "<script>") == 1);
}

TEST_CASE("admin page: it loads nothing, and no text becomes markup or code") {
  const std::string_view page = admin_page();
  for (const char* const never :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
        "setTimeout('", " style=\"", " onclick=", " src=", "@import", "url(", "https:"}) {
    CAPTURE(never);
    CHECK(times(page, never) == 0);
  }
  CHECK(times(page, "http:") == times(page, "http://www.w3.org/2000/svg"));  // a name, no address
}

TEST_CASE("admin page: its policy lets nothing else run or load") {
  const std::string policy = admin_page_policy();
  CHECK(policy.starts_with("default-src 'none'; style-src 'sha256-"));
  CHECK(times(policy, "'sha256-") == 2);
  CHECK(times(policy, "=' ") + times(policy, "=';") == 2);  // 32 bytes in base64 end so
  CHECK(times(policy, "unsafe") == 0);
  CHECK(policy.ends_with("; frame-ancestors 'none'"));
  CHECK(policy.find('\n') == std::string::npos);
}

}  // namespace
}  // namespace sluice
