// sluice-echo: a WebSocket server that answers, drops or floods, to stand behind a proxy in tests.
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/load/common_options.h"
#include "tests/load/common_tls.h"
#include "tests/load/echo_options.h"
#include "tests/load/echo_server.h"

namespace {

using namespace sluice;
using namespace sluice::load;

int fail(const char* what, const Fault& fault) {
  std::fprintf(stderr, "sluice-echo: %s: %s\n", what, fault.text().c_str());
  return 1;
}

// A listener for each thread; a unix socket has one for all.
Result<std::vector<int>> open_listeners(const EchoOptions& options, Address& bound) {
  bound = options.listen;
  const bool fixed = bound.is_unix() || bound.port() != 0;
  if (fixed) {
    // SO_REUSEPORT would let us join a server that is there already.
    if (Status free = probe_address(bound); !free.ok()) return free.fault();
  }
  std::vector<int> listeners;
  for (uint32_t i = 0; i < options.threads; ++i) {
    if (bound.is_unix() && i > 0) {
      listeners.push_back(listeners.front());
      continue;
    }
    Result<int> listener = open_listener(bound, options.threads > 1);
    if (!listener.ok()) return listener.fault();
    listeners.push_back(listener.value());
    if (i == 0 && !bound.is_unix()) bound.set_port(sys::local_address(listener.value()).port());
  }
  return listeners;
}

void print_stats(const std::vector<std::unique_ptr<EchoServer>>& servers) {
  uint64_t connections = 0, streams = 0, messages = 0, bytes = 0, refusals = 0, faults = 0;
  for (const auto& server : servers) {
    connections += server->counters().connections.value();
    streams += server->counters().streams.value();
    messages += server->counters().messages.value();
    bytes += server->counters().payload_bytes.value();
    refusals += server->counters().refusals.value();
    faults += server->counters().faults.value();
  }
  std::printf(
      "connections %ju, messages %ju, payload bytes received %ju, refused %ju, faults %ju, "
      "streams %ju\n",
      uintmax_t{connections}, uintmax_t{messages}, uintmax_t{bytes}, uintmax_t{refusals},
      uintmax_t{faults}, uintmax_t{streams});
}

// Threads are left running: the process ends under them, and nothing of theirs outlives it.
void wait_for_end(int signals) {
  while (sys::next_signal(signals) == 0) sys::wait_readable(signals, -1);
}

}  // namespace

int main(int count, char** arguments) {
  static EchoOptions options;
  if (const int status = read_echo_options(count, arguments, options); status >= 0) return status;
  sys::raise_descriptor_limit();
  const int signals = sys::signal_pipe({SIGTERM, SIGINT});

  Address bound;
  Result<std::vector<int>> listeners = open_listeners(options, bound);
  if (!listeners.ok()) return fail(options.listen.text().c_str(), listeners.fault());
  static const FloodBlock flood(options.mode == EchoOptions::Mode::flood ? options.payload_bytes
                                                                         : 0);
  static std::unique_ptr<TlsServer> tls;
  try {
    if (!options.tls_key.empty())
      tls = make_tls_server(options.tls_certificate, options.tls_key, options.http2);
  } catch (const std::runtime_error& error) {
    return refuse("sluice-echo", error.what());
  }
  std::vector<std::unique_ptr<EchoServer>> servers;
  for (const int listener : listeners.value()) {
    servers.push_back(std::make_unique<EchoServer>(options, flood, tls.get()));
    const bool shared = bound.is_unix() && options.threads > 1;
    if (Status opened = servers.back()->open(listener, shared); !opened.ok()) {
      return fail("epoll", opened.fault());
    }
  }
  for (const auto& server : servers) std::thread([&server] { server->run(); }).detach();
  std::printf("listening on %s\n", bound.text().c_str());
  std::fflush(stdout);

  wait_for_end(signals);
  if (options.print_stats) print_stats(servers);
  std::fflush(stdout);
  if (bound.is_unix()) sys::remove_socket_file(bound.unix_path().c_str());
  sys::exit_now(0);
}
