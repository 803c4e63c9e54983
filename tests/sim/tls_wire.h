// TlsWire: a peer's TLS over its connection, by OpenSSL between two memory buffers. What is written
// before the TLS handshake is done waits for it.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "tests/sim/random.h"
#include "tests/sim/tls_habits.h"
#include "tests/sim/wire.h"
#include "tls/openssl_ptr.h"

namespace sluice::sim {

class TlsWire final : public Wire, private PeerEnd {
 public:
  // `refusable`: the proxy may rightly refuse this peer's TLS.
  TlsWire(Connection& connection, SslPtr ssl, const TlsHabits& habits, bool refusable,
          uint64_t random_seed);

  void start() { drive(); }                                  // clients speak first
  void adopt(const TlsHabits& habits) { habits_ = habits; }  // once it is known who speaks

  void attach(PeerEnd& user) override { user_ = &user; }
  void write(std::string_view bytes) override;
  void finish() override { leave(Leaving::half); }
  void close_both() override { leave(Leaving::both); }
  std::string read(size_t bytes) override;
  size_t unread() const override { return connection_.unread_by_peer() + plain_.size(); }
  const TlsWire* tls() const override { return this; }

  bool secured() const { return secured_; }    // the TLS handshake is done, as this side knows
  bool notified() const { return notified_; }  // the proxy's close_notify has come
  bool sent_notify() const { return sent_notify_; }
  bool troubled() const { return troubled_; }
  bool broken() const { return broken_; }
  // Sent key updates without end: the proxy may end it at any time, without a word.
  bool flooded() const { return flooded_; }
  const std::string& written() const { return written_; }  // plaintext, sent or not
  // The plaintext whose records are whole within so many bytes of what was sent.
  uint64_t plaintext_within(uint64_t ciphertext) const;

 private:
  enum class Leaving : uint8_t { no, half, both };
  struct Mark {
    uint64_t ciphertext;
    uint64_t plaintext;
  };

  void on_bytes() override;
  void on_fin() override;
  void on_reset() override;

  void feed(size_t bytes);
  void drive();
  void pull();
  void encrypt(std::string_view bytes);
  std::string take_outgoing();
  void send_handshake();
  void transmit(std::string_view bytes);
  void strike_handshake(std::string_view flight, size_t at);
  void strike(const std::string& record);
  void flood(const std::string& record);
  void leave(Leaving how);
  void go(Leaving how);
  void notify();
  void break_off();

  SslPtr ssl_;
  BIO* in_;   // ssl_'s
  BIO* out_;  // ssl_'s
  TlsHabits habits_;
  bool refusable_;
  Random random_;
  PeerEnd* user_ = nullptr;
  std::string written_;
  std::string pending_;  // plaintext that awaits the TLS handshake
  std::string plain_;    // received and not read yet
  uint64_t encrypted_ = 0;
  uint64_t transmitted_ = 0;
  std::deque<Mark> marks_;
  Leaving leaving_ = Leaving::no;  // awaits the TLS handshake
  bool secured_ = false;
  bool notified_ = false;
  bool sent_notify_ = false;
  bool troubled_ = false;
  bool flooded_ = false;
  bool broken_ = false;
  bool mute_ = false;  // writes nothing more
  bool got_fin_ = false;
  bool end_told_ = false;
};

}  // namespace sluice::sim
