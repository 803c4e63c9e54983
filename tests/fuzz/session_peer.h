// Peer: a client or an upstream as the session target plays it, one end of a unix socket. It keeps
// everything that it sent and received.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sluice::fuzz {

class Peer {
 public:
  Peer() = default;
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void attach(int fd) { fd_ = fd; }  // non-blocking; its own from then on
  bool attached() const { return fd_ >= 0 || closed_; }

  // As much as the socket takes; the rest is forgotten.
  void send(std::span<const uint8_t> bytes);
  // At most so many bytes; returns how many came.
  size_t read(size_t most);
  void end_sending();
  // With unread input the other side sees a reset.
  void close();

  bool closed() const { return closed_; }
  bool ended() const { return ended_; }          // it closed, or its sending half
  bool heard_end() const { return heard_end_; }  // FIN or a reset
  const std::string& sent() const { return sent_; }
  const std::string& received() const { return received_; }

 private:
  std::string sent_;
  std::string received_;
  int fd_ = -1;
  bool closed_ = false;
  bool ended_ = false;
  bool heard_end_ = false;
};

}  // namespace sluice::fuzz
