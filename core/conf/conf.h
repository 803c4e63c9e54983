// Reading a conf file: lexer, includes, expansion, directive table; ends in a Config or in the list
// of everything that is wrong with the file (core/DESIGN.md sections 5 and 7).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace sluice {

class ConfIds;
class ConfInputs;
class TlsStore;

// One error of a conf: "FILE:LINE: what is wrong, what is allowed". Never holds an expanded secret.
struct ConfError {
  std::string file;
  int line = 0;  // 0: the file as a whole
  std::string what;

  std::string text() const;
};

struct ConfOptions {
  // `sluice -t`: also look at every file that the conf names, without creating any, and only warn
  // of hosts that cannot be found here; its Config is not for serving.
  bool open_files = false;
  // The numbers that earlier confs gave, the caller's. A good conf adds its own, a bad one nothing.
  // Null: there was no earlier conf.
  ConfIds* ids = nullptr;
  // `sluice -T`: outcome.effective is written.
  bool effective = false;
  // What this process runs with, the caller's; null at the start. Settings that a reload cannot
  // change stay as they are there, and are warned about where the conf says otherwise.
  const Config* running = nullptr;
  // What earlier confs parsed and built for TLS, the caller's: what is unchanged is taken from
  // there. The load begins there; its user forgets what is unused. Null: all is made anew.
  TlsStore* tls_store = nullptr;
};

struct ConfOutcome {
  std::unique_ptr<Config> config;  // null when there are errors
  std::vector<ConfError> errors;   // in the order of files and lines
  bool unreadable = false;         // the conf itself could not be read, whatever else is wrong
  std::vector<std::string> warnings;
  std::string effective;  // `sluice -T` (core/conf/print.h), where the options ask for it
};

// Reads, checks and resolves the file. What it needs of the machine it asks of `inputs` alone, and
// blocks as long as they do. ConfLoader (core/conf/loader.h) does the same in small pieces.
ConfOutcome load_conf(const std::string& path, const ConfOptions& options, ConfInputs& inputs);

// One entry a directive. The reference documentation and the README are checked against these.
struct DirectiveHelp {
  std::string_view name;
  std::string_view sections;       // "top", "listen", "upstream", "route", joined by ", "
  std::string_view arguments;      // "TIME", "NAME VALUE", ...
  std::string_view default_value;  // "" where there is none
  std::string_view help;
  bool repeatable = false;
};
std::span<const DirectiveHelp> directive_help();

// conf/reference.conf, whole. A conf itself: what it needs stands there plainly, everything else
// as a comment that begins with '#' and the directive's name, without a blank between them.
std::string reference_conf();
// The text of conf/man/sluice.conf.5: the same as a manual page in mdoc(7).
std::string manual_page();

}  // namespace sluice
