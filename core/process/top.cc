// top: the loop, and the escapes that a terminal is sent. Text comes from TopScreen, which is
// printable ASCII, so nothing of a stranger's reaches the terminal as a command.
#include "core/process/top.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/conf/values.h"
#include "core/conf/whereabouts.h"
#include "core/observe/json.h"
#include "core/process/admin_client.h"
#include "core/process/conversation.h"
#include "core/process/top_screen.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "net/sys_terminal.h"

namespace sluice {

namespace {

constexpr uint64_t patience_ms = 5'000;
constexpr size_t columns_of_a_file = 132;  // where no terminal says how wide it is
constexpr size_t least_columns = 20;
constexpr size_t least_rows = 4;

int fail(const std::string& text) {
  std::fprintf(stderr, "sluice: %s\n", text.c_str());
  return 1;
}

std::string read_interval(const std::string& word, uint64_t& value_ms) {
  try {
    value_ms = time_ms(Word{word, word});
  } catch (const ConfProblem& problem) {
    return "--interval: " + problem.what;
  }
  const bool good = value_ms >= 100 && value_ms <= 3'600'000;
  return good ? "" : "--interval: " + word + " is not from 100ms to 1h";
}

std::string read_sessions(const std::string& word, uint32_t& value) {
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, value);
  const bool good = error == std::errc() && rest == end && value <= 1'000'000;
  return good ? "" : "--sessions: " + word + " is no number from 0 to 1000000";
}

// --- one look

class Source {
 public:
  Source(Address admin, std::string control, uint32_t sessions)
      : admin_(std::move(admin)), control_(std::move(control)), sessions_(sessions) {}

  // `json`: what the admin address said. "" where it went well, else what is wrong.
  std::string look(TopStatus& status, std::string& json) const {
    AdminReply answer = ask_admin(admin_, "/status.json", sys::monotonic_ms() + patience_ms);
    if (!answer.ok) return std::move(answer.text);
    std::optional<TopStatus> read = read_top_status(answer.text);
    if (!read) return "admin " + admin_.text() + ": what answers there tells no status of sluice";
    status = std::move(*read);
    json = std::move(answer.text);
    list_sessions(status);
    return "";
  }

 private:
  void list_sessions(TopStatus& status) const {
    if (sessions_ == 0) {
      status.sessions_wrong = "not looked at (--sessions 0)";
      return;
    }
    if (control_.empty()) {
      status.sessions_wrong = "the conf names no control socket: add \"control unix:/PATH\"";
      return;
    }
    const Address address = Address::from_unix_path(control_).value();
    const uint64_t deadline_ms = sys::monotonic_ms() + patience_ms;
    Conversation conversation;
    if (const int error = conversation.connect(address, deadline_ms); error != 0) {
      status.sessions_wrong = unreachable("control " + address.text(), error);
      return;
    }
    conversation.ask("sessions limit=" + std::to_string(sessions_));
    for (;;) {
      const std::string line = conversation.answer(deadline_ms);
      std::optional<TopSession> session = read_top_session(line);
      if (!session) return read_end(line, status);
      status.session_list.push_back(std::move(*session));
    }
  }

  static void read_end(const std::string& line, TopStatus& status) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || json.value("ok", Json()) != Json(true)) {
      status.sessions_wrong = "the control socket gave no whole list in time";
      return;
    }
    const Json left_out = json.value("left_out", Json());
    if (left_out.is_number_unsigned()) status.sessions_left_out = left_out.get<uint64_t>();
  }

  Address admin_;
  std::string control_;
  uint32_t sessions_;
};

// --- for scripts

std::string json_of(const TopScreen& screen, const std::string& status) {
  const TopRates rates = screen.rates();
  Json json;
  json["status"] = Json::parse(status, nullptr, false);
  json["rates"] = {{"handshakes", rates.handshakes},
                   {"accepted", rates.accepted},
                   {"refused", rates.refused},
                   {"messages", rates.messages},
                   {"bytes", rates.bytes}};
  Json& sessions = json["sessions"] = Json::array();
  for (const TopSession& each : screen.status().session_list) {
    sessions.push_back({{"id", each.id},
                        {"client", each.client},
                        {"route", each.route},
                        {"peer", each.peer},
                        {"bytes_per_s", screen.rate_of(each)},
                        {"bytes", each.bytes},
                        {"messages", each.messages},
                        {"queued", each.queued},
                        {"idle_ms", each.idle_ms},
                        {"age_ms", each.age_ms}});
  }
  json["sessions_left_out"] = screen.status().sessions_left_out;
  const std::string& wrong = screen.status().sessions_wrong;
  if (!wrong.empty()) json["sessions_wrong"] = wrong;
  return line_of(json);
}

