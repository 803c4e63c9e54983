// Setters of who is asked whether he is well: peers by the keeper (health_check), and how often; a
// listener by balancers (healthz).
#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "core/conf/setters.h"

namespace sluice::setters {

namespace {

using Kind = CheckSettings::Kind;

constexpr uint32_t most_in_a_row = 1'000;
constexpr size_t most_ranges = 16;

Kind kind_of(const Word& word) {
  if (word.value == "off") return Kind::off;
  if (word.value == "tcp") return Kind::tcp;
  if (word.value == "http") return Kind::http;
  if (word.value == "websocket") return Kind::websocket;
  throw ConfProblem{quoted(word.text) + " is neither tcp, http PATH, websocket [PATH] nor off"};
}

std::string path_of(const Word& word) {
  const bool path = word.value.starts_with('/');
  const Result<RequestTarget> target = parse_request_target(word.value);
  if (!path || !target.ok()) {
    throw ConfProblem{quoted(word.text) + " is no path that a server may be asked for: " +
                      (path ? target.fault().text() : "it does not begin with /")};
  }
  return word.value;
}

// "200", with digits alone; nullopt where it is no status.
std::optional<uint16_t> status_of(const std::string& text) {
  const bool three = text.size() == 3 && std::all_of(text.begin(), text.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
  if (!three || text < "200" || text > "599") return std::nullopt;
  return static_cast<uint16_t>(std::stoi(text));
}

// "200-299,404"
std::vector<CheckSettings::StatusRange> ranges_of(const Word& word, const std::string& value) {
  std::vector<CheckSettings::StatusRange> ranges;
  for (size_t begin = 0; begin <= value.size();) {
    const size_t end = std::min(value.find(',', begin), value.size());
    const std::string one = value.substr(begin, end - begin);
    const size_t dash = one.find('-');
    const std::optional<uint16_t> least = status_of(one.substr(0, dash));
    const std::optional<uint16_t> most =
        dash == std::string::npos ? least : status_of(one.substr(dash + 1));
    if (!least || !most || *least > *most || ranges.size() == most_ranges) {
      throw ConfProblem{quoted(word.text) +
                        " is not status=RANGES, which are statuses from 200 to "
                        "599 or two of them with a dash, at most 16 behind "
                        "commas, as in status=200-299,404"};
    }
    ranges.push_back({*least, *most});
    begin = end + 1;
  }
  return ranges;
}

// "10s" for a word of "interval=10s".
uint32_t named_time(const Word& word, size_t name_bytes) {
  Word time = word;
  time.value.erase(0, name_bytes + 1);
  return time_ms(time);
}

std::string host_of(const Word& word, size_t name_bytes) {
  const std::string host = word.value.substr(name_bytes + 1);
  if (!parse_authority(host).ok()) throw ConfProblem{quoted(word.text) + " names no host"};
  return host;
}

// One "NAME=VALUE" behind the kind.
void set_option(const Word& word, const std::string& name, CheckSettings& check) {
  if (name == "status" && check.kind == Kind::http) {
    check.statuses = ranges_of(word, word.value.substr(name.size() + 1));
  } else if (name == "interval") {
    check.interval_ms = named_time(word, name.size());
  } else if (name == "timeout") {
    check.timeout_ms = named_time(word, name.size());
  } else if (name == "host" && check.kind != Kind::tcp) {
    check.host = host_of(word, name.size());
  } else if (name == "rise") {
    check.rise = named_number(word, "rise", 1, most_in_a_row);
  } else if (name == "fall") {
    check.fall = named_number(word, "fall", 1, most_in_a_row);
  } else {
    throw ConfProblem{quoted(word.text) + (name == "status" ? " goes with http alone"
                                           : name == "host"
                                               ? " goes with http and websocket alone"
                                               : ": behind the kind only status=RANGES, host=NAME, "
                                                 "interval=TIME, timeout=TIME, rise=N and fall=N")};
  }
}

}  // namespace

void health_check(const SetterCall& call) {
  CheckSettings check;
  check.kind = kind_of(call.word(1));
  size_t next = 2;
  const bool path_given =
      call.arguments() >= 2 &&
      (call.word(2).value.starts_with('/') || call.word(2).value.find('=') == std::string::npos);
  if (check.kind == Kind::http && !path_given) {
    throw ConfProblem{"http needs the path that is asked for, as in health_check http /healthz"};
  }
  if ((check.kind == Kind::http || check.kind == Kind::websocket) && path_given) {
    check.path = path_of(call.word(next++));
  }
  if (check.kind == Kind::off && call.arguments() > 1) {
    throw ConfProblem{"off takes no " + quoted(call.word(2).text)};
  }
  std::set<std::string> given;
  for (; next <= call.arguments(); ++next) {
    const Word& word = call.word(next);
    const std::string name = word.value.substr(0, word.value.find('='));
    const bool has_value = name.size() < word.value.size();
    set_option(word, has_value ? name : "", check);
    if (!given.insert(name).second) throw ConfProblem{quoted(name) + " is given twice"};
  }
  if (given.count("timeout") == 0) {
    check.timeout_ms = std::min(check.timeout_ms, check.interval_ms);
  }
  if (check.timeout_ms > check.interval_ms) {
    throw ConfProblem{"timeout is longer than interval: a check ends before the next one begins"};
  }
  call.section.settings.check = std::move(check);
}

void healthz(const SetterCall& call) {
  const Word& word = call.word(1);
  std::string& path = call.section.settings.healthz;
  if (word.value == "off") return path.clear();
  const Result<RequestTarget> target = parse_request_target(word.value);
  const auto refuse = [&word](const std::string& why) {
    throw ConfProblem{quoted(word.text) + " is no path that a balancer may ask for: " + why +
                      "; write one as /healthz, or off"};
  };
  if (!word.value.starts_with('/')) refuse("it does not begin with /");
  if (!target.ok()) refuse(target.fault().text());
  if (word.value.find('?') != std::string::npos) refuse("a query stands behind it");
  path = word.value;
}

}  // namespace sluice::setters
