// What the tests of core/process share: a child that serves until it is told to end, a log that is
// read while it grows, and a client that asks for something.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice::testing {

// Runs `body` in a forked child, whose exit status is what `body` returns. Killed at its end.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) : pid_(sys::fork()) {
    if (pid_ == 0) sys::exit_now(body());
    REQUIRE(pid_ > 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    sys::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const { REQUIRE(sys::kill(pid_, number) == 0); }
  bool running() const {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
  }
  // Its exit status; -1 where it was killed, or does not end in time.
  int wait() {
    const uint64_t deadline_ms = sys::monotonic_ms() + patience_ms;
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0) {
      if (sys::monotonic_ms() > deadline_ms) return -1;
      sys::wait_readable(-1, 1);
    }
    return std::exchange(pid_, 0) == ended ? sys::exit_status(status) : -1;
  }

 private:
  pid_t pid_;
};

// Whether `condition` comes true in time.
template <class Condition>
bool comes_true(Condition condition) {
  const uint64_t deadline_ms = sys::monotonic_ms() + patience_ms;
  while (!condition()) {
    if (sys::monotonic_ms() > deadline_ms) return false;
    sys::wait_readable(-1, 2);
  }
  return true;
}

inline std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Whether `text` comes to stand in the file.
inline bool comes_to_say(const std::string& path, const std::string& text) {
  return comes_true([&] { return content_of(path).find(text) != std::string::npos; });
}

// Whether whoever listens there takes a connection.
inline bool takes_connections(const Address& address) {
  const Descriptor fd(sys::stream_socket(address.family()));
  const int answer = sys::connect(fd.get(), address);
  if (answer != 0 && answer != -EINPROGRESS) return false;
  return comes_true([&] { return sys::writable_now(fd.get()); }) &&
         sys::take_socket_error(fd.get()) == 0;
}

// The answer to a request for `path`, or what came of it in time.
inline std::string answer_to(const Address& address, const std::string& path) {
  const Descriptor fd(sys::stream_socket(address.family()));
  const int answer = sys::connect(fd.get(), address);
  if (answer != 0 && answer != -EINPROGRESS) return "";
  comes_true([&] { return sys::writable_now(fd.get()); });
  send_text(fd.get(), "GET " + path + " HTTP/1.1\r\nHost: a.example\r\n\r\n");
  sys::wait_readable(fd.get(), patience_ms);
  return recv_text(fd.get());
}

}  // namespace sluice::testing
