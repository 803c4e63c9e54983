// What each directive of TLS does, read off a TLS handshake with what the conf made.
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/conf_rows.h"
#include "tests/unit/tls_testing.h"

namespace sluice::testing {

namespace {

const Identity& client_identity() {
  static const Identity identity = test_authority().issue("client");
  return identity;
}

// A client of the listener that trusts anybody; with a certificate where `shows`.
std::unique_ptr<Conversation> meet_listener(const Config& config, bool shows,
                                            void (*change)(SSL*) = nullptr) {
  TlsClientSettings settings;
  settings.verify = false;
  Credentials credentials;
  if (shows) {
    credentials = credentials_of(client_identity());
    settings.credentials = &credentials;
  }
  const auto client = make_client(settings);
  auto met = std::make_unique<Conversation>(*config.listeners[0].tls, *client, "b.example");
  if (change != nullptr) change(met->client->ssl());
  met->shake();
  return met;
}

// The upstream's client with a server that takes certificates of the authority's.
std::unique_ptr<Conversation> meet_upstream(const Config& config) {
  TlsServerSettings settings = server_settings();
  settings.verify_client = VerifyClient::optional;
  settings.client_authorities = test_authority().pem();
  const auto server = make_server(std::move(settings));
  auto met = std::make_unique<Conversation>(*server, *config.upstreams[0].tls, "127.0.0.1");
  met->shake();
  return met;
}

std::string certificate_shown(const Config& config) {
  if (config.listeners[0].tls == nullptr) return "none";
  const auto met = meet_listener(config, false);
  const X509* shown = SSL_get0_peer_certificate(met->client->ssl());
  char name[64] = "nothing";
  if (shown != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
  }
  return name;
}

std::string response_stapled(const Config& config) {
  if (config.listeners[0].tls == nullptr) return "none";
  const auto met = meet_listener(
      config, false, [](SSL* ssl) { SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp); });
  const unsigned char* bytes = nullptr;
  const long count = SSL_get_tlsext_status_ocsp_resp(met->client->ssl(), &bytes);
  return std::to_string(count);
}

// Of the listener's side and of the upstream's: one of them is enough for a directive of both.
template <class Read>
std::string either(const Config& config, const std::string& wanted, Read read) {
  for (const auto& met : {meet_listener(config, false), meet_upstream(config)}) {
    if (read(met->client->ssl()) == wanted) return wanted;
  }
  return "";
}

// Each is restated, not shared, because a row takes plain functions.
std::string older_version(const Config& config) {
  return either(config, "TLSv1.2",
                [](const SSL* ssl) { return std::string(SSL_get_version(ssl)); });
}
std::string larger_cipher(const Config& config) {
  return either(config, "TLS_AES_256_GCM_SHA384",
                [](const SSL* ssl) { return std::string(SSL_get_cipher_name(ssl)); });
}

// Whether certificates are looked up in a CRL, by the listener or by the upstream's client.
std::string asks_crl(const Config& config) {
  const auto flags = [](SSL* ssl) {
    X509_STORE* const store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    return X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(store));
  };
  const bool asks = ((flags(meet_listener(config, true)->server->ssl()) |
                      flags(meet_upstream(config)->client->ssl())) &
                     X509_V_FLAG_CRL_CHECK) != 0;
  return asks ? "asks" : "does not";
}

// The listener's bound, or the upstream client's where only that is changed.
template <class Read>
std::string bound_of(const Config& config, long by_default, Read read) {
  const long own = read(SSL_get_SSL_CTX(meet_listener(config, false)->server->ssl()));
  const long other = read(SSL_get_SSL_CTX(meet_upstream(config)->client->ssl()));
  return std::to_string(own != by_default ? own : other);
}

std::string outcome_of(Handshake outcome) {
  return outcome == Handshake::done ? "done" : "failed";
}

std::vector<ConfRow> listener_rows(const TestFolder& folder) {
  const auto file = [&](const char* name) { return folder.path() + name; };
  const std::string certificate = "tls_certificate " + file("site.pem") + "\n";
  const std::string key = "tls_key " + file("site.key") + "\n";
  const std::string other = "tls_certificate " + file("other.pem") + "\n";
  const std::string other_key = "tls_key " + file("other.key") + "\n";
  const std::string both = certificate + key;
  return {
      {"tls_certificate", "listen", other + other_key, certificate_shown, "b.example", both},
      {"tls_key", "listen", other_key, certificate_shown, "b.example", both, other},
      {"tls_stapling_file", "listen", "tls_stapling_file " + file("site.ocsp"), response_stapled,
       std::to_string(ocsp_response().size()),
       other + other_key + "tls_stapling_file " + file("site.ocsp"), both},
      {"tls_client_ca", "top, listen", "tls_client_ca " + file("clients.pem"),
       [](const Config& c) { return meet_listener(c, true)->server->verified_subject(); },
       "CN=client", "", "tls_verify_client on\n", both},
      {"tls_verify_client", "top, listen", "tls_verify_client on",
       [](const Config& c) { return outcome_of(meet_listener(c, false)->server_outcome); },
       "failed", "", "tls_client_ca " + file("clients.pem") + "\n", both},
  };
}

