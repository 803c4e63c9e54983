// What a log shows of a request's query: the values of parameters that are likely to be secrets are
// written as ***.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice {

// The target with those values masked. `names` are lower case; a parameter's own name counts in
// either case, and percent-encoded as well. Where a name stands behind a ';' inside another one's
// value, which some servers take for a separator, everything up to the next '&' is masked.
std::string with_masked_query(std::string_view target, std::span<const std::string> names);

}  // namespace sluice
