// Systems where nothing is known for it: waits and ports are as they are.
#include "tests/load/common_system.h"

namespace sluice::load {

void wake_promptly() {}

void choose_port_late(int) {}

}  // namespace sluice::load
