// Worker: what it tells once a second of its loop and of what it lends, so that no message pays for
// it. Nobody can read that but at the admin address.
#include <algorithm>
#include <utility>

#include "core/process/worker.h"
#include "net/sys.h"

namespace sluice {

void Worker::want_gauges() {
  gauges_.want(own_use_ != nullptr && context_.config->admin.has_value());
}

void Worker::tell_gauges() {
  own_use_->tell();
  row_.ring_bytes.set(buffers_.lent_bytes());
  row_.pipes.set(buffers_.pipes().lent());
  const uint64_t lost = log_.error_sink.dropped() + log_.access_sink.dropped();
  row_.log_lines_lost.add(lost - std::exchange(log_lines_told_, lost));

  const Reactor::TurnTimes& turns = reactor_.turn_times();
  const uint64_t now_ns = sys::monotonic_ns();
  const uint64_t busy_ns = turns.sum_ns - turns_told_.sum_ns;
  const uint64_t passed_ns = now_ns - std::exchange(turns_told_ns_, now_ns);
  if (passed_ns > 0) {
    row_.busy_permille.set(std::min<uint64_t>(busy_ns * 1'000 / passed_ns, 1'000));
  }
  for (size_t place = 0; place < turns.counts.size(); ++place) {
    const uint64_t more = turns.counts[place] - turns_told_.counts[place];
    if (more > 0) row_.turns_us.add_at(place, more);
  }
  row_.turns_us.sum.add(turns.sum_ns / 1'000 - turns_told_.sum_ns / 1'000);
  turns_told_ = turns;
}

}  // namespace sluice
