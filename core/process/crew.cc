// Crew: its events are the workers' channels and the times at which a worker is due. A handle's
// index is the worker's number.
#include "core/process/crew.h"

#include <signal.h>

#include <algorithm>

#include "core/process/worker.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr uint64_t control_retry_ms = 250;
constexpr unsigned start_timer = 0;
constexpr unsigned retry_timer = 1;  // of all places

Handle handle_of(uint32_t number) {
  return Handle{number, 1};
}

}  // namespace

Crew::Crew(Reactor& reactor, Log& log, CrewOwner& owner)
    : reactor_(reactor), log_(log), owner_(owner), id_(reactor.attach(*this)) {}

void Crew::set_size(uint32_t workers) {
  size_ = workers;
  if (places_.size() < workers) places_.resize(workers);
  for (uint32_t number = 0; number < size_; ++number) places_[number].hopeless = false;
}

void Crew::start_missing() {
  for (uint32_t number = 0; number < size_; ++number) {
    if (places_[number].pid == 0 && !places_[number].start_armed) start(number);
  }
}

void Crew::on_ready(Handle handle, unsigned, Readiness) {
  // An event may come after its channel: its worker was reaped earlier in the same turn.
  Place& place = places_[handle.index];
  if (place.channel == nullptr) return;
  const size_t awaited = place.channel->unacknowledged();
  const bool sensible = hear(handle.index, *place.channel);
  place.channel->flush();
  if (sensible) {
    retry_later(*place.channel);
    if (place.channel->unacknowledged() != awaited) owner_.on_crew_progress();
    return;
  }
  // It takes the channel's end for ours and accepts nobody any more: a successor does.
  log_.error(LogLevel::error, owner_.name_of(handle.index) +
                                  " sent what is no control message: killed, to be started again");
  close_channel(place);
  if (place.pid > 0) sys::kill(place.pid, SIGKILL);
}

// All that has come from it. False where some of it is nothing that workers say.
bool Crew::hear(uint32_t number, ControlChannel& channel) {
  while (const std::optional<ControlMessage> message = channel.next()) {
    if (!owner_.on_worker_says(number, *message)) return false;
    channel.acknowledge(message->sequence(), ControlChannel::Answer::taken);
  }
  return !channel.malformed();
}

void Crew::on_timer(Handle handle, unsigned which) {
  if (which == retry_timer) return retry_sending();
  Place& place = places_[handle.index];
  place.start_armed = false;
  if (wanted(handle.index) && place.pid == 0) start(handle.index);
}

void Crew::start(uint32_t number) {
  Place& place = places_[number];
  place.start_s = std::max(sys::wall_clock_ms() / 1000, place.start_s + 1);
  const std::vector<std::string> complaints = owner_.prepare_start(number);
  for (const std::string& each : complaints) log_.error(LogLevel::error, each);
  if (!complaints.empty()) return start_later(number, place.pause.after_failed_start_ms());
  const Result<pid_t> forked = fork_worker(number);
  if (!forked.ok()) {
    log_.error(LogLevel::error, owner_.name_of(number) + " cannot start: " + forked.fault().text());
    return start_later(number, place.pause.after_failed_start_ms());
  }
  place.pid = forked.value();
  place.started_ms = sys::monotonic_ms();
  log_.error(LogLevel::info, owner_.name_of(number) + " started, pid " + std::to_string(place.pid));
}

void Crew::start_later(uint32_t number, uint64_t delay_ms) {
  places_[number].start_armed = true;
  arm(delay_ms, number, start_timer);
}

// Reads the clock anew: this turn may have worked for long before, and a deadline by its old clock
// would come early.
void Crew::arm(uint64_t delay_ms, uint32_t number, unsigned which) {
  reactor_.update_clock();
  reactor_.arm(reactor_.now_ms() + delay_ms, id_, handle_of(number), which);
}

// Returns in the master only; the child becomes the worker.
Result<pid_t> Crew::fork_worker(uint32_t number) {
  Place& place = places_[number];
  int ends[2];
  if (const int paired = sys::pair(ends); paired < 0) return Fault{"socketpair", -paired};
  place.channel = std::make_unique<ControlChannel>(ends[0]);
  if (const Status watched = reactor_.watch(ends[0], id_, handle_of(number), 0); !watched.ok()) {
    place.channel.reset();
    sys::close(ends[1]);
    return watched.fault();
  }
  log_.flush();  // else the child would write the buffered lines a second time
  sys::block_signals();
  const pid_t pid = sys::fork();
  if (pid == 0) become_worker(number, ends[1]);
  sys::unblock_signals();
  sys::close(ends[1]);
  if (pid > 0) return pid;
  close_channel(place);
  return Fault{"fork", static_cast<int>(-pid)};
}

