// Setters of which peer gets a session: balancing, health, and who is asked next.
#include <algorithm>
#include <set>
#include <string>

#include "core/conf/setters.h"
#include "core/conf/variables.h"
#include "protocol/head.h"

namespace sluice::setters {

namespace {

constexpr uint32_t most_connections = 100'000'000;

// "http_502" with N from 400 to 599; throws where it is none.
uint16_t status_of(const Word& word) {
  static constexpr const char* allowed =
      " is neither error, timeout, invalid_answer nor http_STATUS with a status from 400 to 599, "
      "nor off alone";
  const bool bare =
      word.value.size() == 3 && std::all_of(word.value.begin(), word.value.end(),
                                            [](char c) { return c >= '0' && c <= '9'; });
  if (bare) {
    throw ConfProblem{quoted(word.text) + allowed +
                      (word.expanded() ? "" : "; write http_" + word.text)};
  }
  Word status = word;
  if (!word.value.starts_with("http_")) throw ConfProblem{quoted(word.text) + allowed};
  status.value.erase(0, 5);
  try {
    return static_cast<uint16_t>(number(status, 400, 599));
  } catch (const ConfProblem&) {
    throw ConfProblem{quoted(word.text) + allowed};
  }
}

}  // namespace

void next_peer_on(const SetterCall& call) {
  NextPeerOn on;
  on.error = on.timeout = false;
  std::set<std::string> given;
  const bool off = call.word(1).value == "off" && call.arguments() == 1;
  for (size_t i = 1; i <= call.arguments() && !off; ++i) {
    const Word& word = call.word(i);
    if (word.value == "error") {
      on.error = true;
    } else if (word.value == "timeout") {
      on.timeout = true;
    } else if (word.value == "invalid_answer") {
      on.invalid_answer = true;
    } else {
      on.statuses.push_back(status_of(word));
    }
    if (!given.insert(word.value).second) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
  }
  call.section.settings.next_peer_on = std::move(on);
}

void next_peer_tries(const SetterCall& call) {
  call.section.settings.next_peer_tries = number_or_off(call.word(1), 1, 1'000'000);
}

void balance(const SetterCall& call) {
  const Word& word = call.word(1);
  UpstreamSettings& settings = call.section.settings;
  settings.hash_key = {};
  if (word.value == "hash") {
    if (call.arguments() == 1) {
      throw ConfProblem{"hash needs a value behind it, as in balance hash $remote_addr"};
    }
    settings.hash_key = compile_header_value(call.word(2));
    refuse_auth_variables(call.word(2), settings.hash_key);
    const auto& pieces = settings.hash_key.pieces();
    if (std::all_of(pieces.begin(), pieces.end(), [](const HeaderValue::Piece& piece) {
          return piece.variable == Variable::text;
        })) {
      throw ConfProblem{quoted(call.word(2).text) +
                        " is the same for all requests; write $remote_addr, $path, $http_NAME, "
                        "$cookie_NAME or $query_NAME"};
    }
    settings.balance = Balance::hash;
    return;
  }
  if (word.value == "round_robin") {
    settings.balance = Balance::round_robin;
  } else if (word.value == "least_conn") {
    settings.balance = Balance::least_conn;
  } else if (word.value == "random_two") {
    settings.balance = Balance::random_two;
  } else {
    std::string meant;
    if (word.value == "ip_hash" || word.value == "source") meant = "; write hash $remote_addr";
    if (word.value == "leastconn") meant = "; write least_conn";
    if (word.value == "roundrobin") meant = "; write round_robin";
    if (word.value == "random") meant = "; write random_two";
    throw ConfProblem{quoted(word.text) +
                      " is neither round_robin, least_conn, random_two nor hash VALUE" + meant};
  }
  if (call.arguments() > 1) {
    throw ConfProblem{word.value + " takes no " + quoted(call.word(2).text)};
  }
}

void sticky(const SetterCall& call) {
  Sticky& sticky = call.section.settings.sticky;
  sticky = {};
  const Word& kind = call.word(1);
  if (kind.value == "off" && call.arguments() == 1) return;
  if (kind.value != "cookie" || call.arguments() == 1) {
    throw ConfProblem{quoted(kind.text) +
                      " is neither cookie with a name behind it, nor off alone"};
  }
  const Word& name = call.word(2);
  if (!is_token(name.value)) {
    throw ConfProblem{quoted(name.text) +
                      " is not a cookie's name: letters, digits and !#$%&'*+-.^_`|~"};
  }
  sticky.cookie = name.value;
  if (call.arguments() == 2) return;
  Word ttl = call.word(3);
  if (!ttl.value.starts_with("ttl=")) throw ConfProblem{quoted(ttl.text) + " is not ttl=TIME"};
  ttl.value.erase(0, 4);
  sticky.ttl_ms = time_ms(ttl);
  if (sticky.ttl_ms < 1000) {
    throw ConfProblem{quoted(ttl.text) + ": a cookie's time is in whole seconds, at least ttl=1s"};
  }
}

void on_peer_gone(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value != "keep" && word.value != "drain") {
    throw ConfProblem{quoted(word.text) + " is neither keep nor drain"};
  }
  call.section.settings.on_peer_gone = word.value == "drain" ? OnPeerGone::drain : OnPeerGone::keep;
}

void max_fails(const SetterCall& call) {
  call.section.settings.health.max_fails = number_or_off(call.word(1), 1, 1'000'000);
}

void fail_timeout(const SetterCall& call) {
  HealthSettings& health = call.section.settings.health;
  const HealthSettings usual;
  health.fail_timeout_ms = time_ms(call.word(1));
  health.first_fail_timeout_ms = std::min(usual.first_fail_timeout_ms, health.fail_timeout_ms);
  health.max_fail_timeout_ms = std::max(usual.max_fail_timeout_ms, health.fail_timeout_ms);
  std::set<std::string> given;
  for (size_t i = 2; i <= call.arguments(); ++i) {
    Word time = call.word(i);
    const std::string name = time.value.substr(0, time.value.find('='));
    if (time.value.size() == name.size() || (name != "first" && name != "max")) {
      throw ConfProblem{quoted(time.text) + " is neither first=TIME nor max=TIME"};
    }
    if (!given.insert(name).second) throw ConfProblem{quoted(name) + " is given twice"};
    time.value.erase(0, name.size() + 1);
    (name == "max" ? health.max_fail_timeout_ms : health.first_fail_timeout_ms) = time_ms(time);
  }
  if (health.max_fail_timeout_ms >= health.first_fail_timeout_ms) return;
  throw ConfProblem{"max= is less than first="};
}

void server_options(const SetterCall& call, PeerConfig& like) {
  std::set<std::string> given;
  for (size_t i = 2; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const std::string name = word.value.substr(0, word.value.find('='));
    if (name == "weight") {
      like.weight = named_number(word, "weight", 1, most_weight);
    } else if (name == "max_connections") {
      like.max_connections = named_number(word, "max_connections", 1, most_connections);
    } else if (name == "slow_start" && name.size() < word.value.size()) {
      Word time = word;
      time.value.erase(0, name.size() + 1);
      like.slow_start_ms = time_ms(time);
    } else if (word.value == "backup") {
      like.tier = backup_tier;
    } else {
      throw ConfProblem{quoted(word.text) +
                        ": behind the URI only weight=N, max_connections=N, slow_start=TIME and "
                        "backup"};
    }
    if (!given.insert(name).second) throw ConfProblem{quoted(name) + " is given twice"};
  }
}

}  // namespace sluice::setters
