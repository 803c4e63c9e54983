// The page that sluice-echo --page serves: a WebSocket client to try a server with from a browser.
#pragma once

#include <string>

namespace sluice::load {

// The whole answer to a GET: head and page. It loads nothing else. The page connects to the URL
// behind its own "#", or else to where it came from.
std::string page_answer();
// The page alone.
std::string page_text();

}  // namespace sluice::load
