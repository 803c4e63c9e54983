// sluice's command line.
#include <openssl/crypto.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "core/conf/machine_inputs.h"
#include "core/process/check.h"
#include "core/process/command.h"
#include "core/process/master.h"
#include "core/process/top.h"
#include "net/sys_process.h"
#include "net/sys_sandbox.h"
#include "net/sys_trace.h"
#include "protocol/http1.h"
#include "tls/large_blocks.h"

namespace {

constexpr const char* default_conf = "/etc/sluice/sluice.conf";

constexpr const char* usage =
    "usage: sluice [-c FILE] [-s COMMAND] [-t] [-T] [-v] [-V] [-h]\n"
    "       sluice top [-c FILE] [...]: what a running sluice does (sluice top -h)\n"
    "  -c FILE  the conf to read, by default /etc/sluice/sluice.conf\n"
    "  -s COMMAND  tell the sluice that runs with this conf:\n"
    "           reload, stop, quit, reopen (its logs), status\n"
    "           drain PART [over TIME], undrain PART: end its sessions evenly, and give it no new\n"
    "             ones; PART is upstream NAME [server URI], route PATH or listener ADDRESS\n"
    "           sessions [upstream NAME|route PATH|client ADDRESS|listener ADDRESS|id ID] "
    "[limit=N]\n"
    "           close ID [CODE [REASON]]: end that session\n"
    "           trace [client=ADDRESS] [route=PATH] [upstream=NAME] [listener=ADDRESS]\n"
    "             [host=NAME] [path=PATH] [count=N] [lines=N] [for=TIME]: show the steps of the "
    "next\n"
    "             handshakes, with values that may be secret masked\n"
    "  -t       check the conf and every file that it names, then exit\n"
    "  -T       the same, and print the conf with its includes and all defaults\n"
    "  -v       print the version\n"
    "  -V       print the version and what it was built with\n"
    "  -h       print this help\n"
    "Signals: TERM, INT end at once, QUIT ends the sessions over drain_timeout, HUP reloads the "
    "conf,\n"
    "USR1 reopens the logs.\n";

using sluice::ControlCommand;

struct CommandLine {
  std::string conf = default_conf;
  bool test = false;
  bool print = false;  // with `test`
  std::optional<ControlCommand> command;
  std::string arguments;  // of the command
};

void print_version(bool with_build) {
  std::printf("sluice %s\n", SLUICE_VERSION);
  if (!with_build) return;
  std::printf("compiler: %s\n", __VERSION__);
  std::printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
  std::printf("llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
              LLHTTP_VERSION_PATCH);
  std::printf("wslay %s\n", WSLAY_VERSION);
  std::printf("%s\n", sluice::sys::call_filter_text().c_str());
}

int refuse(std::string_view word, const char* why) {
  std::fprintf(stderr, "sluice: %.*s: %s\n%s", static_cast<int>(word.size()), word.data(), why,
               usage);
  return 1;
}

// Returns -1 to go on, else the exit status.
int take_command(std::string_view word, CommandLine& line) {
  const auto& words = sluice::control_words;
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    return refuse(word,
                  "no such command; there are reload, stop, quit, reopen, status, drain, undrain, "
                  "sessions, close and trace");
  }
  line.command = static_cast<ControlCommand>(found - words.begin());
  return -1;
}

// One word of flags, which may stand together; -c and -s take the rest of their word or the next
// one. Returns -1 to go on, else the exit status.
int read_flags(std::string_view word, const char* next, bool& next_taken, CommandLine& line) {
  for (size_t at = 1; at < word.size(); ++at) {
    switch (word[at]) {
      case 'h':
        std::fputs(usage, stdout);
        return 0;
      case 'v':
      case 'V':
        print_version(word[at] == 'V');
        return 0;
      case 't':
        line.test = true;
        break;
      case 'T':
        line.test = line.print = true;
        break;
      case 'c':
      case 's': {
        const bool conf = word[at] == 'c';
        next_taken = at + 1 == word.size();
        if (next_taken && next == nullptr)
          return refuse(word, conf ? "needs a file" : "needs a command");
        const std::string_view value = next_taken ? next : word.substr(at + 1);
        if (!conf) return take_command(value, line);
        line.conf = value;
        return -1;
      }
      default:
        return refuse(word, "no such option");
    }
  }
  return -1;
}

