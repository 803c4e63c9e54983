// wake_promptly() where no system call for it is known to us.
#include "tests/load/common_nap.h"

namespace sluice::load {

void wake_promptly() {}

}  // namespace sluice::load
