// Every n-th allocation of a worker fails, for n = 1, 2, 3, ... through each script's whole life,
// each in a process of its own. That session ends, the next one works, and nothing is left behind.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "core/worker.h"
#include "net/check.h"
#include "net/listener.h"
#include "net/sys.h"
#include "tests/alloc/failing_malloc.h"
#include "tests/alloc/scripts.h"

namespace sluice::alloc {

namespace {

constexpr int most_allocations = 5'000;  // of one session; more would be a loop without an end

uint16_t port_of(int listener) {
  return sys::local_address(listener).port();
}

int open_loopback() {
  const Result<int> fd = open_listener(Address::from_ip("127.0.0.1", 0).value(), false);
  SLUICE_CHECK(fd.ok());
  return fd.value();
}

PeerConfig peer_at(uint16_t port) {
  PeerConfig peer;
  peer.address = Address::from_ip("127.0.0.1", port).value();
  peer.uri = parse_server_uri("ws://127.0.0.1:" + std::to_string(port)).value();
  peer.name = peer.address.text();
  return peer;
}

ConfigRef make_config(uint16_t upstream_port, uint16_t dead_port) {
  auto* config = new Config;
  config->user = "root";
  config->listeners.emplace_back();
  config->upstreams.push_back({"good", {peer_at(upstream_port)}});
  config->upstreams.push_back({"dead", {peer_at(dead_port), peer_at(dead_port)}});
  RouteConfig dead;
  dead.path = "/dead";
  dead.upstream = 1;
  RouteConfig good;
  good.path = "/";
  good.match_headers = {{"X-One", "1"}};
  good.set_headers = {{"X-Two", "2"}};
  good.close_timeout_ms = 500;
  config->routes = {dead, good};
  config->routes[1].match_host = "a.example";
  return ConfigRef(config);
}

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

// What the worker's report says, or "" after a while.
std::string report(const std::string& log_path, size_t earlier) {
  ::kill(::getpid(), SIGUSR2);
  for (int tries = 0; tries < 1'000; ++tries) {
    std::ifstream file(log_path);
    std::stringstream text;
    text << file.rdbuf();
    const std::string all = text.str();
    size_t seen = 0;
    for (size_t at = all.find("sessions "); at != std::string::npos;
         at = all.find("sessions ", at + 1)) {
      if (seen++ == earlier) return all.substr(at, all.find('\n', at) - at);
    }
    ::usleep(1'000);
  }
  return "";
}

std::string wait_until_empty(const std::string& log_path) {
  std::string last;
  for (size_t tries = 0; tries < 100; ++tries) {
    last = report(log_path, tries);
    if (last.find("sessions 0, relaying 0, rings lent 0, blocks lent 0, bytes lent 0, timers 0") ==
        0) {
      return "";
    }
    ::usleep(20'000);
  }
  return "left behind: " + last;
}

// One life of a worker in which the n-th allocation fails. 0: the n-th never came, 1: all well.
int live(const Script& script, int n) {
  const std::string log_path = "/tmp/sluice-alloc." + std::to_string(::getpid());
  WorkerSetup setup;
  Stage stage;
  stage.upstream = open_loopback();
  // connect() to it must block in the kernel's backlog only, so the script's end is a plain one.
  ::fcntl(stage.upstream, F_SETFL, 0);
  const int listener = open_loopback();
  stage.proxy_port = port_of(listener);
  const int dead = open_loopback();
  setup.config = make_config(port_of(stage.upstream), port_of(dead));
  sys::close(dead);
  setup.listeners = {listener};
  setup.worker_connections = 100;
  setup.logs.error.fd = sys::open_for_append(log_path.c_str());
  setup.logs.access.fd = sys::open_for_append("/dev/null");
  std::atomic<bool> serving{false};
  std::thread thread([&setup, &serving] {
    Worker worker(setup);
    failing_malloc::count_this_thread();
    serving = true;
    if (worker.run() != 0) std::abort();
  });
  while (!serving) ::usleep(100);
  const size_t descriptors = open_descriptors();
  failing_malloc::arm(n);
  std::string wrong = script.play(stage, false);
  const bool came = failing_malloc::happened();
  failing_malloc::arm(0);
  for (const Script& next : scripts()) {
    if (wrong.empty()) wrong = next.play(stage, true);
  }
  if (wrong.empty()) wrong = wait_until_empty(log_path);
  if (wrong.empty() && open_descriptors() != descriptors) wrong = "a descriptor is lost";
  ::kill(::getpid(), SIGQUIT);
  thread.join();
  ::unlink(log_path.c_str());
  if (wrong.empty()) return came ? 1 : 0;
  std::printf("FAILED %s, allocation %d: %s\n", script.name, n, wrong.c_str());
  std::fflush(stdout);
  return 2;
}

// Runs a life in a child; its outcome, or -1 where it was killed.
int live_in_child(const Script& script, int n) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(live(script, n));
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::printf("FAILED %s, allocation %d: killed by signal %d\n", script.name, n, WTERMSIG(status));
  return -1;
}

int run() {
  int failed = 0;
  for (const Script& script : scripts()) {
    int n = 1;
    int outcome = 1;
    for (; outcome != 0 && n < most_allocations && failed < 20; ++n) {
      outcome = live_in_child(script, n);
      if (outcome != 0 && outcome != 1) ++failed;
    }
    std::printf("%s: each of %d allocations failed once\n", script.name, n - 2);
  }
  std::printf("%d failed\n", failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace sluice::alloc

int main(int count, char** words) {
  if (count == 3) {  // one of them, for a debugger
    const auto index = static_cast<size_t>(std::stoi(words[1]));
    return sluice::alloc::live(sluice::alloc::scripts()[index], std::stoi(words[2])) == 1 ? 0 : 1;
  }
  return sluice::alloc::run();
}