// Returns -1 to go on, else the exit status.
int read_command_line(int count, char** words, CommandLine& line) {
  for (int i = 1; i < count; ++i) {
    std::string_view word = words[i];
    if (word == "--help") word = "-h";
    if (word == "--version") word = "-v";
    if (line.command && !word.empty() && word[0] != '-') {
      line.arguments.append(line.arguments.empty() ? "" : " ").append(word);
      continue;
    }
    if (word.size() < 2 || word[0] != '-') {
      return refuse(word, word == "top" ? "stands before all options"
                                        : "unexpected word (-c FILE names a conf)");
    }
    bool next_taken = false;
    const int status = read_flags(word, i + 1 < count ? words[i + 1] : nullptr, next_taken, line);
    if (status >= 0) return status;
    if (next_taken) ++i;
  }
  return -1;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    std::fprintf(stderr, "sluice: warning: %s\n", warning.c_str());
  }
}

int tell_good(const sluice::ConfOutcome& outcome, const CommandLine& line) {
  warn(sluice::check_machine(*outcome.config));
  warn(sluice::check_as_user(*outcome.config));
  if (line.print) std::fputs(outcome.effective.c_str(), stdout);
  std::fprintf(stderr, "sluice: %s: the conf is good\n", line.conf.c_str());
  return 0;
}

int show_top(int count, char** words) {
  sluice::TopOptions options;
  options.conf = default_conf;
  const std::string wrong = sluice::read_top_options(
      std::span<const char* const>(words, static_cast<size_t>(count)), options);
  if (!wrong.empty()) {
    std::fprintf(stderr, "sluice: top: %s\n%s", wrong.c_str(), sluice::top_usage);
    return 1;
  }
  if (options.help) {
    std::fputs(sluice::top_usage, stdout);
    return 0;
  }
  sluice::MachineInputs inputs;
  return sluice::run_top(options, inputs);
}

}  // namespace

int main(int count, char** words) {
  sluice::sys::hide_environment();
  if (count > 1 && std::string_view(words[1]) == "top") return show_top(count - 2, words + 2);
  CommandLine line;
  if (const int status = read_command_line(count, words, line); status >= 0) return status;
  sluice::keep_large_blocks_apart();
  sluice::MachineInputs inputs;
  if (line.command && line.test) return refuse("-s", "goes neither with -t nor with -T");
  if (line.command && line.arguments.find('\n') != std::string::npos) {
    return refuse("-s", "a command is one line");
  }
  if (line.command) return sluice::send_command(*line.command, line.arguments, line.conf, inputs);
  sluice::ConfIds ids;
  sluice::ConfOptions options;
  options.ids = &ids;
  options.open_files = line.test;
  options.effective = line.print;
  sluice::ConfOutcome outcome = sluice::load_conf(line.conf, options, inputs);
  warn(outcome.warnings);
  for (const sluice::ConfError& error : outcome.errors) {
    std::fprintf(stderr, "sluice: %s\n", error.text().c_str());
  }
  if (outcome.config == nullptr) {
    if (outcome.unreadable && line.conf == default_conf) {
      std::fputs("sluice: -c FILE reads another conf\n", stderr);
    }
    return 1;
  }
  if (line.test) return tell_good(outcome, line);
  sluice::sys::name_traced_process("master");
  sluice::sys::trace_fatal_signals();
  sluice::Master master(sluice::ConfigRef(outcome.config.release()), line.conf, std::move(ids));
  return master.run();
}
