// sluice's command line.
#include <openssl/crypto.h>
#include <wslay/wslay.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "core/conf/machine_inputs.h"
#include "core/process/check.h"
#include "core/process/master.h"
#include "net/sys_process.h"
#include "protocol/http1.h"
#include "tls/large_blocks.h"

namespace {

constexpr const char* default_conf = "/etc/sluice/sluice.conf";

constexpr const char* usage =
    "usage: sluice [-c FILE] [-t] [-T] [-v] [-V] [-h]\n"
    "  -c FILE  the conf to read, by default /etc/sluice/sluice.conf\n"
    "  -t       check the conf and every file that it names, then exit\n"
    "  -T       the same, and print the conf with its includes and all defaults\n"
    "  -v       print the version\n"
    "  -V       print the version and what it was built with\n"
    "  -h       print this help\n"
    "Signals: TERM, INT end at once, QUIT ends when the last session has gone, HUP checks the "
    "conf,\n"
    "USR1 reopens the logs.\n";

struct CommandLine {
  std::string conf = default_conf;
  bool test = false;
  bool print = false;  // with `test`
};

void print_version(bool with_build) {
  std::printf("sluice %s\n", SLUICE_VERSION);
  if (!with_build) return;
  std::printf("compiler: %s\n", __VERSION__);
  std::printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
  std::printf("llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
              LLHTTP_VERSION_PATCH);
  std::printf("wslay %s\n", WSLAY_VERSION);
}

int refuse(std::string_view word, const char* why) {
  std::fprintf(stderr, "sluice: %.*s: %s\n%s", static_cast<int>(word.size()), word.data(), why,
               usage);
  return 1;
}

// One word of flags, which may stand together; -c takes the rest of its word or the next one.
// Returns -1 to go on, else the exit status.
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
        next_taken = at + 1 == word.size();
        if (next_taken && next == nullptr) return refuse(word, "needs a file");
        line.conf = next_taken ? next : word.substr(at + 1);
        return -1;
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
    if (word.size() < 2 || word[0] != '-') {
      return refuse(word, "unexpected word (-c FILE names a conf)");
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

}  // namespace

int main(int count, char** words) {
  sluice::sys::hide_environment();
  CommandLine line;
  if (const int status = read_command_line(count, words, line); status >= 0) return status;
  sluice::keep_large_blocks_apart();
  sluice::MachineInputs inputs;
  sluice::ConfIds ids;
  sluice::ConfOptions options;
  options.ids = &ids;
  options.open_files = line.test;
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
  sluice::Master master(sluice::ConfigRef(outcome.config.release()), line.conf);
  return master.run();
}
