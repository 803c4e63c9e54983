// TlsHabits: how a simulated peer speaks TLS, and the one thing that it does wrong, decided before.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::sim {

struct TlsTrouble {
  enum class Kind : uint8_t {
    none,
    damage,     // a bit of a record is changed
    truncate,   // FIN in the middle of a record or behind one, without close_notify
    stall,      // nothing more is written
    plaintext,  // bytes outside of TLS
    alert,      // a fatal alert, then FIN
    key_flood,  // key updates without end, or nearly so
    notify,     // close_notify, and neither FIN nor anything else
  };
  Kind kind = Kind::none;
  bool in_handshake = false;
  // Where: in the TLS handshake a count of ciphertext, after it one of plaintext.
  uint64_t at = 0;
};

struct TlsHabits {
  bool notifies = true;           // close_notify before its FIN
  bool leaves_at_notify = false;  // takes the proxy's close_notify for the end, else its FIN
  bool hasty = false;             // leaves in the middle of a TLS handshake, if it is time to
  bool resumes = true;
  bool certified = true;  // has a certificate for who asks
  unsigned key_update_percent = 0;
  unsigned hello_requests = 0;  // a server's, before its part of the TLS handshake
  size_t most_record_bytes = 16 * 1024;
  TlsTrouble trouble;
};

}  // namespace sluice::sim
