// Every n-th allocation of a worker fails, for n = 1, 2, 3, ... through each script's whole life,
// each in a process of its own. That session ends, the next one works, and nothing is left behind.
// `alloc_tests every` leaves none out.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <string>

#include "core/process/every_second.h"
#include "tests/alloc/failing_malloc.h"
#include "tests/alloc/living_worker.h"
#include "tests/alloc/scripts.h"
#include "tls/prepare.h"

namespace sluice::alloc {

namespace {

constexpr int most_allocations = 5'000;  // of one session; more would be a loop without an end
constexpr int no_failure = 1'000'000;

// What the worker's thread holds of the heap after a life without a failure. Shared with children.
int64_t* healthy_blocks = nullptr;

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

// "" where a worker that is gone leaves no more behind than after a healthy life.
std::string judge_heap(int n) {
  const int64_t held = failing_malloc::held();
  if (n == no_failure) *healthy_blocks = held;
  if (held <= *healthy_blocks) return "";
  return std::to_string(held - *healthy_blocks) + " blocks of the heap are lost";
}

// One life of a worker in which the n-th allocation fails. 0: the n-th never came, 1: all well.
int live(const Script& script, int n) {
  Stage stage;
  stage.upstream = open_loopback();
  ::fcntl(stage.upstream, F_SETFL, 0);  // scripts block
  std::string wrong;
  bool came = false;
  {
    LivingWorker worker(make_config(port_of(stage.upstream)), failing_malloc::count_this_thread,
                        script.traced);
    stage.proxy_port = worker.port();
    stage.tls_port = worker.tls_port();
    const size_t descriptors = open_descriptors();
    failing_malloc::arm(n);
    wrong = script.play(stage, false);
    came = failing_malloc::happened();
    failing_malloc::arm(0);
    for (const Script& next : scripts()) {
      const bool worth_it = script.step == 1 ? next.step == 1 : next.play == script.play;
      if (wrong.empty() && worth_it) wrong = next.play(stage, true);
    }
    if (wrong.empty()) wrong = worker.wait_until_empty();
    if (wrong.empty()) wrong = worker.account_for(clients_answered());
    if (wrong.empty() && open_descriptors() != descriptors) wrong = "a descriptor is lost";
  }
  if (wrong.empty()) wrong = judge_heap(n);
  if (wrong.empty()) return came ? 1 : 0;
  std::printf("FAILED %s, allocation %d: %s\n", script.name, n, wrong.c_str());
  std::fflush(stdout);
  return 2;
}

// What came of a life whose child has ended: live()'s outcome, or -1 where it was killed.
int outcome_of(const Script& script, int n, int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::printf("FAILED %s, allocation %d: killed by signal %d\n", script.name, n, WTERMSIG(status));
  return -1;
}

// Lives that run at a time: they wait more than they work.
constexpr int most_children = 8;

struct Lives {
  int failed = 0;
  bool ended = false;  // one of them never came to its allocation
};

// `count` lives at a time, each in a child of its own: the first without its n-th allocation, each
// further one without the one that comes `step` further.
Lives live_in_children(const Script& script, int n, int step, int count) {
  std::fflush(stdout);
  pid_t children[most_children];
  for (int i = 0; i < count; ++i) {
    children[i] = ::fork();
    if (children[i] == 0) ::_exit(live(script, n + i * step));
  }
  Lives lives;
  for (int i = 0; i < count; ++i) {
    int status = 0;
    ::waitpid(children[i], &status, 0);
    const int outcome = outcome_of(script, n + i * step, status);
    if (outcome == 0) lives.ended = true;
    if (outcome != 0 && outcome != 1) ++lives.failed;
  }
  return lives;
}

// "" where a timer for which no memory is left is armed at the end of a later turn.
std::string judge_every_second() {
  Reactor reactor;
  if (!reactor.open().ok()) return "no reactor";
  int calls = 0;
  EverySecond every_second(reactor, [&calls] { ++calls; });
  failing_malloc::count_this_thread();
  failing_malloc::arm(1);
  try {
    for (;;) reactor.arm(UINT32_MAX, 0, Handle{0, 1}, 0);  // until those that there are are taken
  } catch (const std::bad_alloc&) {
  }
  failing_malloc::arm(1);
  every_second.want(true);
  if (every_second.armed() || !failing_malloc::happened()) return "memory was left";
  if (calls != 1) return "the first call lacks";
  failing_malloc::arm(1);
  reactor.turn(0);
  if (every_second.armed()) return "memory was left for the second try";
  failing_malloc::arm(0);
  reactor.turn(0);
  return every_second.armed() ? "" : "it is not tried again";
}

// In a child, as lives are, for its allocations are counted from there on.
bool every_second_goes_on() {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string wrong = judge_every_second();
    if (!wrong.empty()) std::printf("FAILED a call every second: %s\n", wrong.c_str());
    std::fflush(stdout);
    ::_exit(wrong.empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

int run(bool every) {
  identity();     // once for all children
  prepare_tls();  // as the master does
  int failed = 0;
  if (!every_second_goes_on()) ++failed;
  healthy_blocks = static_cast<int64_t*>(
      ::mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (const Script& script : scripts()) {
    const int step = every ? 1 : script.step;
    const Lives healthy = live_in_children(script, no_failure, 0, 1);
    if (!healthy.ended) ++failed;
    int n = 1;
    bool ended = false;
    while (!ended && n < most_allocations && failed < 20) {
      const Lives lives = live_in_children(script, n, step, most_children);
      failed += lives.failed;
      ended = lives.ended;
      n += step * most_children;
    }
    std::printf("%s: of less than %d allocations each %d. failed once\n", script.name, n, step);
  }
  std::printf("%d failed\n", failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace sluice::alloc

int main(int count, char** words) {
  using namespace sluice::alloc;  // NOLINT: of this file's own names
  if (count != 3) return run(count == 2 && std::string(words[1]) == "every");
  // One of them, for a debugger.
  sluice::prepare_tls();
  const auto index = static_cast<size_t>(std::stoi(words[1]));
  int64_t any = INT64_MAX;
  healthy_blocks = &any;
  return live(scripts()[index], std::stoi(words[2])) == 1 ? 0 : 1;
}
