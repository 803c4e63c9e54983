// The machine that fuzzed confs are loaded from. Up to three files in one input, separated by a
// line
// "%%": conf/main.conf, conf/more.conf (for include) and conf/secret.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "tests/conf/memory_inputs.h"

namespace sluice::fuzz {

inline constexpr std::string_view secret = "Zq7secretZq7";
inline constexpr const char* main_file = "/conf/main.conf";

// Confs with thousands of long lines teach nothing new.
inline constexpr size_t most_bytes = 16 * 1024;

using Files = std::map<std::string, std::string>;

// No input reaches a file or a name server of the machine.
inline testing::MemoryInputs inputs_of(const Files& files) {
  testing::MemoryInputs inputs;
  inputs.files = files;
  inputs.variables = {{"SECRET", std::string(secret)}, {"PORT", "8080"}};
  inputs.hosts = {{"localhost", {Address::from_ip("192.0.2.7", 0).value()}}};
  inputs.users = {{"root", 0}, {"nobody", 65'534}};
  inputs.groups = {{"root", 0}, {"nogroup", 65'534}};
  return inputs;
}

inline Files split(std::string_view text) {
  Files files;
  for (const char* name : {main_file, "/conf/more.conf", "/conf/secret"}) {
    const size_t end = std::min(text.find("\n%%\n"), text.size());
    files[name] = text.substr(0, end);
    text.remove_prefix(std::min(end + 4, text.size()));
  }
  return files;
}

}  // namespace sluice::fuzz
