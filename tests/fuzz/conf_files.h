// A file system and a resolver of the fuzz target's own, in place of libc's (GNU ld's --wrap): what
// a conf names is looked for here only, so that no input reaches a file or a name server.
#pragma once

#include <map>
#include <string>

namespace sluice::fuzz {

// While it lives, exactly these files exist (absolute paths). One at a time.
class ConfFiles {
 public:
  explicit ConfFiles(const std::map<std::string, std::string>& files);
  ~ConfFiles();
  ConfFiles(const ConfFiles&) = delete;
  ConfFiles& operator=(const ConfFiles&) = delete;
};

}  // namespace sluice::fuzz
