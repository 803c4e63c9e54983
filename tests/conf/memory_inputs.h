// MemoryInputs: a machine of a test's own for the conf's loader. Only what is put into it is there.
#pragma once

#include <fnmatch.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "core/conf/inputs.h"
#include "core/members.h"

namespace sluice::testing {

class MemoryInputs final : public ConfInputs {
 public:
  std::map<std::string, std::string> files;  // contents by absolute paths
  std::map<std::string, FileFacts> facts;    // of paths that are open to others, or links
  std::map<std::string, int> read_errors;    // errno values by path, instead of a content
  std::map<std::string, int> write_errors;   // of paths that are not writable
  std::map<std::string, int> bind_errors;    // of addresses that are not ours
  std::map<std::string, std::string> variables;
  std::map<std::string, std::vector<Address>> hosts;  // by name; numeric hosts need no entry
  std::map<std::string, uid_t> users;
  std::map<std::string, gid_t> groups;

  int read(const std::string& path, Secret& content, FileFacts& found) override {
    const auto told = facts.find(path);
    found = told != facts.end() ? told->second : FileFacts{.canonical_path = path};
    const auto error = read_errors.find(path);
    if (error != read_errors.end()) return error->second;
    const auto file = files.find(path);
    if (file == files.end()) return ENOENT;
    return content.append(file->second) ? 0 : EFBIG;
  }
  std::vector<std::string> glob(const std::string& pattern) override {
    std::vector<std::string> paths;
    for (const auto& [path, content] : files) {
      if (::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) {
        paths.push_back(path);
      }
    }
    return paths;
  }
  std::optional<std::string> variable(const std::string& name) override {
    return of(variables, name);
  }
  Result<NameTargets> resolve(const NameQuestion& question) override {
    std::optional<std::vector<Address>> found = of(hosts, question.host);
    if (!found) return Fault{"no such host"};
    NameTargets targets;
    for (Address& address : *found) {
      if (!question.service) address.set_port(question.port);
      targets.push_back({.address = address});
    }
    put_in_order(targets);
    return targets;
  }
  std::optional<uid_t> user_id(const std::string& name) override { return of(users, name); }
  std::optional<gid_t> group_id(const std::string& name) override { return of(groups, name); }
  std::string group_name(gid_t id) override {
    for (const auto& [name, number] : groups) {
      if (number == id) return name;
    }
    return std::to_string(id);
  }
  int writable(const std::string& path) override { return of(write_errors, path).value_or(0); }
  int bindable(const Address& address) override {
    return of(bind_errors, address.host_text()).value_or(0);
  }
  std::string working_folder() override { return "/"; }

 private:
  template <class Value>
  static std::optional<Value> of(const std::map<std::string, Value>& all, const std::string& name) {
    const auto found = all.find(name);
    if (found == all.end()) return std::nullopt;
    return found->second;
  }
};

}  // namespace sluice::testing
