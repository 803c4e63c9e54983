// wake_promptly() by Linux, whose timers of a thread are late by its slack.
#include <sys/prctl.h>

#include "tests/load/common_nap.h"

namespace sluice::load {

void wake_promptly() {
  ::prctl(PR_SET_TIMERSLACK, 1);
}

}  // namespace sluice::load
