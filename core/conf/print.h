// The effective conf (`sluice -T`): one file that says what a conf, its includes and the defaults
// come to.
#pragma once

#include <string>

#include "core/conf/draft.h"

namespace sluice {

// A conf itself, that means the same from any folder: includes in their place, file names from the
// root on, defaults said. References (${env:NAME}, ${file:PATH}) stand as they were written: no
// value of theirs is shown.
std::string effective_conf(const ConfDraft& draft);

}  // namespace sluice
