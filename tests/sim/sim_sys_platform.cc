// sys of the platform, linked in place of net/sys_platform_linux.cc: one processor, and nothing to
// give up.
#include "net/sys_platform.h"

namespace sluice::sys {

uint32_t processor_count() {
  return 1;
}
double processor_quota(const std::string&) {
  return 0;
}
void close_descriptors(int, std::span<const int>) {}
bool still_listens(int) {
  return true;
}
int forbid_new_privileges() {
  return 0;
}
int forbid_dumps() {
  return 0;
}

}  // namespace sluice::sys
