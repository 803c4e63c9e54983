// Resumption's bounds. A session's marks are numbers in the place of OpenSSL's pointers, which it
// copies where it renews a session.
#include "tls/resumption.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

#include "net/sys.h"
#include "tls/credentials.h"

namespace sluice {

namespace {

static_assert(sizeof(void*) >= sizeof(int64_t), "a mark is a number in a pointer's place");

struct Marks {
  int at = SSL_SESSION_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  int ends = SSL_SESSION_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
};

const Marks& marks() {
  static const Marks indexes;
  return indexes;
}

void* as_mark(int64_t seconds) {
  return reinterpret_cast<void*>(seconds);  // NOLINT: nobody follows it
}
int64_t as_seconds(const void* mark) {
  return reinterpret_cast<int64_t>(mark);
}

}  // namespace

int64_t system_wall_clock_s() {
  return static_cast<int64_t>(sys::wall_clock_ms() / 1000);
}

Authentication authentication_of(const SSL* ssl, int64_t now_s) {
  Authentication found;
  found.at_s = now_s;
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    found.ends_s = std::min(found.ends_s, end_of(sk_X509_value(chain, i)));
  }
  return found;
}

uint32_t ResumptionPolicy::left_s(const Authentication& authentication) const {
  const int64_t now_s = clock();
  if (authentication.at_s > now_s) return 0;
  const int64_t until_s = std::min(authentication.at_s + lifetime_s, authentication.ends_s);
  return static_cast<uint32_t>(std::clamp<int64_t>(until_s - now_s, 0, lifetime_s));
}

void verify_by(const ResumptionPolicy& policy, SSL* ssl) {
  X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), static_cast<time_t>(policy.clock()));
}

bool mark_session(SSL_SESSION* session, const Authentication& authentication) {
  return SSL_SESSION_set_ex_data(session, marks().at, as_mark(authentication.at_s)) == 1 &&
         SSL_SESSION_set_ex_data(session, marks().ends, as_mark(authentication.ends_s)) == 1;
}

Authentication mark_of(const SSL_SESSION* session) {
  return Authentication{as_seconds(SSL_SESSION_get_ex_data(session, marks().at)),
                        as_seconds(SSL_SESSION_get_ex_data(session, marks().ends))};
}

}  // namespace sluice
