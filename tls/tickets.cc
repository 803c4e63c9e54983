// Sealing as RFC 5077 section 4 recommends it: AES in CBC mode, then HMAC over it. The keys lie in
// one place of the process, because OpenSSL asks for them by a callback without a context of ours.
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "net/check.h"

namespace sluice {

namespace {

TicketKeys keys_in_use;

void fill(TicketKey& key) {
  SLUICE_CHECK(RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1);
  SLUICE_CHECK(RAND_priv_bytes(key.cipher_key.data(), static_cast<int>(key.cipher_key.size())) ==
               1);
  SLUICE_CHECK(RAND_priv_bytes(key.mac_key.data(), static_cast<int>(key.mac_key.size())) == 1);
}

// Fetched once, while contexts are made: OpenSSL would look the name up for each ticket.
EVP_CIPHER* sealing_cipher() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool begin_mac(EVP_MAC_CTX* mac, TicketKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key.data(), key.mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// A client of TLS 1.3 uses a ticket once (RFC 8446 C.4): without a new one it resumes every other
// time.
bool wants_another(SSL* ssl) {
  return SSL_version(ssl) >= TLS1_3_VERSION;
}

// The callback of SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 go on, 2 go on and renew the ticket, 0
// an unknown ticket, -1 a failure.
int choose_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* mac, int sealing) {
  constexpr int iv_bytes = 16;
  if (sealing != 0) {
    TicketKey& key = keys_in_use.current;
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, iv_bytes) != 1) return -1;
    const bool ready =
        EVP_EncryptInit_ex2(cipher, sealing_cipher(), key.cipher_key.data(), iv, nullptr) == 1;
    return ready && begin_mac(mac, key) ? 1 : -1;
  }
  for (TicketKey* key : {&keys_in_use.current, &keys_in_use.previous}) {
    if (std::memcmp(name, key->name.data(), key->name.size()) != 0) continue;
    const bool ready =
        EVP_DecryptInit_ex2(cipher, sealing_cipher(), key->cipher_key.data(), iv, nullptr) == 1;
    if (!ready || !begin_mac(mac, *key)) return -1;
    return key == &keys_in_use.current && !wants_another(ssl) ? 1 : 2;
  }
  return 0;
}

bool read_authentication(SSL_SESSION* session, Authentication& read) {
  void* data = nullptr;
  size_t bytes = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &bytes) != 1) return false;
  if (bytes != sizeof read) return false;
  std::memcpy(&read, data, sizeof read);
  return true;
}

// Before a ticket is sealed, as SSL_CTX_set_session_ticket_cb(3) wants it: 0 is a failure. One that
// renews another has its authentication already.
int write_authentication(SSL* ssl, void* policy_of_context) {
  const auto& policy = *static_cast<const ResumptionPolicy*>(policy_of_context);
  SSL_SESSION* const session = SSL_get_session(ssl);
  Authentication authentication;
  const bool renewed = SSL_session_reused(ssl) == 1;
  if (!renewed || !read_authentication(session, authentication)) {
    authentication = authentication_of(ssl, policy.clock());
    if (SSL_SESSION_set1_ticket_appdata(session, &authentication, sizeof authentication) != 1) {
      return 0;
    }
  }
  // The client is told this lifetime. TLS 1.2 counts it from the first ticket anyway. OpenSSL makes
  // another number of 0 while it seals, and then the TLS handshake fails; a session whose lifetime
  // is over is refused anyway.
  if (!renewed || SSL_version(ssl) >= TLS1_3_VERSION) {
    SSL_SESSION_set_timeout(session, std::max<long>(policy.left_s(authentication), 1));
  }
  return 1;
}

// After a ticket was opened, or could not be. What is not taken ends in a whole TLS handshake.
SSL_TICKET_RETURN judge_ticket(SSL*, SSL_SESSION* session, const unsigned char*, size_t,
                               SSL_TICKET_STATUS status, void* policy_of_context) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const auto& policy = *static_cast<const ResumptionPolicy*>(policy_of_context);
  Authentication authentication;
  const bool good =
      read_authentication(session, authentication) && policy.left_s(authentication) > 0;
  if (!good) return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

TicketKeys make_ticket_keys() {
  TicketKeys keys;
  fill(keys.current);
  fill(keys.previous);
  return keys;
}

void rotate_ticket_keys(TicketKeys& keys) {
  keys.previous = keys.current;
  fill(keys.current);
}

void use_ticket_keys(const TicketKeys& keys) {
  keys_in_use = keys;
}

void enable_tickets(SSL_CTX* context, const ResumptionPolicy& policy) {
  SLUICE_CHECK(sealing_cipher() != nullptr);
  SSL_CTX_set_timeout(context, static_cast<long>(policy.lifetime_s));
  // Read only, there.
  SSL_CTX_set_session_ticket_cb(context, write_authentication, judge_ticket,
                                const_cast<ResumptionPolicy*>(&policy));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_key);
  // One a connection: a client that comes back needs no second one.
  SSL_CTX_set_num_tickets(context, 1);
}

void disable_tickets(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
}

}  // namespace sluice
