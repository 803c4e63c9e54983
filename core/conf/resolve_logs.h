// What a conf's lines about logs come to, once all of them are read: access_log's format.
#pragma once

#include <string>
#include <vector>

#include "core/conf/draft.h"

namespace sluice {

void resolve_logs(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings);

}  // namespace sluice
