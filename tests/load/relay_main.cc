// bare-relay: carries bytes between clients and one upstream with as little as that takes; the
// benchmark compares proxies with it.
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/load/common_options.h"
#include "tests/load/relay_loop.h"

namespace {

using namespace sluice;
using namespace sluice::load;

constexpr const char* program = "bare-relay";
constexpr uint64_t least_buffer = 1024;
constexpr uint64_t most_buffer = 16u << 20;

struct RelayOptions {
  Address listen;
  Address to;
  uint64_t buffer_bytes = 256 * 1024;
};

bool read_address(std::string_view text, Address& address, bool& given) {
  Result<Address> parsed = Address::parse(text);
  if (!parsed.ok()) return false;
  address = parsed.value();
  return given = true;
}

// Returns -1 to go on, else the exit status.
int read_relay_options(int count, char** arguments, RelayOptions& options) {
  using Text = std::string_view;
  bool listens = false, leads = false;
  const Option table[] = {
      {"--listen", "ADDRESS:PORT", "where to listen (port 0: the kernel chooses), or unix:/path",
       [&](Text text) { return read_address(text, options.listen, listens); }},
      {"--to", "ADDRESS:PORT", "the upstream, or unix:/path",
       [&](Text text) { return read_address(text, options.to, leads); }},
      {"--buffer", "BYTES", "that one recv may take, default 256k; at least 1k, at most 16m",
       [&](Text text) {
         return read_size(text, most_buffer, options.buffer_bytes) &&
                options.buffer_bytes >= least_buffer;
       }},
  };
  std::vector<std::string> words;
  const CommandLine line{program, "--listen ADDRESS:PORT --to ADDRESS:PORT [options]", table};
  if (const int status = read_command_line(line, count, arguments, words); status >= 0) {
    return status;
  }
  if (!words.empty()) return refuse(program, "unexpected word: " + words.front());
  if (!listens) return refuse(program, "--listen ADDRESS:PORT is missing");
  if (!leads) return refuse(program, "--to ADDRESS:PORT is missing");
  return -1;
}

int fail(const std::string& what, const std::string& why) {
  std::fprintf(stderr, "%s: %s: %s\n", program, what.c_str(), why.c_str());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  RelayOptions options;
  if (const int status = read_relay_options(count, arguments, options); status >= 0) return status;
  sys::raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);

  Result<int> listener = open_listener(options.listen, false);
  if (!listener.ok()) return fail(options.listen.text(), listener.fault().text());
  if (!options.listen.is_unix()) {
    options.listen.set_port(sys::local_address(listener.value()).port());
  }
  RelayLoop loop(listener.value(), options.to, static_cast<size_t>(options.buffer_bytes));
  if (!loop.open()) return fail("epoll", "cannot be had");
  std::printf("listening on %s\n", options.listen.text().c_str());
  std::fflush(stdout);
  loop.run();
  return 1;
}