std::vector<ConfRow> upstream_rows(const TestFolder& folder) {
  const auto file = [&](const char* name) { return folder.path() + name; };
  const std::string server = "wss://127.0.0.1:9001";
  const std::string trusting = "tls_ca " + file("ca.pem") + "\n";
  const std::string certificate = "tls_client_certificate " + file("client.pem");
  const std::string key = "tls_client_key " + file("client.key");
  const auto subject = [](const Config& c) { return meet_upstream(c)->server->verified_subject(); };
  const auto outcome = [](const Config& c) { return outcome_of(meet_upstream(c)->client_outcome); };
  return {
      {"tls_verify", "top, upstream", "tls_verify off", outcome, "done", "", "", "", server},
      {"tls_ca", "top, upstream", "tls_ca " + file("ca.pem"), outcome, "done", "", "", "", server},
      {"tls_server_name", "top, upstream", "tls_server_name broker.internal",
       [](const Config& c) {
         const auto met = meet_upstream(c);
         const char* name = SSL_get_servername(met->server->ssl(), TLSEXT_NAMETYPE_host_name);
         return std::string(name == nullptr ? "none" : name);
       },
       "broker.internal", "", "", "", server},
      {"tls_client_certificate", "top, upstream", certificate + "\n" + key, subject, "CN=client",
       "", trusting, "", server},
      {"tls_client_key", "top, upstream", key, subject, "CN=client", "",
       trusting + certificate + "\n", "", server},
  };
}

}  // namespace

void write_tls_files(const TestFolder& folder, const std::string& below) {
  const Identity other = test_authority().issue("b.example", "DNS:b.example");
  const auto write = [&](const std::string& name, const Identity& identity) {
    folder.write(below + name + ".pem", pem_of(identity));
    folder.write_key(below + name + ".key", key_pem_of(identity));
  };
  write("site", test_authority().site);
  write("other", other);
  write("client", client_identity());
  folder.write_key(below + "sticky.key", "0123456789abcdef0123456789abcdef");
  folder.write_key(below + "users.htpasswd",
                   "ann:$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n");
  for (const char* authority : {"ca.pem", "clients.pem", "partners.pem"}) {
    folder.write(below + authority, test_authority().pem());
  }
  folder.write(below + "revoked.pem", crl_pem_of(test_authority().root, {}));
  folder.write(below + "site.ocsp", ocsp_response());
  folder.write(below + "issuer.jwks", issuer_jwks);
}

std::vector<ConfRow> tls_rows(const TestFolder& folder) {
  write_tls_files(folder);
  const std::string both =
      "tls_certificate " + folder.path() + "site.pem\ntls_key " + folder.path() + "site.key\n";
  const std::string server = "wss://127.0.0.1:9001";
  std::vector<ConfRow> rows = listener_rows(folder);
  for (ConfRow& row : upstream_rows(folder)) rows.push_back(std::move(row));
  rows.push_back({"tls_ticket_lifetime", "top", "tls_ticket_lifetime 10m",
                  [](const Config& c) { return std::to_string(c.tls_ticket_lifetime_ms); },
                  "600000"});
  rows.push_back({"sticky_key", "top", "sticky_key " + folder.path() + "client.key",
                  [](const Config& c) { return std::to_string(c.sticky_key.has_value()); }, "1"});
  rows.push_back({"auth_basic", "top, route",
                  "auth_basic " + folder.path() + "users.htpasswd \"realm=the team\"",
                  [](const Config& c) {
                    const RouteConfig& route = c.routes.back();
                    return route.auth_realm + std::to_string(route.password_file) +
                           std::to_string(c.password_files.size());
                  },
                  "the team11"});
  rows.push_back(
      {"auth_basic_timeout", "top, route", "auth_basic_timeout 3s",
       [](const Config& c) { return std::to_string(c.routes.back().auth_basic_timeout_ms); },
       "3000"});
  rows.push_back({"auth_basic_queue", "top", "auth_basic_queue 7",
                  [](const Config& c) { return std::to_string(c.auth_basic_queue); }, "7"});
  rows.push_back({"auth_basic_cache", "top", "auth_basic_cache off",
                  [](const Config& c) { return std::to_string(c.auth_basic_cache); }, "0"});
  rows.push_back({"tls_reload_on_change", "top", "tls_reload_on_change on",
                  [](const Config& c) { return std::to_string(int{c.tls_reload_on_change}); },
                  "1"});
  rows.push_back({"tls_protocols", "top, listen, upstream", "tls_protocols TLSv1.2", older_version,
                  "TLSv1.2", "", "", both, server});
  rows.push_back({"tls_crl", "top, listen, upstream", "tls_crl " + folder.path() + "revoked.pem",
                  asks_crl, "asks", "", "",
                  both + "tls_verify_client on\ntls_client_ca " + folder.path() + "clients.pem\n",
                  server});
  rows.push_back({"tls_verify_depth", "top, listen, upstream", "tls_verify_depth 7",
                  [](const Config& c) {
                    return bound_of(
                        c, 4, [](SSL_CTX* ctx) { return long{SSL_CTX_get_verify_depth(ctx)}; });
                  },
                  "7", "", "", both, server});
  rows.push_back(
      {"tls_max_certificate_chain", "top, listen, upstream", "tls_max_certificate_chain 1m",
       [](const Config& c) {
         return bound_of(c, 20 * 1024, [](SSL_CTX* ctx) { return SSL_CTX_get_max_cert_list(ctx); });
       },
       "1048576", "", "", both, server});
  rows.push_back(
      {"tls_max_records_without_data", "top, listen, upstream", "tls_max_records_without_data 7",
       [](const Config& c) {
         const uint32_t own = c.listeners[0].tls->records_without_data();
         return std::to_string(own != 32 ? own : c.upstreams[0].tls->records_without_data());
       },
       "7", "", "", both, server});
  rows.push_back({"tls_ciphers", "top, listen, upstream", "tls_ciphers TLS_AES_256_GCM_SHA384",
                  larger_cipher, "TLS_AES_256_GCM_SHA384", "", "", both, server});
  return rows;
}

}  // namespace sluice::testing
