// sys, terminals: POSIX' termios, and the ioctl for the size that all kernels have.
#include "net/sys_terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace sluice::sys {

namespace {

termios before;  // of the one terminal that a process has
bool taken = false;

}  // namespace

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row};
}

bool take_keys(int fd) {
  if (::tcgetattr(fd, &before) != 0) return false;
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  taken = ::tcsetattr(fd, TCSADRAIN, &raw) == 0;
  return taken;
}

void give_keys_back(int fd) {
  if (taken) ::tcsetattr(fd, TCSADRAIN, &before);
  taken = false;
}

void wait_readable_either(int one, int other, int timeout_ms) {
  pollfd both[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
  ::poll(both, 2, timeout_ms);
}

}  // namespace sluice::sys
