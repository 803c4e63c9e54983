// The body travels as it came. One that breaks off is left without its end, and the connection's
// end shows it.
#include "core/session/answer_relay.h"

#include <algorithm>
#include <utility>

#include "core/observe/limit_text.h"

namespace sluice {

AnswerRelay::AnswerRelay(const SessionContext& lent, const Dial& dial, RelayedAnswer answer)
    : lent_(lent),
      dial_(dial),
      answer_(std::move(answer)),
      head_(answer_.head),
      body_(lent.worker.transits.buffers(), answer_.framing, answer_.length, answer_.limits),
      progress_ms_(lent.now_ms()),
      ends_ms_(answer_.most_timeouts == UINT64_MAX
                   ? UINT64_MAX
                   : progress_ms_ + answer_.most_timeouts * answer_.timeout_ms) {}

AnswerRelay::Step AnswerRelay::begin(std::string_view behind) {
  watch();
  const size_t first =
      body_.begin_with({reinterpret_cast<const uint8_t*>(behind.data()), behind.size()});
  head_.text().append(behind.substr(0, first));  // a small answer goes out at once
  return run();
}

AnswerRelay::Step AnswerRelay::run() {
  if (!head_.all_sent()) {
    const size_t before = head_.sent_bytes();
    const Outgoing::Step step = head_.send(lent_.client);
    if (head_.sent_bytes() > before) progress_ms_ = lent_.now_ms();
    if (step == Outgoing::Step::failed) return Step::client_left;
    if (step == Outgoing::Step::blocked) return Step::wait;
  }
  switch (body_.run(lent_.upstream, lent_.client, lent_.now_ms())) {
    case BodyRelay::Step::wait:
      return Step::wait;
    case BodyRelay::Step::again:
      return Step::again;
    case BodyRelay::Step::done:
      return Step::done;
    case BodyRelay::Step::target_gone:
      return Step::client_left;
    case BodyRelay::Step::broke_off:
      warn("the body of its answer broke off");
      return Step::broken;
    case BodyRelay::Step::bad:
      break;
  }
  const BodyScanner& scanner = body_.scanner();
  const bool limit = scanner.status() == 431;
  warn("the body of its answer is malformed",
       limit ? limit_text("max_answer_header_size", size_text(answer_.limits.framing_bytes),
                          "the body's framing", scanner.framing_bytes(), "bytes")
             : scanner.reason());
  return Step::broken;
}

void AnswerRelay::warn(const char* what, const std::string& detail) const {
  dial_.log(LogLevel::warn, what, detail.empty() ? what : std::string(what) + ": " + detail);
}

AnswerRelay::Step AnswerRelay::on_timer() {
  const uint64_t now_ms = lent_.now_ms();
  const bool stalled = now_ms >= progress_ms() + answer_.timeout_ms;
  if (!stalled && now_ms < ends_ms_) {
    watch();
    return Step::wait;
  }
  reason_ = stalled ? "answer does not move" : "answer does not end";
  std::string line = "request " + lent_.id_text() + ": the upstream's answer was cut off, ";
  line += stalled ? "nothing moved for "
                  : "it took " + std::to_string(answer_.most_timeouts) + " times ";
  lent_.worker.log.recurring(LogLevel::info, reason_,
                             line + time_setting_text(answer_.timeout, answer_.timeout_ms));
  return Step::cut_off;
}

uint64_t AnswerRelay::progress_ms() const {
  return std::max(progress_ms_, body_.moved_ms());
}

void AnswerRelay::watch() {
  const uint64_t stalls_ms = progress_ms() + answer_.timeout_ms;
  lent_.arm(std::min(stalls_ms, ends_ms_) - lent_.now_ms());
}

}  // namespace sluice
