// Balance. Orders are total, ties end at `place`, so that the same input gives the same order
// everywhere.
#include "core/peers/balance.h"

#include <algorithm>
#include <cmath>

namespace sluice {

namespace {

// The finalizer of MurmurHash3: each bit of the result depends on each bit of `x`.
uint64_t mixed(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

uint64_t rank(const Candidate& candidate) {
  return (candidate.up ? 0 : uint64_t{1} << 32) + candidate.tier;
}

// How many of those in order of their ranks have the first one's.
size_t first_rank(std::span<const Candidate> candidates) {
  size_t count = 0;
  while (count < candidates.size() && rank(candidates[count]) == rank(candidates[0])) ++count;
  return count;
}

// Whether `a` has fewer sessions for its weight than `b`, with the one that it would get.
bool lighter(const Candidate& a, const Candidate& b) {
  return (uint64_t{a.active} + 1) * b.weight < (uint64_t{b.active} + 1) * a.weight;
}

template <class Better>
void sort_by(std::span<Candidate> candidates, Better better) {
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (better(a, b)) return true;
    if (better(b, a)) return false;
    return a.turn != b.turn ? a.turn > b.turn : a.place < b.place;
  });
}

// One step of smooth weighted round robin among equals: who comes next stands first afterwards.
void take_turn(std::span<Candidate> equals) {
  int64_t all = 0;
  size_t chosen = 0;
  for (size_t i = 0; i < equals.size(); ++i) {
    equals[i].turn += equals[i].weight;
    all += equals[i].weight;
    if (equals[i].turn > equals[chosen].turn) chosen = i;
  }
  equals[chosen].turn -= all;
  std::rotate(equals.begin(), equals.begin() + static_cast<ptrdiff_t>(chosen),
              equals.begin() + static_cast<ptrdiff_t>(chosen) + 1);
}

void order_round_robin(std::span<Candidate> candidates) {
  sort_by(candidates, [](const Candidate&, const Candidate&) { return false; });
  take_turn(candidates.first(first_rank(candidates)));
}

void order_least_conn(std::span<Candidate> candidates) {
  sort_by(candidates, lighter);
  size_t equals = 1;
  const size_t first = first_rank(candidates);
  while (equals < first && !lighter(candidates[0], candidates[equals])) ++equals;
  take_turn(candidates.first(equals));
}

// The place of one of them, chosen by weight; `point` is below the sum of the weights.
size_t chosen_by(uint64_t point, std::span<const Candidate> candidates) {
  size_t i = 0;
  while (point >= candidates[i].weight) point -= candidates[i++].weight;
  return i;
}

void order_random_two(uint64_t random, std::span<Candidate> candidates) {
  sort_by(candidates, lighter);
  std::span<Candidate> first = candidates.first(first_rank(candidates));
  const auto move_to_front = [](std::span<Candidate> span, size_t place) {
    std::rotate(span.begin(), span.begin() + static_cast<ptrdiff_t>(place),
                span.begin() + static_cast<ptrdiff_t>(place) + 1);
  };
  uint64_t all = 0;
  for (const Candidate& each : first) all += each.weight;
  move_to_front(first, chosen_by((random >> 32) % all, first));
  if (first.size() == 1) return;
  all -= first[0].weight;
  const std::span<Candidate> others = first.subspan(1);
  move_to_front(others, chosen_by((random & UINT32_MAX) % all, others));
  if (lighter(first[1], first[0])) std::swap(first[0], first[1]);
}

// -weight / ln(u), u being uniform in (0, 1): the largest is a peer's with a probability that is
// its share of all weights, and that others come and go does not change the order of the rest.
void order_hash(uint64_t key, std::span<Candidate> candidates) {
  for (Candidate& each : candidates) {
    const uint64_t bits = mixed(mixed(key) ^ each.identity) >> 11;
    each.score =
        -static_cast<double>(each.weight) / std::log((static_cast<double>(bits) + 0.5) * 0x1p-53);
  }
  sort_by(candidates, [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
}

// 64-bit FNV-1a.
class Hash {
 public:
  void add(std::string_view part) {
    for (const char byte : part) add(static_cast<unsigned char>(byte));
    add(uint8_t{0});  // parts hold no NUL byte: "ab", "c" is not "a", "bc"
  }
  uint64_t value() const { return value_; }

 private:
  void add(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

void order_peers(Balance how, uint64_t key, uint64_t random, std::span<Candidate> candidates) {
  if (candidates.empty()) return;
  switch (how) {
    case Balance::round_robin:
      return order_round_robin(candidates);
    case Balance::least_conn:
      return order_least_conn(candidates);
    case Balance::random_two:
      return order_random_two(random, candidates);
    case Balance::hash:
      return order_hash(key, candidates);
  }
}

uint64_t identity_of(const PeerConfig& peer) {
  Hash hash;
  hash.add(peer.uri.secure ? "wss" : "ws");
  hash.add(peer.uri.authority);
  hash.add(peer.uri.path);
  hash.add(peer.address.text());
  return mixed(hash.value());
}

uint64_t balance_key(std::string_view text) {
  Hash hash;
  hash.add(text);
  return hash.value();
}

}  // namespace sluice
