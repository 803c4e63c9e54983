// UpstreamPool: the latest connection is asked first, since its peer has had least time to end it;
// the others grow old and go.
#include "core/session/upstream_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

UpstreamPool::UpstreamPool(Reactor& reactor, PeerTable& peers)
    : reactor_(reactor), peers_(peers), id_(reactor.attach(*this)) {}

UpstreamPool::~UpstreamPool() {
  close_all();
}

// Nothing that may throw comes once the connection is taken.
void UpstreamPool::keep(Leg& leg, Terms terms) noexcept try {
  idle_.sweep();
  const auto place = static_cast<size_t>(terms.peer);
  if (place >= by_peer_.size()) by_peer_.resize(place + 1);
  std::vector<Handle>& stack = by_peer_[place];
  while (!stack.empty() && stack.size() >= terms.most) close(stack.front());
  stack.reserve(stack.size() + 1);
  const uint64_t until_ms = reactor_.now_ms() + terms.for_ms;
  arm(until_ms);
  const Handle handle = idle_.create();
  Idle& idle = *idle_.get(handle);
  if (!idle.leg.take_over(reactor_, leg, {id_, handle, 0}).ok()) return idle_.retire(handle);
  peers_.hold(terms.peer);
  idle.terms = std::move(terms);
  idle.until_ms = until_ms;
  stack.push_back(handle);
} catch (const std::bad_alloc&) {
  leg.close(reactor_, End::orderly);
}

bool UpstreamPool::take(PeerId peer, const TlsClientRef& secured_by, std::span<const Address> from,
                        Leg& leg, const Watch& watch) {
  if (static_cast<size_t>(peer) >= by_peer_.size()) return false;
  const std::vector<Handle>& stack = of(peer);
  for (size_t left = stack.size(); left > 0; --left) {
    const Handle handle = stack[left - 1];
    Idle& idle = *idle_.get(handle);
    if (!suits(idle, secured_by, from)) continue;
    if (!is_silent(idle)) {
      close(handle);
      continue;
    }
    const bool taken = leg.take_over(reactor_, idle.leg, watch).ok();
    forget(handle);
    return taken;
  }
  return false;
}

// Routes may differ in the addresses that they connect from.
bool UpstreamPool::suits(Idle& idle, const TlsClientRef& secured_by,
                         std::span<const Address> from) const {
  if (idle.terms.secured_by != secured_by) return false;
  if (from.empty() || !idle.terms.bound) return from.empty() && !idle.terms.bound;
  const std::string host = sys::local_address(idle.leg.fd()).host_text();
  return std::any_of(from.begin(), from.end(),
                     [&](const Address& each) { return each.host_text() == host; });
}

void UpstreamPool::close_all() noexcept {
  idle_.for_each([this](Handle handle, Idle&) { close(handle); });
  reactor_.cancel(std::exchange(timer_, 0));
}

void UpstreamPool::close(Handle handle) noexcept {
  idle_.get(handle)->leg.close(reactor_, End::orderly);
  forget(handle);
}

// Its leg is not open any more.
void UpstreamPool::forget(Handle handle) {
  const PeerId peer = idle_.get(handle)->terms.peer;
  std::vector<Handle>& stack = of(peer);
  stack.erase(std::find(stack.begin(), stack.end(), handle));
  idle_.retire(handle);
  peers_.release(peer);
}

// An answer that nobody asked for is nobody's (RFC 9112 section 9.2): it is looked for again when
// the connection is taken, since it may have come after this turn's events. What TLS says for
// itself, such as a ticket, is no end.
bool UpstreamPool::is_silent(Idle& idle) noexcept try {
  uint8_t byte = 0;
  const iovec piece{&byte, sizeof byte};
  return idle.leg.recv({&piece, 1}).state == Io::State::blocked;
} catch (const std::bad_alloc&) {
  return false;
}

void UpstreamPool::on_ready(Handle handle, unsigned, Readiness ready) {
  Idle* const idle = idle_.get(handle);
  if (idle == nullptr) return;
  idle->leg.note(ready);
  if (idle->leg.readable && !is_silent(*idle)) close(handle);
}

void UpstreamPool::on_timer(Handle, unsigned) {
  timer_ = 0;
  uint64_t next_ms = UINT64_MAX;
  idle_.for_each([&](Handle handle, const Idle& idle) {
    if (idle.until_ms <= reactor_.now_ms()) return close(handle);
    next_ms = std::min(next_ms, idle.until_ms);
  });
  if (next_ms == UINT64_MAX) return;
  try {
    arm(next_ms);
  } catch (const std::bad_alloc&) {
    close_all();  // nobody would end them in time
  }
}

// The timer stays when a connection is taken, so that requests pay for none.
void UpstreamPool::arm(uint64_t until_ms) {
  if (timer_ != 0 && timer_at_ms_ <= until_ms) return;
  const TimerId armed = reactor_.arm(until_ms, id_, Handle{0, 1}, 0);
  reactor_.cancel(timer_);
  timer_ = armed;
  timer_at_ms_ = until_ms;
}

}  // namespace sluice
