// The page of the admin address: one file (admin_page.html) with all that it needs, which the build
// puts into the program.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Good for ever.
std::string_view admin_page();

// Its Content-Security-Policy: its own style and script run, by their hashes, and nothing else; it
// asks nobody but whom it came from. Throws std::bad_alloc.
std::string admin_page_policy();

}  // namespace sluice
