// What a route's `return` answers.
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"

namespace sluice {

// The answer as HTTP/1.1, without its body where `method` is HEAD. `location` is the reply's,
// filled in; "" where it has none.
std::string reply_text(const Reply& reply, std::string_view location, std::string_view method,
                       bool keep_alive);

}  // namespace sluice
