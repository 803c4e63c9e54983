// Http2StreamWire: bytes that its client writes, up to a request's empty line and behind it.
#include <algorithm>
#include <utility>

#include "tests/sim/http2_client.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr std::string_view head_end = "\r\n\r\n";

}  // namespace

void Http2StreamWire::write(std::string_view bytes) {
  if (gone_ || finished_) return;
  if (!head_whole_) {
    const size_t before = head_.size();
    head_ += bytes;
    const size_t end = head_.find(head_end);
    if (end == std::string::npos) return;
    head_whole_ = true;
    head_.resize(end + head_end.size());
    bytes.remove_prefix(head_.size() - before);
  }
  written_ += bytes;
  outbox_.append(bytes);
  if (asked()) return client_.resume(*this);
  client_.submit_waiting();
}

void Http2StreamWire::finish() {
  if (gone_ || std::exchange(finished_, true)) return;
  world().note("stream #%lld: its client ends", leg_->number());
  if (!head_whole_) return reset();
  if (asked()) client_.resume(*this);
}

// As close() of a socket: what is unread makes a reset of it.
void Http2StreamWire::close_both() {
  if (gone_) return;
  if (!inbox_.empty()) return reset();
  finish();
  world().note("stream #%lld: its client is done", leg_->number());
  gone_ = true;
  client_.leave_soon();
}

void Http2StreamWire::reset() {
  if (std::exchange(gone_, true)) return;
  world().note("stream #%lld: its client resets it", leg_->number());
  outbox_.clear();
  inbox_.clear();
  client_.reset(*this);
  client_.leave_soon();
}

std::string Http2StreamWire::read(size_t bytes) {
  std::string taken = inbox_.take(bytes);
  const size_t of_head = std::min(head_unread_, taken.size());
  head_unread_ -= of_head;
  if (taken.size() > of_head) client_.consume(*this, taken.size() - of_head);
  return taken;
}

bool Http2StreamWire::in_vain() const {
  if (leg_->taken()) return false;
  if (leg_->dropped() || fell_) return true;
  return (gone_ && !asked()) || leg_->tap().over();
}

void Http2StreamWire::fall() {
  if (std::exchange(fell_, true) || gone_) return;
  gone_ = true;
  outbox_.clear();
  if (user_ != nullptr) user_->on_reset();
}

}  // namespace sluice::sim
