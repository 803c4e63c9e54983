// sluice-echo's option table.
#include "tests/load/echo_options.h"

#include <vector>

#include "protocol/close_code.h"
#include "tests/load/common_options.h"

namespace sluice::load {

namespace {

constexpr const char* program = "sluice-echo";
constexpr uint64_t most_flood_payload = 256u << 20;  // one frame of it is kept in memory
constexpr uint32_t most_threads = 256;
constexpr uint32_t most_http2_streams = 1u << 24;

bool read_mode(std::string_view text, EchoOptions::Mode& mode) {
  if (text == "echo") {
    mode = EchoOptions::Mode::echo;
  } else if (text == "sink") {
    mode = EchoOptions::Mode::sink;
  } else if (text == "flood") {
    mode = EchoOptions::Mode::flood;
  } else {
    return false;
  }
  return true;
}

bool read_close_code(std::string_view text, uint16_t& code) {
  uint32_t number = 0;
  if (!read_number(text, 1000u, 4999u, number)) return false;
  code = static_cast<uint16_t>(number);
  return close_code_allowed_on_wire(code);
}

}  // namespace

int read_echo_options(int count, char** arguments, EchoOptions& options) {
  using Text = std::string_view;
  std::string listen;
  bool http2_streams = false;
  const Option table[] = {
      {"--listen", "ADDRESS:PORT", "where to listen (port 0: the kernel chooses), or unix:/path",
       [&](Text text) { return !(listen = text).empty(); }},
      {"--mode", "MODE", "echo (default), sink (drops messages) or flood (sends without end)",
       [&](Text text) { return read_mode(text, options.mode); }},
      {"--payload", "BYTES",
       "of flood's messages, default 125; k and m are understood, at most 256m",
       [&](Text text) { return read_size(text, most_flood_payload, options.payload_bytes); }},
      {"--threads", "N", "1 to 256, default 1",
       [&](Text text) { return read_number(text, 1u, most_threads, options.threads); }},
      {"--subprotocol", "NAME", "is agreed on with clients that offer it",
       [&](Text text) { return !(options.subprotocol = text).empty(); }},
      {"--tls-certificate", "FILE",
       "clients speak TLS (wss://): PEM of a certificate and its chain",
       [&](Text text) { return !(options.tls_certificate = text).empty(); }},
      {"--tls-key", "FILE", "PEM of the certificate's private key",
       [&](Text text) { return !(options.tls_key = text).empty(); }},
      {"--http2", nullptr,
       "WebSockets over HTTP/2 as well (RFC 8441): by ALPN in TLS, else by prior knowledge",
       [&](Text) { return options.http2 = true; }},
      {"--http2-streams", "N", "with --http2: of a connection at a time, default 1000",
       [&](Text text) {
         http2_streams = true;
         return read_number(text, 1u, most_http2_streams, options.http2_streams);
       }},
      {"--once-close", "CODE", "sends a Close with it after the first message of a connection",
       [&](Text text) { return read_close_code(text, options.once_close_code); }},
      {"--delay", "TIME", "answers messages so much later, and reads nothing meanwhile",
       [&](Text text) { return read_duration(text, options.delay_ms); }},
      {"--handshake-delay", "TIME", "answers the handshake so much later",
       [&](Text text) { return read_duration(text, options.handshake_delay_ms); }},
      {"--refuse", "STATUS", "answers every handshake with that status, 400 to 599",
       [&](Text text) { return read_number(text, 400u, 599u, options.refuse_status); }},
      {"--send-head", nullptr, "the first message of a connection is its request's head, as text",
       [&](Text) { return options.send_head = true; }},
      {"--page", nullptr, "a GET that asks for no upgrade gets a page to try the server with",
       [&](Text) { return options.page = true; }},
      {"--print-stats", nullptr, "prints counts when TERM or INT ends it",
       [&](Text) { return options.print_stats = true; }},
      {"--quiet", nullptr, "says nothing about clients' faults",
       [&](Text) { return options.quiet = true; }},
  };
  std::vector<std::string> words;
  const CommandLine line{program, "--listen ADDRESS:PORT [options]", table};
  if (const int status = read_command_line(line, count, arguments, words); status >= 0) {
    return status;
  }
  if (!words.empty()) return refuse(program, "unexpected word: " + words.front());
  if (listen.empty()) return refuse(program, "--listen ADDRESS:PORT is missing");
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return refuse(program, "--tls-certificate and --tls-key need each other");
  }
  if (http2_streams && !options.http2) return refuse(program, "--http2-streams is for --http2");
  if (options.delay_ms > 0 && options.mode != EchoOptions::Mode::echo) {
    return refuse(program, "--delay is for --mode echo");
  }
  Result<Address> address = Address::parse(listen);
  if (!address.ok()) {
    return refuse(program, "bad value for --listen: \"" + listen + "\": " + address.fault().text());
  }
  options.listen = address.value();
  return -1;
}

}  // namespace sluice::load
