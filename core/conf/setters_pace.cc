// Setters of what time does to a session: how it ends for silence and age, and its rates; and the
// rate of handshakes.
#include <algorithm>
#include <string>

#include "core/conf/setters.h"
#include "core/observe/limit_text.h"
#include "protocol/close_code.h"

namespace sluice::setters {

namespace {

constexpr uint64_t most_byte_rate = uint64_t{1} << 40;

// The word before "/s", which is all that a rate can be in.
Word before_per_second(const Word& word, const char* example) {
  if (!word.value.ends_with("/s")) {
    throw ConfProblem{quoted(word.text) + " is not a rate a second, as in " + example};
  }
  Word number = word;
  number.value.resize(number.value.size() - 2);
  return number;
}

// What stands behind `name=`.
Word named(const Word& word, const std::string& name, const char* wanted) {
  if (!word.value.starts_with(name + "=")) {
    throw ConfProblem{quoted(word.text) + " is not " + name + "=" + wanted};
  }
  Word rest = word;
  rest.value.erase(0, name.size() + 1);
  return rest;
}

bool is_off(const SetterCall& call) {
  if (call.word(1).value != "off") return false;
  if (call.arguments() > 1) throw ConfProblem{"off takes no " + quoted(call.word(2).text)};
  return true;
}

}  // namespace

uint16_t close_code(const Word& word, const char* alternative) {
  const std::string allowed =
      std::string("; codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999") + alternative;
  return or_else(allowed.c_str(), [&] {
    const auto code = static_cast<uint16_t>(number(word, 1000, 4999));
    if (close_code_allowed_on_wire(code)) return code;
    throw ConfProblem{quoted(word.text) + " may not stand in a Close"};
  });
}

void idle_code(const SetterCall& call) {
  call.section.settings.idle_code = close_code(call.word(1), "");
}

void max_session_age(const SetterCall& call) {
  RouteSettings& settings = call.section.settings;
  settings.max_session_age_ms = 0;
  if (is_off(call)) return;
  settings.max_session_age_ms = time_ms_or_off(call.word(1));
  settings.session_age_jitter = RouteSettings().session_age_jitter;
  if (call.arguments() == 1) return;
  Word percent = named(call.word(2), "jitter", "N%, with N from 0 to 100");
  if (!percent.value.ends_with('%')) {
    throw ConfProblem{quoted(percent.text) + " is not jitter=N%, with N from 0 to 100"};
  }
  percent.value.pop_back();
  settings.session_age_jitter = static_cast<uint8_t>(number(percent, 0, 100));
}

RateLimit message_rate_of(const SetterCall& call) {
  RateLimit limit;
  if (is_off(call)) return limit;
  const Word rate = or_else(", or off", [&] { return before_per_second(call.word(1), "100/s"); });
  limit.a_second = number(rate, 1, RateLimit::most);
  limit.burst = limit.a_second;
  if (call.arguments() > 1) limit.burst = named_number(call.word(2), "burst", 1, RateLimit::most);
  return limit;
}

// A small burst by default: who is beyond it only waits a little.
void handshake_rate(const SetterCall& call) {
  RateLimit limit = message_rate_of(call);
  if (limit.a_second != 0 && call.arguments() == 1) limit.burst = std::max(limit.a_second / 10, 1u);
  call.section.settings.handshake_rate = limit;
}

ByteRate byte_rate_of(const SetterCall& call) {
  ByteRate limit;
  if (is_off(call)) return limit;
  const Word rate = or_else(", or off", [&] { return before_per_second(call.word(1), "64k/s"); });
  limit.a_second = size_bytes(rate, 1, most_byte_rate);
  limit.burst = limit.a_second;
  if (call.arguments() > 1) {
    limit.burst = size_bytes(named(call.word(2), "burst", "SIZE"), 1, most_byte_rate);
  }
  return limit;
}

void on_rate(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value != "delay" && word.value != "close") {
    throw ConfProblem{quoted(word.text) + " is neither delay nor close"};
  }
  call.section.settings.on_rate = word.value == "delay" ? OnRate::delay : OnRate::close;
}

}  // namespace sluice::setters
