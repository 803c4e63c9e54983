// Linux: a thread's timers are late by its slack, and bind() takes a port unless told otherwise.
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "tests/load/common_system.h"

namespace sluice::load {

void wake_promptly() {
  ::prctl(PR_SET_TIMERSLACK, 1);
}

void choose_port_late(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
}

}  // namespace sluice::load
