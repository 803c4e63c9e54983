// Once the body is complete the ring holds no more than what came behind it.
#include "core/session/body_relay.h"

#include <algorithm>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr int most_rounds = 8;  // of receiving and sending, then others get their turn

}  // namespace

BodyRelay::BodyRelay(BufferPool& buffers, BodyFraming framing, uint64_t length,
                     const BodyLimits& limits)
    : buffers_(buffers), scanner_(framing, length, limits) {}

BodyRelay::~BodyRelay() {
  conveyor_.drop(buffers_);
}

size_t BodyRelay::begin_with(std::span<const uint8_t> early) {
  SLUICE_CHECK(early.size() <= most_behind_bytes);
  const BodyScanner::Scan seen = scanner_.scan(early);
  const std::span<const uint8_t> behind = early.subspan(seen.accepted);
  if (seen.verdict == BodyScanner::Verdict::complete && !behind.empty()) {
    conveyor_.ring().borrow(buffers_, BufferClass::tiny);
    conveyor_.ring().append_unjudged(behind);
  }
  return seen.accepted;
}

BodyRelay::Step BodyRelay::run(Leg& source, Leg& target, uint64_t now_ms) {
  Step step = Step::again;
  for (int round = 0; round < most_rounds && step == Step::again; ++round) {
    step = flush(target, now_ms);
    if (step == Step::again) step = fill(source, target, now_ms);
  }
  // What is left unjudged came behind the body, and may be more than a block holds.
  const bool dry = step == Step::wait && !source.readable && !scanner_.complete();
  conveyor_.give_back_idle(buffers_, dry);
  return step;
}

// `again`: nothing is queued, and the body goes on.
BodyRelay::Step BodyRelay::flush(Leg& target, uint64_t now_ms) {
  const size_t before = conveyor_.queued();
  const Conveyor::Flow flow = conveyor_.flush(target, static_cast<uint32_t>(now_ms));
  if (conveyor_.queued() < before) moved_ms_ = now_ms;
  if (flow == Conveyor::Flow::failed) return Step::target_gone;
  if (flow == Conveyor::Flow::blocked) return Step::wait;
  if (scanner_.complete()) return Step::done;
  if (scanner_.status() != 0) return Step::bad;
  return source_over_ ? Step::broke_off : Step::again;
}

// `again`: something came, or the source is over.
BodyRelay::Step BodyRelay::fill(Leg& source, Leg& target, uint64_t now_ms) {
  Io io;
  io.state = Io::State::failed;  // where somebody else has read to the end
  if (!source.input_ended) {
    if (!source.readable) return Step::wait;
    const bool unseen = may_splice(source, target);
    io = unseen ? conveyor_.splice(source, buffers_, scanner_.unseen_left())
                : conveyor_.receive(source, buffers_, receivable());
    if (io.state == Io::State::open && unseen) scanner_.step_over(io.bytes);
  }
  switch (io.state) {
    case Io::State::open:
      if (io.bytes > 0) moved_ms_ = now_ms;
      judge();
      return Step::again;
    case Io::State::blocked:
      return Step::wait;
    case Io::State::ended:
    case Io::State::failed:
      break;
  }
  source_over_ = true;
  // Only an end in order can be the body's.
  return io.state == Io::State::ended && scanner_.may_end() ? Step::done : Step::again;
}

bool BodyRelay::check_stall(const Leg& source, const Leg& target, uint32_t now_ms) {
  if (!stalled()) return false;
  const int undelivered = target.undelivered_bytes();
  if (undelivered >= 0) conveyor_.note_undelivered(static_cast<uint32_t>(undelivered), now_ms);
  if (now_ms - stalled_since_ms() < shrink_after_ms) return true;
  conveyor_.shrink(buffers_);
  if (source.has_descriptor()) sys::set_receive_buffer(source.fd(), stalled_receive_bytes);
  return true;
}

bool BodyRelay::may_splice(const Leg& source, const Leg& target) const {
  if (scanner_.unseen_left() < least_spliced_bytes) return false;
  if (!source.may_splice() || !target.may_splice()) return false;
  return conveyor_.ring().empty() && !conveyor_.slow() &&
         (conveyor_.holds_pipe() || buffers_.pipes().left() > 0);
}

// What may be received: no more of the next message than is easily kept.
uint64_t BodyRelay::receivable() const {
  const uint64_t known = scanner_.unseen_left();
  return known + std::min<uint64_t>(most_behind_bytes, UINT64_MAX - known);
}

void BodyRelay::judge() {
  Ring& ring = conveyor_.ring();
  while (ring.unjudged() > 0) {
    iovec pieces[2];
    ring.unjudged_pieces(pieces);
    const auto* const first = static_cast<const uint8_t*>(pieces[0].iov_base);
    const BodyScanner::Scan seen = scanner_.scan({first, pieces[0].iov_len});
    ring.accept(seen.accepted);
    if (seen.verdict == BodyScanner::Verdict::bad) ring.drop_unjudged();
    if (seen.verdict != BodyScanner::Verdict::more) return;
  }
}

std::string BodyRelay::take_behind() {
  Ring& ring = conveyor_.ring();
  std::string behind;
  if (!ring.held()) return behind;
  iovec pieces[2];
  const size_t count = ring.unjudged_pieces(pieces);
  for (size_t i = 0; i < count; ++i) {
    behind.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  ring.drop_unjudged();
  conveyor_.give_back_idle(buffers_, /*source_dry=*/false);
  return behind;
}

}  // namespace sluice
