// Tracer: lines are kept as the text that is sent, and counted, so that strangers who begin many
// handshakes decide about no more memory than the order allows.
#include "core/session/tracer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/router.h"

namespace sluice {

namespace {

// One without a port is meant with any.
bool is_client(const std::string& wanted, const TraceFacts& facts) {
  return wanted.empty() || wanted == facts.client || wanted == facts.client_host;
}

bool is_or_any(const std::string& wanted, const std::string& is) {
  return wanted.empty() || wanted == is;
}

template <class Id>
bool is_or_any(const std::optional<Id>& wanted, const std::optional<Id>& is) {
  return !wanted || wanted == is;
}

bool matches(const TraceOrder& order, const TraceFacts& facts) {
  return is_client(order.client, facts) && is_or_any(order.route, facts.route) &&
         is_or_any(order.host, facts.host) && is_or_any(order.upstream, facts.upstream) &&
         is_or_any(order.listener, facts.listener) &&
         (order.path.empty() || (!facts.path.empty() && path_is_under(facts.path, order.path)));
}

}  // namespace

void Tracer::begin(const TraceOrder& order) {
  end(order.number);
  orders_.push_back({.order = order, .found = {}});
}

void Tracer::end(uint32_t number) {
  for (Entry& each : orders_) {
    if (each.order.number == number) drop(each);
  }
  std::erase_if(orders_, [number](const Entry& each) { return each.order.number == number; });
}

void Tracer::more(uint32_t number) {
  for (Entry& each : orders_) each.may_send = each.may_send || each.order.number == number;
}

void Tracer::drop(Entry& entry) {
  for (const Found& each : entry.found) lines_ -= each.lines;
  entry.found.clear();
}

size_t Tracer::most_lines() const {
  size_t most = 0;
  for (const Entry& each : orders_) most = std::max<size_t>(most, each.order.lines);
  return most;
}

bool Tracer::wants(std::optional<ListenerId> listener, uint64_t now_ms) {
  for (Entry& each : orders_) {
    if (now_ms >= each.order.until_ms) drop(each);
  }
  std::erase_if(orders_, [now_ms](const Entry& each) { return now_ms >= each.order.until_ms; });
  const bool room = lines_ < most_lines();
  bool wanted = false;
  for (Entry& each : orders_) {
    if (each.order.handshakes == 0 || !is_or_any(each.order.listener, listener)) continue;
    wanted = true;
    if (!room) ++each.left_out;
  }
  return wanted && room;
}

bool Tracer::matches(const TraceFacts& facts) const {
  return std::any_of(orders_.begin(), orders_.end(), [&facts](const Entry& each) {
    return each.order.handshakes > 0 && sluice::matches(each.order, facts);
  });
}

bool Tracer::take_line() {
  if (lines_ >= most_lines()) return false;
  ++lines_;
  return true;
}

void Tracer::finish(const TraceFacts& facts, const std::string& text, uint32_t lines) {
  for (Entry& each : orders_) {
    if (each.order.handshakes == 0 || !sluice::matches(each.order, facts)) continue;
    each.found.push_back({.text = text, .lines = lines});
    lines_ += lines;
    --each.order.handshakes;
  }
}

std::optional<TracePiece> Tracer::next_piece(size_t most_bytes) {
  for (Entry& each : orders_) {
    if (!each.may_send || each.found.empty()) continue;
    Found& found = each.found.front();
    const std::string_view rest = std::string_view(found.text).substr(found.sent);
    // Lines are much shorter than a message.
    const size_t bytes =
        rest.size() <= most_bytes ? rest.size() : rest.rfind('\n', most_bytes - 1) + 1;
    TracePiece piece{.order = each.order.number,
                     .left_out = std::exchange(each.left_out, 0),
                     .whole = bytes == rest.size(),
                     .text = std::string(rest.substr(0, bytes))};
    each.may_send = false;
    found.sent += bytes;
    if (piece.whole) {
      lines_ -= found.lines;
      each.found.pop_front();
    }
    return piece;
  }
  return std::nullopt;
}

void Tracer::put_back(TracePiece piece) {
  for (Entry& each : orders_) {
    if (each.order.number != piece.order) continue;
    each.may_send = true;
    each.left_out += piece.left_out;
    if (piece.whole) {
      each.found.push_front({.text = std::move(piece.text)});
    } else {
      each.found.front().sent -= piece.text.size();
    }
  }
}

}  // namespace sluice
