// MachineInputs: what a conf asks for, answered by the machine that the process runs on.
#pragma once

#include "core/conf/inputs.h"

namespace sluice {

// Holds nothing: each call asks anew.
class MachineInputs final : public ConfInputs {
 public:
  MachineInputs() = default;
  // Names among `known`, which outlives this, are not asked again.
  explicit MachineInputs(const NameAnswers& known) : known_(&known) {}

  int read(const std::string& path, Secret& content, FileFacts& facts) override;
  std::vector<std::string> glob(const std::string& pattern) override;
  std::optional<std::string> variable(const std::string& name) override;
  Result<NameTargets> resolve(const NameQuestion& question) override;
  std::optional<uid_t> user_id(const std::string& name) override;
  std::optional<gid_t> group_id(const std::string& name) override;
  std::string group_name(gid_t id) override;
  int writable(const std::string& path) override;
  int bindable(const Address& address) override;
  std::string working_folder() override;

 private:
  const NameAnswers* known_ = nullptr;
  bool names_are_slow_ = false;  // a name server did not answer in time
};

}  // namespace sluice
