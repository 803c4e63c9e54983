// Each message is one datagram of lines NAME=VALUE.
#include "core/process/notify.h"

#include <algorithm>
#include <charconv>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr Handle watchdog{0, 1};

// Digits alone; 0 where the text is anything else.
uint64_t number_in(const std::string& text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end ? number : 0;
}

}  // namespace

Notify::Notify(Reactor& reactor) : reactor_(reactor), id_(reactor.attach(*this)) {}

// A pid in WATCHDOG_PID is whom the manager watches: another's variables may be inherited.
void Notify::open() {
  socket_ = sys::take_variable("NOTIFY_SOCKET");
  const uint64_t deadline_us = number_in(sys::take_variable("WATCHDOG_USEC"));
  const std::string watched = sys::take_variable("WATCHDOG_PID");
  const auto own = static_cast<uint64_t>(sys::process_id());
  const bool ours = watched.empty() || number_in(watched) == own;
  // Twice in the time that it waits, as sd_watchdog_enabled(3) advises.
  if (deadline_us > 0 && ours) watchdog_ms_ = std::max<uint64_t>(deadline_us / 2000, 1);
}

void Notify::ready(const std::string& status) {
  tell("READY=1\nMAINPID=" + std::to_string(sys::process_id()) + "\nSTATUS=" + status + "\n");
  if (fed_ || socket_.empty() || watchdog_ms_ == 0) return;
  fed_ = true;
  arm();
}

// The time is what tells this reload's READY from an earlier one's.
void Notify::reloading() {
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(sys::monotonic_ns() / 1000) +
       "\nSTATUS=Reading the conf anew\n");
}

void Notify::stopping(const std::string& status) {
  tell("STOPPING=1\nSTATUS=" + status + "\n");
}

void Notify::on_timer(Handle, unsigned) {
  tell("WATCHDOG=1\n");
  arm();
}

void Notify::arm() {
  reactor_.update_clock();
  reactor_.arm(reactor_.now_ms() + watchdog_ms_, id_, watchdog, 0);
}

void Notify::tell(const std::string& text) const {
  if (!socket_.empty()) sys::send_datagram(socket_, text);
}

}  // namespace sluice
