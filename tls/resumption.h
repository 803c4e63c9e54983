// Until when a TLS session may be resumed: never past the end of a certificate that its holder was
// believed for, and never longer than a lifetime counted from where that was verified, however
// often it was renewed since.
#pragma once

#include <openssl/types.h>

#include <cstdint>

struct ssl_session_st;  // SSL_SESSION, which openssl/types.h leaves out

namespace sluice {

// Seconds since 1970. Tests have others than the system's.
using WallClock = int64_t (*)();
int64_t system_wall_clock_s();

// When the peer of a session showed its certificate, and when the first of its verified chain ends;
// both outlive every renewal.
struct Authentication {
  int64_t at_s = 0;
  int64_t ends_s = INT64_MAX;  // no certificate was asked for
};

// The authentication of a connection whose TLS handshake was a whole one, at `now_s`.
Authentication authentication_of(const SSL* ssl, int64_t now_s);

struct ResumptionPolicy {
  uint32_t lifetime_s = 0;  // 0: nothing is resumed
  WallClock clock = system_wall_clock_s;

  // How long a session may still be resumed, 0 where not any more. A time that is yet to come is
  // none: the clock was set back.
  uint32_t left_s(const Authentication& authentication) const;
};

// Certificates are verified by the policy's clock as well.
void verify_by(const ResumptionPolicy& policy, SSL* ssl);

// A client's session carries its authentication with it, and into those that renew it. False where
// memory is short; one without is not to be resumed.
bool mark_session(ssl_session_st* session, const Authentication& authentication);
Authentication mark_of(const ssl_session_st* session);

}  // namespace sluice