// Closes this process's copies of the master's descriptors and unwatches none of them: the master
// goes on watching its own.
void Crew::become_worker(uint32_t number, int control) {
  reactor_.leave_to_parent();
  leave_to_parent();
  sys::exit_now(owner_.live_as_worker(number, places_[number].start_s, control));
}

void Crew::leave_to_parent() {
  for (Place& place : places_) place.channel.reset();
}

bool Crew::take_in(pid_t pid, int status) {
  const auto place = std::find_if(places_.begin(), places_.end(),
                                  [pid](const Place& each) { return each.pid == pid; });
  if (place == places_.end()) return false;
  on_death(static_cast<uint32_t>(place - places_.begin()), status);
  owner_.on_crew_progress();  // which may change the places
  return true;
}

void Crew::on_death(uint32_t number, int status) {
  Place& place = places_[number];
  close_channel(place);
  place.pid = 0;
  const std::optional<uint64_t> lost = owner_.sessions_lost(number, place.lost);
  place.lost += lost.value_or(0);
  const std::string name = owner_.name_of(number);
  const std::string with = lost ? "; " + std::to_string(*lost) +
                                      (*lost == 1 ? " session" : " sessions") + " went with it"
                                : "";
  if (dismissed_) {
    if (sys::exit_status(status) == 0 || killed_) return;
    return log_.error(LogLevel::error,
                      name + " " + sys::describe_exit(status) + " while ending" + with);
  }
  if (!wanted(number)) {
    const bool well = sys::exit_status(status) == 0;
    return log_.error(well ? LogLevel::info : LogLevel::error,
                      name + (well ? lost ? " has left: its last session has ended" : " has left"
                                   : " " + sys::describe_exit(status) + " while leaving" + with));
  }
  if (sys::exit_status(status) == worker_hopeless) {
    place.hopeless = true;
    return log_.error(LogLevel::error, name + " can never start, so it is not tried again");
  }
  const uint64_t pause_ms = place.pause.after_death_ms(sys::monotonic_ms() - place.started_ms);
  log_.error(LogLevel::error, name + " " + sys::describe_exit(status) + ", starting it again in " +
                                  std::to_string(pause_ms) + " ms" + with);
  start_later(number, pause_ms);
}

bool Crew::hopeless() const {
  for (uint32_t number = 0; number < size_; ++number) {
    if (!places_[number].hopeless) return false;
  }
  return true;
}

bool Crew::any_alive() const {
  return std::any_of(places_.begin(), places_.end(),
                     [](const Place& place) { return place.pid > 0; });
}

bool Crew::awaits(uint16_t kind) const {
  return std::any_of(places_.begin(), places_.end(), [kind](const Place& place) {
    return place.channel != nullptr && place.channel->awaits(kind);
  });
}

void Crew::kill_all() {
  killed_ = true;
  signal_all(SIGKILL);
}

void Crew::signal_all(int signal) {
  for (const Place& place : places_) {
    if (place.pid > 0) sys::kill(place.pid, signal);
  }
}

void Crew::tell_unsent(const char* what, uint32_t number, const Fault& fault) {
  log_.error(LogLevel::error, std::string(what) + " could not be handed to " +
                                  owner_.name_of(number) + ": " + fault.text());
}

void Crew::close_channel(Place& place) {
  if (place.channel == nullptr) return;
  reactor_.unwatch(place.channel->fd());
  place.channel.reset();
}

void Crew::retry_later(const ControlChannel& channel) {
  if (retry_armed_ || channel.waiting() != ControlChannel::Waiting::time) return;
  retry_armed_ = true;
  arm(control_retry_ms, 0, retry_timer);
}

void Crew::retry_sending() {
  retry_armed_ = false;
  for (Place& place : places_) {
    if (place.channel == nullptr) continue;
    place.channel->retry();
    retry_later(*place.channel);
  }
}

}  // namespace sluice
