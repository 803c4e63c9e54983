// sys of the platform, linked in place of net/sys_platform_linux.cc: one processor, and nothing to
// give up.
#include <cerrno>

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
int set_bind_address_no_port(int) {
  return 0;
}
int memory_file(size_t) {
  return -ENOSYS;
}
int seal_memory_file(int) {
  return -ENOSYS;
}
int forbid_new_privileges() {
  return 0;
}
int forbid_dumps() {
  return 0;
}

int forbid_gaining_capabilities() {
  return 0;
}
int drop_capabilities() {
  return 0;
}
bool can_forbid_files() {
  return false;
}
int forbid_files() {
  return 0;
}

}  // namespace sluice::sys
