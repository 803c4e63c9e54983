// Watchdog: SIGABRT first, because the worker then writes where it stands; SIGKILL where it does
// not end.
#include "core/process/watchdog.h"

#include <signal.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/observe/limit_text.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr uint32_t looks_a_timeout = 4;
constexpr uint32_t asked_again_ms = 10'000;  // whether there is a timeout now

}  // namespace

bool LoopJudge::look(uint64_t busy_since_ms, uint64_t now_ms, uint32_t timeout_ms) {
  if (busy_since_ms != turn_) looks_ = 0;
  turn_ = busy_since_ms;
  ++looks_;
  return turn_ != 0 && looks_ >= least_looks && now_ms >= turn_ + timeout_ms;
}

Watchdog::Watchdog(Reactor& reactor, Log& log, const ConfigRef& config, Places places)
    : reactor_(reactor),
      id_(reactor.attach(*this)),
      log_(log),
      config_(config),
      watched_(std::move(places)) {}

void Watchdog::on_timer(Handle, unsigned) {
  if (config_->worker_timeout_ms > 0) {
    const std::vector<Watched> watched = watched_();
    places_.resize(std::max(places_.size(), watched.size()));
    for (size_t i = 0; i < watched.size(); ++i) look(watched[i], places_[i]);
  }
  arm();
}

void Watchdog::look(const Watched& watched, Place& place) {
  const pid_t pid = watched.pid;
  if (pid != place.pid) place = Place{.pid = pid, .judge = {}, .aborted_ms = 0};
  const uint64_t now_ms = reactor_.now_ms();
  const uint64_t busy_since_ms = watched.heartbeat->busy_since_ms();
  if (!place.judge.look(busy_since_ms, now_ms, config_->worker_timeout_ms) || pid <= 0) return;
  const std::string name = watched.name + ", pid " + std::to_string(pid);
  if (place.aborted_ms == 0) {
    log_.error(LogLevel::error,
               name + ", is stuck: its loop has been in one turn for " +
                   std::to_string((now_ms - busy_since_ms) / 1'000) + " s (" +
                   time_setting_text("worker_timeout", config_->worker_timeout_ms) +
                   "); it is sent SIGABRT");
    sys::kill(pid, SIGABRT);
    place.aborted_ms = now_ms;
  } else if (now_ms >= place.aborted_ms + abort_allowance_ms(config_->worker_timeout_ms)) {
    log_.error(LogLevel::error, name + ", did not end by SIGABRT: killed");
    sys::kill(pid, SIGKILL);
  }
}

void Watchdog::arm() {
  const uint32_t timeout_ms = config_->worker_timeout_ms;
  const uint32_t pause_ms = timeout_ms > 0 ? timeout_ms / looks_a_timeout : asked_again_ms;
  reactor_.arm(reactor_.now_ms() + std::max(pause_ms, 1u), id_, Handle{0, 1}, 0);
}

}  // namespace sluice
