// What the tests of records share: legs of OpenSSL's SSL over memory, one end of which is then
// continued by TlsRecords, and legs between two TlsRecords.
#pragma once

#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/tls_identity.h"
#include "tests/unit/tls_records_forge.h"
#include "tls/openssl_ptr.h"
#include "tls/records.h"

namespace sluice::testing {

struct Flavour {
  bool tls13;
  TlsSuite suite;
  const char* name;  // OpenSSL's

  uint8_t hash_bytes() const { return suite == TlsSuite::aes256_gcm ? 48 : 32; }
  TlsCipher cipher() const { return {tls13, suite, hash_bytes()}; }
};
inline constexpr Flavour flavours[] = {
    {true, TlsSuite::aes128_gcm, "TLS_AES_128_GCM_SHA256"},
    {true, TlsSuite::aes256_gcm, "TLS_AES_256_GCM_SHA384"},
    {true, TlsSuite::chacha20_poly1305, "TLS_CHACHA20_POLY1305_SHA256"},
    {false, TlsSuite::aes128_gcm, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {false, TlsSuite::aes256_gcm, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {false, TlsSuite::chacha20_poly1305, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

inline std::string from_hex(std::string_view text) {
  std::string bytes;
  int half = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (half >= 0) bytes += static_cast<char>(half << 4 | digit);
    half = half >= 0 ? -1 : digit;
  }
  return bytes;
}

inline std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  REQUIRE(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
  return bytes;
}

inline std::span<uint8_t> span_of(std::string& bytes) {
  return {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()};
}
inline std::string text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A leg's end with room for what it says. `sent` is all that it has to send.
struct RecordsEnd {
  explicit RecordsEnd(TlsLegKeys keys, uint32_t silent = TlsRecords::most_silent_records)
      : records(std::move(keys), silent) {}

  bool send(std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    return seal({{&piece, 1}, 0, text.size()});
  }
  bool seal(const TlsPlaintext& plaintext) {
    std::string room(plaintext.count + TlsRecords::most_seal_overhead_bytes, '\0');
    TlsRecords::Output output{span_of(room), 0};
    const bool sealed = records.seal(plaintext, output);
    sent.append(room, 0, output.bytes);
    return sealed;
  }
  // One record, or the kind of what it is instead; data is added to `got`.
  TlsRecords::Kind take_one(std::string& raw) {
    TlsRecords::Kind kind{};
    answer([&](TlsRecords::Output& answers) {
      const TlsRecords::Taken taken = records.take(span_of(raw), answers);
      got += text_of(taken.data);
      raw.erase(0, taken.bytes);
      kind = taken.kind;
    });
    return kind;
  }
  // All of it; what the last one was.
  TlsRecords::Kind take(std::string raw) {
    TlsRecords::Kind kind{};
    do {
      kind = take_one(raw);
    } while (!raw.empty() && kind != TlsRecords::Kind::partial && kind != TlsRecords::Kind::failed);
    return kind;
  }
  void update_key(bool ask_peer) {
    answer([&](TlsRecords::Output& answers) { records.update_key(answers, ask_peer); });
  }
  void close() {
    answer([&](TlsRecords::Output& answers) { records.close(answers); });
  }
  std::string take_sent() { return std::exchange(sent, ""); }
  std::string take_got() { return std::exchange(got, ""); }

  TlsRecords records;
  std::string sent;
  std::string got;

 private:
  template <class Call>
  void answer(Call call) {
    std::string room(TlsRecords::most_answer_bytes, '\0');
    TlsRecords::Output answers{span_of(room), 0};
    call(answers);
    sent.append(room, 0, answers.bytes);
  }
};

// Keys that nobody else has, for a leg without OpenSSL's SSL.
struct OwnKeys {
  explicit OwnKeys(const Flavour& chosen) : flavour(chosen) {
    for (Forger* each : {&client, &server}) {
      each->tls13 = flavour.tls13;
      each->suite = flavour.suite;
      each->secret = random_bytes(flavour.hash_bytes());
      each->key = random_bytes(flavour.cipher().key_bytes());
      each->iv = random_bytes(12);
      if (flavour.tls13) each->derive();
    }
  }
  TlsLegKeys of(bool is_server) const {
    TlsLegKeys keys{flavour.cipher(), is_server, {}, {}};
    const auto taken = [](const Forger& from) {
      return keys_from(from.secret, from.key, from.iv, from.sequence);
    };
    keys.out = taken(is_server ? server : client);
    keys.in = taken(is_server ? client : server);
    return keys;
  }

  Flavour flavour;
  Forger client, server;  // senders
};

// Of OpenSSL's SSL, a client and a server over memory, whose secrets are told.
class SslLeg {
 public:
  explicit SslLeg(const Flavour& chosen) : flavour(chosen) {
    static const Identity identity = make_identity({.common_name = "a.example"});
    for (const bool is_server : {false, true}) {
      ContextPtr context(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
      const int version = flavour.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
      SSL_CTX_set_min_proto_version(context.get(), version);
      SSL_CTX_set_max_proto_version(context.get(), version);
      SSL_CTX_set_num_tickets(context.get(), 0);
      SSL_CTX_use_certificate(context.get(), identity.certificate.get());
      SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
      SSL_CTX_set_keylog_callback(context.get(), note_secret);
      REQUIRE((flavour.tls13 ? SSL_CTX_set_ciphersuites(context.get(), flavour.name)
                             : SSL_CTX_set_cipher_list(context.get(), flavour.name)) == 1);
      SslPtr& ssl = is_server ? server : client;
      ssl.reset(SSL_new(context.get()));
      SSL_set_app_data(ssl.get(), this);
      SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
      is_server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    }
    for (int i = 0; i < 4; ++i) {
      SSL_do_handshake(client.get());
      give(server.get(), sent_by(client.get()));
      SSL_do_handshake(server.get());
      give(client.get(), sent_by(server.get()));
    }
    REQUIRE(SSL_is_init_finished(client.get()));
    REQUIRE(SSL_is_init_finished(server.get()));
  }

  static std::string sent_by(SSL* ssl) {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl)), '\0');
    BIO_read(SSL_get_wbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  static void give(SSL* ssl, const std::string& bytes) {
    BIO_write(SSL_get_rbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
  }
  // All that it has got by now.
  static std::string read(SSL* ssl) {
    std::string text;
    char buffer[20'000];
    size_t count = 0;
    while (SSL_read_ex(ssl, buffer, sizeof buffer, &count) == 1) text.append(buffer, count);
    return text;
  }
  static std::string write(SSL* ssl, const std::string& text) {
    size_t written = 0;
    REQUIRE(SSL_write_ex(ssl, text.data(), text.size(), &written) == 1);
    return sent_by(ssl);
  }
  SSL* end(bool is_server) const { return is_server ? server.get() : client.get(); }

  // To go on in the place of that end, which must not be used any more.
  TlsLegKeys keys_of(bool is_server) {
    TlsLegKeys keys{flavour.cipher(), is_server, {}, {}};
    if (flavour.tls13) {
      keys.out = keys_from(secrets[is_server], "", "");
      keys.in = keys_from(secrets[!is_server], "", "");
      REQUIRE(keys.out.derive(keys.cipher));
      REQUIRE(keys.in.derive(keys.cipher));
      return keys;
    }
    const size_t key_bytes = keys.cipher.key_bytes();
    const size_t iv_bytes = keys.cipher.explicit_nonce() ? 4 : 12;
    const std::string block = key_block(2 * (key_bytes + iv_bytes));
    for (const bool of_server : {false, true}) {
      std::string iv = block.substr(2 * key_bytes + (of_server ? iv_bytes : 0), iv_bytes);
      if (iv.size() < 12) iv += random_bytes(8);  // where OpenSSL's stood does not matter here
      (of_server == is_server ? keys.out : keys.in) =
          keys_from("", block.substr(of_server ? key_bytes : 0, key_bytes), iv, 1);  // Finished: 0
    }
    return keys;
  }

  Flavour flavour;
  SslPtr client, server;
  std::string secrets[2];  // of the client's and of the server's direction

 private:
  static void note_secret(const SSL* ssl, const char* line) {
    auto* const self = static_cast<SslLeg*>(SSL_get_app_data(ssl));
    const std::string_view text = line;
    const std::string secret = from_hex(text.substr(text.rfind(' ') + 1));
    if (text.starts_with("CLIENT_TRAFFIC_SECRET_0")) self->secrets[0] = secret;
    if (text.starts_with("SERVER_TRAFFIC_SECRET_0")) self->secrets[1] = secret;
  }
  // RFC 5246 6.3.
  std::string key_block(size_t bytes) {
    unsigned char master[48], random[64];
    SSL_SESSION_get_master_key(SSL_get_session(client.get()), master, sizeof master);
    SSL_get_server_random(client.get(), random, 32);
    SSL_get_client_random(client.get(), random + 32, 32);
    EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
    EVP_KDF_CTX* const context = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    if (flavour.suite == TlsSuite::aes256_gcm) std::string("SHA384").copy(digest, 6);
    char label[] = "key expansion";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, sizeof label - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random, sizeof random),
        OSSL_PARAM_construct_end()};
    std::string block(bytes, '\0');
    REQUIRE(EVP_KDF_derive(context, reinterpret_cast<unsigned char*>(block.data()), bytes,
                           parameters) == 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return block;
  }
};

}  // namespace sluice::testing
