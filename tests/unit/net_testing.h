// What the tests of net/ share: descriptors that close themselves, connected pairs, a folder that
// goes away, and code that runs in a child.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

#include "net/address.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice::testing {

// Far beyond what a loaded machine needs; only a test that fails waits this long.
inline constexpr int patience_ms = 10'000;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) sys::close(release());
  }

 private:
  int fd_ = -1;
};

struct Pair {
  Descriptor near;
  Descriptor far;
};

inline Pair unix_pair() {
  int fds[2];
  REQUIRE(sys::pair(fds) == 0);
  return Pair{Descriptor(fds[0]), Descriptor(fds[1])};
}

inline Address loopback() {
  const Result<Address> address = Address::parse("127.0.0.1:0");
  REQUIRE(address.ok());
  return address.value();
}

inline Address unix_address(const std::string& path) {
  const Result<Address> address = Address::from_unix_path(path);
  REQUIRE(address.ok());
  return address.value();
}

inline Descriptor bound_socket(const Address& address) {
  Descriptor fd(sys::stream_socket(address.family()));
  REQUIRE(sys::bind(fd.get(), address) == 0);
  return fd;
}

inline Descriptor listening_socket(const Address& address, int backlog = 64) {
  Descriptor fd = bound_socket(address);
  REQUIRE(sys::listen(fd.get(), backlog) == 0);
  return fd;
}

// A client on its way; on loopback the kernel finishes the handshake without accept().
inline Descriptor client_of(int listener) {
  const Address address = sys::local_address(listener);
  Descriptor fd(sys::stream_socket(address.family()));
  const int answer = sys::connect(fd.get(), address);
  REQUIRE((answer == 0 || answer == -EINPROGRESS));
  return fd;
}

inline Pair tcp_pair() {
  const Descriptor listener = listening_socket(loopback());
  Descriptor client = client_of(listener.get());
  sys::wait_readable(listener.get(), patience_ms);
  Address peer;
  Descriptor accepted(sys::accept(listener.get(), peer));
  return Pair{std::move(accepted), std::move(client)};
}

inline void send_text(int fd, const std::string& text) {
  REQUIRE(sys::send(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

// What is there now, or "" where there is nothing.
inline std::string recv_text(int fd) {
  char buffer[4096];
  const ssize_t got = sys::recv(fd, buffer, sizeof buffer);
  return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : std::string();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/sluice_test_XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Runs `body` in a forked child and returns the status of waitpid(); what `body` returns is the
// child's exit status. doctest's assertions do not work in there.
template <class Body>
int run_in_child(Body body) {
  const pid_t pid = sys::fork();
  if (pid == 0) sys::exit_now(body());
  REQUIRE(pid > 0);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) REQUIRE(errno == EINTR);
  return status;
}

}  // namespace sluice::testing
