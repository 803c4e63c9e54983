// sluice's command line.
#include <openssl/crypto.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "core/conf.h"
#include "core/master.h"
#include "protocol/http1.h"

namespace {

constexpr const char* default_conf = "/etc/sluice/sluice.conf";

constexpr const char* usage =
    "usage: sluice [-c FILE] [-t] [-v] [-V] [-h]\n"
    "  -c FILE  the conf to read, by default /etc/sluice/sluice.conf\n"
    "  -t       check the conf and every file that it names, then exit\n"
    "  -v       print the version\n"
    "  -V       print the version and what it was built with\n"
    "  -h       print this help\n"
    "Signals: TERM, INT end at once, QUIT ends when the last session has gone, HUP checks the "
    "conf,\n"
    "USR1 reopens the logs.\n";

struct CommandLine {
  std::string conf = default_conf;
  bool test = false;
};

void print_version(bool with_build) {
  std::printf("sluice %s\n", SLUICE_VERSION);
  if (!with_build) return;
  std::printf("compiler: %s\n", __VERSION__);
  std::printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
  std::printf("llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
              LLHTTP_VERSION_PATCH);
}

// Returns -1 to go on, else the exit status.
int read_command_line(int count, char** words, CommandLine& line) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "-h" || word == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (word == "-v" || word == "-V") {
      print_version(word == "-V");
      return 0;
    }
    if (word == "-t") {
      line.test = true;
    } else if (word == "-c" && i + 1 < count) {
      line.conf = words[++i];
    } else {
      std::fprintf(stderr, "sluice: %s: %s\n%s", word.c_str(),
                   word == "-c" ? "needs a file" : "no such option", usage);
      return 1;
    }
  }
  return -1;
}

}  // namespace

int main(int count, char** words) {
  CommandLine line;
  if (const int status = read_command_line(count, words, line); status >= 0) return status;
  sluice::ConfOptions options;
  options.open_files = line.test;
  sluice::ConfOutcome outcome = sluice::load_conf(line.conf, options);
  for (const std::string& warning : outcome.warnings) {
    std::fprintf(stderr, "sluice: warning: %s\n", warning.c_str());
  }
  for (const sluice::ConfError& error : outcome.errors) {
    std::fprintf(stderr, "sluice: %s\n", error.text().c_str());
  }
  if (outcome.config == nullptr) return 1;
  if (line.test) {
    std::fprintf(stderr, "sluice: %s: the conf is good\n", line.conf.c_str());
    return 0;
  }
  sluice::Master master(sluice::ConfigRef(outcome.config.release()), line.conf);
  return master.run();
}
