// Balance: what each way does with the same peers, and what all have in common, over random ones.
#include "core/peers/balance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace sluice;

namespace {

PeerConfig peer_at(size_t number) {
  PeerConfig peer;
  peer.address = Address::from_ip("10.0.0.1", static_cast<uint16_t>(1000 + number)).value();
  peer.uri = parse_server_uri("ws://" + peer.address.text()).value();
  return peer;
}

std::vector<Candidate> equal_ones(size_t count) {
  std::vector<Candidate> all(count);
  for (size_t i = 0; i < count; ++i) {
    all[i].peer = PeerId{static_cast<uint32_t>(i)};
    all[i].place = static_cast<uint32_t>(i);
    all[i].identity = identity_of(peer_at(i));
  }
  return all;
}

// In the order of their places, as an upstream would hand them in again.
void restore(std::vector<Candidate>& all) {
  std::sort(all.begin(), all.end(),
            [](const Candidate& a, const Candidate& b) { return a.place < b.place; });
}

std::string text_of(const std::vector<Candidate>& all) {
  std::string text;
  for (const Candidate& each : all) text += static_cast<char>('a' + each.place);
  return text;
}

std::string first_ones(Balance how, std::vector<Candidate>& all, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) {
    restore(all);
    order_peers(how, 0, 0, all);
    text += static_cast<char>('a' + all[0].place);
    ++all[0].active;
  }
  return text;
}

}  // namespace

TEST_CASE("balance: round robin by weight, as evenly as can be") {
  std::vector<Candidate> all = equal_ones(3);
  all[0].weight = 5;
  CHECK(first_ones(Balance::round_robin, all, 14) == "aabacaaaabacaa");
  all = equal_ones(3);
  CHECK(first_ones(Balance::round_robin, all, 7) == "abcabca");
}

TEST_CASE("balance: those that are up, then backups, then those that are out, in any way") {
  std::vector<Candidate> all = equal_ones(5);
  all[0].up = false;
  all[1].tier = 1;
  all[2].tier = 1;
  all[2].up = false;
  all[3].weight = 1000;
  for (const Balance how :
       {Balance::round_robin, Balance::least_conn, Balance::random_two, Balance::hash}) {
    restore(all);
    order_peers(how, 77, 0x123456789abcdef, all);
    const std::string order = text_of(all);
    CAPTURE(order);
    CHECK(std::min(order.find('d'), order.find('e')) == 0);
    CHECK(std::max(order.find('d'), order.find('e')) == 1);
    CHECK(order.substr(2) == "bac");
  }
}

TEST_CASE("balance: fewest sessions for its weight, equal ones in turn") {
  std::vector<Candidate> all = equal_ones(3);
  all[0].active = 4;
  all[1].active = 1;
  all[2].active = 9;
  all[2].weight = 8;
  order_peers(Balance::least_conn, 0, 0, all);
  CHECK(text_of(all) == "cba");  // 10/8, 2, 5
  all = equal_ones(3);
  all[0].weight = 2;
  const std::string chosen = first_ones(Balance::least_conn, all, 400);
  CHECK(std::count(chosen.begin(), chosen.end(), 'a') == 200);
  CHECK(std::count(chosen.begin(), chosen.end(), 'b') == 100);
}

TEST_CASE("balance: of two at random the lighter one") {
  std::mt19937_64 random(1);
  std::vector<Candidate> all = equal_ones(4);
  all[3].active = 1000;
  std::map<uint32_t, int> first;
  for (int i = 0; i < 4000; ++i) {
    restore(all);
    order_peers(Balance::random_two, 0, random(), all);
    ++first[all[0].place];
  }
  CHECK(first[3] == 0);  // it was never alone
  for (const uint32_t place : {0u, 1u, 2u}) CHECK(std::abs(first[place] - 1333) < 150);
}

TEST_CASE("balance: a hash leads a key to one peer, by weight, and moves no more than it must") {
  constexpr size_t keys = 20'000;
  std::vector<Candidate> ten = equal_ones(10);
  ten[4].weight = 3;
  std::vector<uint32_t> before(keys);
  std::map<uint32_t, size_t> share;
  for (size_t key = 0; key < keys; ++key) {
    order_peers(Balance::hash, balance_key("user-" + std::to_string(key)), 0, ten);
    before[key] = ten[0].place;
    ++share[before[key]];
    restore(ten);
  }
  for (uint32_t place = 0; place < 10; ++place) {
    CAPTURE(place);
    const double wanted = keys * (place == 4 ? 3.0 : 1.0) / 12;
    CHECK(std::abs(static_cast<double>(share[place]) - wanted) < 5 * std::sqrt(wanted));
  }
  std::vector<Candidate> nine = ten;
  nine.erase(nine.begin() + 7);
  size_t moved = 0;
  for (size_t key = 0; key < keys; ++key) {
    order_peers(Balance::hash, balance_key("user-" + std::to_string(key)), 0, nine);
    if (before[key] != nine[0].place) {
      ++moved;
      CHECK(before[key] == 7);  // nobody else's keys move
    }
  }
  CHECK(moved == share[7]);
}

TEST_CASE("balance: identities are those of address and URI, whatever else a line says") {
  PeerConfig peer = peer_at(1);
  const uint64_t identity = identity_of(peer);
  peer.id = PeerId{99};
  peer.weight = 5;
  CHECK(identity_of(peer) == identity);
  CHECK(identity_of(peer_at(2)) != identity);
  peer.uri.path = "/other";
  CHECK(identity_of(peer) != identity);
}

// What must hold of any order over any peers.
TEST_CASE("balance: an order holds everybody once, the best kinds first, and the same again") {
  std::mt19937_64 random(42);
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    std::vector<Candidate> all = equal_ones(random() % 8);
    for (Candidate& each : all) {
      each.weight = 1 + static_cast<uint32_t>(random() % 1000);
      each.active = static_cast<uint32_t>(random() % 5);
      each.up = random() % 3 != 0;
      each.tier = random() % 4 == 0 ? 1 + static_cast<uint32_t>(random() % 3) : 0;
      each.turn = static_cast<int64_t>(random() % 2000) - 1000;
    }
    const auto how = static_cast<Balance>(random() % 4);
    const uint64_t key = random();
    const uint64_t draw = random();
    std::vector<Candidate> shuffled = all;
    order_peers(how, key, draw, all);
    std::string order = text_of(all);
    const auto kind = [](const Candidate& each) { return (each.up ? 0u : 10u) + each.tier; };
    CHECK(std::is_sorted(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
      return kind(a) < kind(b);
    }));
    std::sort(order.begin(), order.end());
    CHECK(order == std::string("abcdefgh").substr(0, all.size()));
    // In whatever order they are handed in.
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    order_peers(how, key, draw, shuffled);
    CHECK(text_of(shuffled) == text_of(all));
    // Turns are only passed on: what one gets the others give.
    int64_t turns = 0;
    for (const Candidate& each : all) turns += each.turn;
    int64_t turns_again = 0;
    for (const Candidate& each : shuffled) turns_again += each.turn;
    CHECK(turns == turns_again);
  }
}
