// The directive table's rows, a file for each kind of section: its opener, then what belongs to it.
// What several sections take stands with the first of them, or at the top.
#pragma once

#include <span>

#include "core/conf/directives.h"

namespace sluice {

std::span<const Directive> top_rows();
std::span<const Directive> listen_rows();
std::span<const Directive> upstream_rows();
std::span<const Directive> route_rows();

}  // namespace sluice
