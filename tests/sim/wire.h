// Wire: what a simulated peer writes to and reads from: its connection as it is, or TLS inside it.
#pragma once

#include <string>
#include <string_view>

#include "tests/sim/connection.h"

namespace sluice::sim {

class TlsWire;

// Plain: whatever is asked of it goes to the connection.
class Wire {
 public:
  explicit Wire(Connection& connection) : connection_(connection) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  virtual ~Wire() = default;

  // `user` hears of bytes and ends.
  virtual void attach(PeerEnd& user) { connection_.peer = &user; }
  virtual void write(std::string_view bytes) { connection_.write(bytes); }
  virtual void finish() { connection_.finish(); }
  virtual void close_both() { connection_.close_both(); }
  // At most `bytes` off the connection; what they say may be more or less than that.
  virtual std::string read(size_t bytes) { return connection_.read(bytes); }
  virtual size_t unread() const { return connection_.unread_by_peer(); }
  virtual const TlsWire* tls() const { return nullptr; }
  virtual void reset() { connection_.reset(); }
  virtual void mark_urgent() { connection_.mark_urgent(); }
  virtual bool gone() const { return connection_.peer_gone(); }

  uint32_t number() const { return connection_.number(); }
  Connection& connection() { return connection_; }

 protected:
  Connection& connection_;
};

}  // namespace sluice::sim
