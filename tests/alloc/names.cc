// Every n-th allocation of a keeper that follows names fails, for n = 1, 2, 3, ..., each in a
// process of its own: every name comes to be known all the same, and nothing is left behind.
#include "core/keeper/names.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <string>
#include <thread>

#include "net/sys.h"
#include "tests/alloc/failing_malloc.h"

namespace sluice::alloc {

namespace {

constexpr int most_allocations = 5'000;
constexpr int most_turns = 5'000;  // of a millisecond at most
constexpr int no_failure = 1'000'000;

int64_t* healthy_blocks = nullptr;  // shared with children

std::string question_of(const std::string& message) {
  size_t at = 12;
  while (message[at] != 0) at += 1 + static_cast<size_t>(message[at]);
  return message.substr(12, at + 5 - 12);
}

// SRV: one target, whose name is the question's behind its first label; A and AAAA: one address.
// Over UDP what is asked of a service says that it is too long.
std::string answer_to(const std::string& message, bool over_tcp) {
  const std::string question = question_of(message);
  const char kind = question[question.size() - 3];
  std::string data;
  if (kind == 1) data = std::string("\x0a\0\0\1", 4);
  if (kind == 28) data = std::string(15, '\0') + '\1';
  const bool service = kind == 33;
  if (service) data = std::string("\0\1\0\1\0\x50", 6) + std::string("\xc0\x10", 2);
  const bool whole = over_tcp || !service;
  const std::string flags = whole ? "\x81\x80" : "\x83\x80";
  std::string answer = message.substr(0, 2) + flags + std::string("\0\1\0", 3) +
                       (whole ? '\1' : '\0') + std::string(4, '\0') + question;
  if (!whole) return answer;
  answer += std::string("\xc0\x0c\0", 3) + kind + std::string("\0\1\0\0\0\0\0", 7);
  return answer + static_cast<char>(data.size()) + data;
}

// A name server, for as long as the process lives.
class Server {
 public:
  Server() {
    do {
      if (tcp_ >= 0) sys::close(tcp_);
      if (udp_ >= 0) sys::close(udp_);
      tcp_ = sys::stream_socket(AF_INET);
      udp_ = sys::datagram_socket(AF_INET);
      sys::bind(tcp_, Address::from_ip("127.0.0.1", 0).value());
    } while (sys::bind(udp_, address()) != 0 || sys::listen(tcp_, 64) != 0);
    std::thread([this] { serve_datagrams(); }).detach();
    std::thread([this] { serve_streams(); }).detach();
  }
  Address address() const { return sys::local_address(tcp_); }

 private:
  void serve_datagrams() const {
    char buffer[512];
    for (;;) {
      sys::wait_readable(udp_, -1);
      Address from;
      const ssize_t got = sys::recv_from(udp_, buffer, sizeof buffer, from);
      if (got <= 0) continue;
      const std::string answer = answer_to(std::string(buffer, static_cast<size_t>(got)), false);
      ::sendto(udp_, answer.data(), answer.size(), 0, from.raw(), from.raw_length());
    }
  }
  void serve_streams() const {
    char buffer[512];
    for (;;) {
      sys::wait_readable(tcp_, -1);
      Address from;
      const int fd = sys::accept(tcp_, from);
      if (fd < 0) continue;
      for (;;) {
        sys::wait_readable(fd, -1);
        const ssize_t got = sys::recv(fd, buffer, sizeof buffer);
        if (got <= 0) break;
        const std::string answer =
            answer_to(std::string(buffer + 2, static_cast<size_t>(got - 2)), true);
        const std::string length = {'\0', static_cast<char>(answer.size())};
        const std::string whole = length + answer;
        sys::send(fd, whole.data(), whole.size());
      }
      sys::close(fd);
    }
  }

  int tcp_ = -1;
  int udp_ = -1;
};

struct Sink : NamesSink {
  void on_targets(const NameQuestion& question, const NameTargets& targets) override {
    (question.service ? service : host) |= targets.size() == 2;
  }
  bool service = false;
  bool host = false;
};

std::string follow(Reactor& reactor, Log& log, Sink& sink, Names& names,
                   const std::vector<NameQuestion>& questions, const ResolverSettings& settings) {
  if (!names.open().ok()) return "";  // the keeper would not start, and say so
  int turns = 0;
  for (bool used = false; !used; ++turns) {
    if (turns == 3) return "the conf cannot be used";
    try {
      names.use(std::vector<NameQuestion>(questions), settings);
      used = true;
    } catch (const std::bad_alloc&) {
      // It is used again, as the keeper does.
    }
  }
  for (; !(sink.host && sink.service); ++turns) {
    if (turns == most_turns) return "a name is not known after all";
    reactor.turn(1);
    log.flush();
  }
  return "";
}

// 0: the n-th never came, 1: all well.
int live(int n) {
  const Server server;
  failing_malloc::count_this_thread();
  std::string wrong;
  {
    Reactor reactor;
    if (!reactor.open().ok()) return 2;
    Log log;
    Sink sink;
    Names names(reactor, log, sink);
    ResolverSettings settings;
    settings.servers = {server.address()};
    settings.least_interval_ms = settings.most_interval_ms = 5;
    settings.timeout_ms = 200;
    const std::vector<NameQuestion> questions = {{"a.example", 80, false},
                                                 {"_ws.example", 0, true}};
    failing_malloc::arm(n);
    wrong = follow(reactor, log, sink, names, questions, settings);
  }
  const bool came = failing_malloc::happened();
  failing_malloc::arm(0);
  const int64_t held = failing_malloc::held();
  if (n == no_failure) *healthy_blocks = held;
  if (wrong.empty() && held > *healthy_blocks) wrong = "blocks of the heap are lost";
  if (wrong.empty()) return came ? 1 : 0;
  std::printf("FAILED allocation %d: %s\n", n, wrong.c_str());
  std::fflush(stdout);
  return 2;
}

int live_in_child(int n) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(live(n));
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::printf("FAILED allocation %d: killed by signal %d\n", n, WTERMSIG(status));
  return 2;
}

int run() {
  healthy_blocks = static_cast<int64_t*>(
      ::mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int failed = live_in_child(no_failure) == 0 ? 0 : 1;
  int n = 1;
  for (int outcome = 1; outcome != 0 && n < most_allocations && failed < 20; ++n) {
    outcome = live_in_child(n);
    if (outcome > 1) ++failed;
  }
  std::printf("names: of %d allocations each failed once\n%d failed\n", n - 2, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace sluice::alloc

// With a number, that one alone, for a debugger.
int main(int count, char** words) {
  using namespace sluice::alloc;  // NOLINT: of this file's own names
  if (count == 1) return run();
  int64_t any = INT64_MAX;
  healthy_blocks = &any;
  return live(std::stoi(words[1])) == 1 ? 0 : 1;
}
