// key-flood: a client that changes its TLS 1.3 keys as fast as it can, which costs the other end
// more than the few bytes of a record. Between so many updates as a proxy bears in a row it sends a
// message of one byte. It verifies nobody, reads no answers and ends with a signal.
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "protocol/uri.h"
#include "tests/load/common_options.h"
#include "tls/openssl_ptr.h"

namespace {

using namespace sluice;
using namespace sluice::load;

constexpr const char* program = "key-flood";
constexpr int rounds_a_send = 20;
// A binary frame of one byte, masked with zeros.
constexpr uint8_t message[] = {0x82, 0x81, 0, 0, 0, 0, 'k'};

struct Flood {
  ContextPtr context{SSL_CTX_new(TLS_client_method())};
  BioPtr socket;
  SslPtr ssl;
};

// Returns null, or what went wrong.
const char* open(const ServerUri& server, Flood& flood) {
  flood.socket.reset(BIO_new_connect((server.host + ":" + std::to_string(server.port)).c_str()));
  if (flood.context == nullptr || flood.socket == nullptr) return "no memory";
  if (BIO_do_connect(flood.socket.get()) != 1) return "nobody listens there";
  SSL_CTX_set_min_proto_version(flood.context.get(), TLS1_3_VERSION);
  flood.ssl.reset(SSL_new(flood.context.get()));
  if (flood.ssl == nullptr) return "no memory";
  BIO_up_ref(flood.socket.get());
  SSL_set_bio(flood.ssl.get(), flood.socket.get(), flood.socket.get());
  return SSL_connect(flood.ssl.get()) == 1 ? nullptr : "no TLS 1.3";
}

const char* upgrade(const ServerUri& server, Flood& flood) {
  const std::string path = server.path.empty() ? "/" : server.path;
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + server.authority +
                              "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  if (SSL_write(flood.ssl.get(), request.data(), static_cast<int>(request.size())) <= 0) {
    return "the request could not be sent";
  }
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char bytes[4096];
    const int got = SSL_read(flood.ssl.get(), bytes, sizeof bytes);
    if (got <= 0) return "no answer";
    answer.append(bytes, static_cast<size_t>(got));
  }
  return answer.starts_with("HTTP/1.1 101") ? nullptr : "no upgrade";
}

// Goes on for as long as the other end takes it.
const char* change_keys(uint32_t updates, Flood& flood) {
  SSL* const ssl = flood.ssl.get();
  BIO* const gathered = BIO_new(BIO_s_mem());  // else each record were a system call
  if (gathered == nullptr) return "no memory";
  SSL_set0_wbio(ssl, gathered);
  for (;;) {
    for (int round = 0; round < rounds_a_send; ++round) {
      for (uint32_t i = 0; i < updates; ++i) {
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1) {
          return "a key update failed";
        }
      }
      if (SSL_write(ssl, message, sizeof message) <= 0) return "a message failed";
    }
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(gathered, &bytes);
    for (long sent = 0; sent < count;) {
      const int taken = BIO_write(flood.socket.get(), bytes + sent, static_cast<int>(count - sent));
      if (taken <= 0) return "the connection was ended";
      sent += taken;
    }
    BIO_reset(gathered);
  }
}

}  // namespace

int main(int count, char** arguments) {
  uint32_t updates = 31;
  const Option table[] = {
      {"--updates", "N", "key updates in a row, 1 to 1000000, default 31",
       [&](std::string_view text) { return read_number(text, 1u, 1'000'000u, updates); }}};
  std::vector<std::string> words;
  const CommandLine line{program, "wss://HOST:PORT/PATH [options]", table};
  if (const int status = read_command_line(line, count, arguments, words); status >= 0) {
    return status;
  }
  if (words.size() != 1) return refuse(program, "one URL is needed (--help lists the options)");
  const Result<ServerUri> server = parse_server_uri(words.front());
  if (!server.ok() || !server.value().secure || !server.value().unix_path.empty()) {
    return refuse(program, "\"" + words.front() + "\" is no wss://HOST:PORT/PATH");
  }
  Flood flood;
  const char* failure = open(server.value(), flood);
  if (failure == nullptr) failure = upgrade(server.value(), flood);
  if (failure == nullptr) {
    std::fputs("begin\n", stderr);
    failure = change_keys(updates, flood);
  }
  std::fprintf(stderr, "%s: %s\n", program, failure);
  return 1;
}
