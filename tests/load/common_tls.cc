// Reading the files and handing them to tls/.
#include "tests/load/common_tls.h"

#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <utility>

#include "tls/credentials.h"
#include "tls/tickets.h"

namespace sluice::load {

namespace {

constexpr uint32_t ticket_lifetime_s = 3600;  // longer than any run that resumes

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": " + std::strerror(errno));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// RFC 7301 3.1: in the order of preference.
constexpr unsigned char protocols[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

[[noreturn]] void refuse_file(const std::string& path, const Fault& fault) {
  throw std::runtime_error(path + ": " + fault.text());
}

}  // namespace

std::unique_ptr<TlsServer> make_tls_server(const std::string& certificate_file,
                                           const std::string& key_file, bool http2) {
  Result<Credentials> credentials = parse_certificates(read_file(certificate_file));
  if (!credentials.ok()) refuse_file(certificate_file, credentials.fault());
  const Status key = parse_private_key(read_file(key_file), credentials.value());
  if (!key.ok()) refuse_file(key_file, key.fault());
  use_ticket_keys(make_ticket_keys());
  TlsServerSettings settings;
  settings.credentials.push_back(std::move(credentials.value()));
  settings.policy.resumption.lifetime_s = ticket_lifetime_s;
  settings.http2 = http2;
  Result<std::unique_ptr<TlsServer>> server = TlsServer::make(std::move(settings));
  if (!server.ok()) refuse_file(certificate_file, server.fault());
  return std::move(server.value());
}

void offer_http2(TlsTransport& transport) {
  if (SSL_set_alpn_protos(transport.ssl(), protocols, sizeof protocols) != 0)
    throw std::bad_alloc();
}

std::unique_ptr<TlsClient> make_tls_client(const std::string& authorities_file, bool insecure) {
  TlsClientSettings settings;
  settings.verify = !insecure;
  settings.policy.resumption.lifetime_s = ticket_lifetime_s;
  if (!authorities_file.empty()) settings.authorities = read_file(authorities_file);
  Result<std::unique_ptr<TlsClient>> client = TlsClient::make(settings);
  if (!client.ok()) {
    refuse_file(authorities_file.empty() ? "--tls-ca" : authorities_file, client.fault());
  }
  return std::move(client.value());
}

}  // namespace sluice::load
