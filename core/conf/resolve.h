// From draft to Config: inheritance, references, and what is missing.
#pragma once

#include <string>
#include <vector>

#include "core/conf/draft.h"

namespace sluice {

// Fills draft.config's listeners, upstreams and routes; errors are added in no order of their own.
// Warnings are about confs that are legal, but hardly meant.
void resolve_conf(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings);

}  // namespace sluice