int print_once(const TopOptions& options, const Source& source) {
  TopScreen screen;
  std::string json;
  for (int i = 0; i < 2; ++i) {
    if (i > 0) sys::wait_readable(-1, static_cast<int>(options.interval_ms));
    TopStatus status;
    const std::string wrong = source.look(status, json);
    if (!wrong.empty()) return fail(wrong);
    screen.take(std::move(status));
  }
  if (options.json) {
    std::printf("%s\n", json_of(screen, json).c_str());
    return 0;
  }
  const size_t columns = sys::terminal_size(sys::standard_output).columns;
  for (TopLine& line : screen.lines(columns > 0 ? columns : columns_of_a_file, 0)) {
    line.text.resize(line.text.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.text.c_str());
  }
  return 0;
}

// --- on a terminal

// What a terminal is sent; it is as before at the end.
class Terminal {
 public:
  Terminal() {
    sys::take_keys(sys::standard_input);
    write("\x1b[?1049h\x1b[?25l");  // a screen of its own, without a cursor
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    write("\x1b[0m\x1b[?25h\x1b[?1049l");
    sys::give_keys_back(sys::standard_input);
  }

  static void draw(TopScreen& screen) {
    const sys::TerminalSize size = sys::terminal_size(sys::standard_output);
    const size_t columns = size.columns > 0 ? std::max<size_t>(size.columns, least_columns) : 80;
    const size_t rows = size.rows > 0 ? std::max<size_t>(size.rows, least_rows) : 24;
    std::string all = "\x1b[H";
    bool first = true;
    for (const TopLine& line : screen.lines(columns, rows)) {
      if (!first) all += "\n";
      first = false;
      all += look_of(line.look) + line.text + "\x1b[0m\x1b[K";
    }
    write(all + "\x1b[J");
  }

 private:
  static std::string look_of(TopLine::Look look) {
    switch (look) {
      case TopLine::Look::plain:
        break;
      case TopLine::Look::head:
        return "\x1b[7m";
      case TopLine::Look::bold:
        return "\x1b[1m";
      case TopLine::Look::bad:
        return "\x1b[31m";
    }
    return "";
  }

  static void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
};

// False: it is to end.
bool take_keys(TopScreen& screen, int& signals) {
  char bytes[256];
  const ssize_t got = sys::read(sys::standard_input, bytes, sizeof bytes);
  if (got > 0 && !screen.take_keys({bytes, static_cast<size_t>(got)})) return false;
  while (const int signal = sys::next_signal(signals)) {
    if (signal != SIGWINCH) return false;
  }
  return got >= 0 || got == -EAGAIN || got == -EINTR;
}

int show(const TopOptions& options, const Source& source) {
  if (!sys::is_terminal(sys::standard_input) || !sys::is_terminal(sys::standard_output)) {
    return fail("top needs a terminal; --once prints one screen, --once --json a line for scripts");
  }
  TopScreen screen;
  TopStatus status;
  std::string json;
  // What is wrong from the beginning is told where it stays to be read.
  const std::string wrong = source.look(status, json);
  if (!wrong.empty()) return fail(wrong);
  screen.take(std::move(status));
  int signals = sys::signal_pipe({SIGTERM, SIGINT, SIGHUP, SIGWINCH});
  const Terminal terminal;
  uint64_t next_ms = sys::monotonic_ms() + options.interval_ms;
  for (;;) {
    Terminal::draw(screen);
    const uint64_t now_ms = sys::monotonic_ms();
    if (now_ms >= next_ms) {
      TopStatus latest;
      const std::string failed = source.look(latest, json);
      if (failed.empty()) screen.take(std::move(latest));
      if (!failed.empty()) screen.complain(failed);
      next_ms = sys::monotonic_ms() + options.interval_ms;
    } else {
      sys::wait_readable_either(sys::standard_input, signals, static_cast<int>(next_ms - now_ms));
    }
    if (!take_keys(screen, signals)) return 0;
  }
}

}  // namespace

std::string read_top_options(std::span<const char* const> words, TopOptions& options) {
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "--once" || word == "--json" || word == "-h" || word == "--help") {
      options.once = options.once || word == "--once";
      options.json = options.json || word == "--json";
      options.help = options.help || word == "-h" || word == "--help";
      continue;
    }
    const size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    if (name != "-c" && name != "--interval" && name != "--sessions") {
      return word + ": no such option";
    }
    if (equals == std::string::npos && i + 1 == words.size()) return word + " needs a value";
    const std::string value = equals == std::string::npos ? words[++i] : word.substr(equals + 1);
    std::string wrong;
    if (name == "-c") options.conf = value;
    if (name == "--interval") wrong = read_interval(value, options.interval_ms);
    if (name == "--sessions") wrong = read_sessions(value, options.sessions);
    if (!wrong.empty()) return wrong;
  }
  return options.json && !options.once ? "--json goes with --once" : "";
}

int run_top(const TopOptions& options, ConfInputs& inputs) {
  const Whereabouts found = find_whereabouts(options.conf, inputs);
  if (!found.admin) {
    if (found.unreadable && !found.errors.empty()) {
      return fail(found.errors.front().text() + "; -c FILE names another conf");
    }
    return fail(options.conf +
                ": admin is off: add \"admin 127.0.0.1:9300\" (or unix:/PATH) and reload");
  }
  const Source source(*found.admin, found.control, options.sessions);
  return options.once ? print_once(options, source) : show(options, source);
}

}  // namespace sluice
