// Address: one IPv4, IPv6 or unix socket address, as text and as the kernel wants it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.h"

namespace sluice {

// A value: copied freely, owns nothing outside itself.
class Address {
 public:
  Address() = default;

  // Numeric forms only, no name is resolved: "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock",
  // "8080" and ":8080" (0.0.0.0). A host name is a Fault. Port 0 is taken: the kernel chooses.
  static Result<Address> parse(std::string_view text);
  // From a numeric host (without brackets) and a port.
  static Result<Address> from_ip(std::string_view host, uint16_t port);
  // Not empty, without NUL, at most as long as sun_path with its final NUL (107 bytes on Linux).
  static Result<Address> from_unix_path(std::string_view path);
  // From accept4, getsockname, getaddrinfo.
  static Address from_sockaddr(const sockaddr* address, socklen_t length);

  int family() const { return storage_.any.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  uint16_t port() const;  // 0 for unix
  void set_port(uint16_t port);

  // "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock" (an unnamed unix peer is "unix:").
  std::string text() const;
  // The host alone, as X-Forwarded-For carries it: "127.0.0.1", "::1", "unix:" for unix sockets.
  std::string host_text() const;
  std::string unix_path() const;
  // 0.0.0.0 or [::], which take every address of their family.
  bool is_any() const;
  // Of 127.0.0.0/8, or [::1]: who connects from there is on this machine.
  bool is_loopback() const;

  const sockaddr* raw() const { return &storage_.any; }
  socklen_t raw_length() const { return length_; }

  // As texts are equal.
  friend bool operator==(const Address& a, const Address& b);

 private:
  union Storage {
    sockaddr any;
    sockaddr_storage most;
    Storage() : most{} {}
  } storage_;
  socklen_t length_ = 0;
};

// Whether both could not be bound at once by programs that know nothing of each other: 0.0.0.0:80
// takes every IPv4 address's port 80, [::]:80 every IPv6 address's.
bool overlap(const Address& a, const Address& b);

// All addresses of a host name, in the resolver's order, never none. Blocks: only the master, at
// start, calls it (core/DESIGN.md section 7, addresses).
Result<std::vector<Address>> resolve_blocking(const std::string& host, uint16_t port);

}  // namespace sluice
