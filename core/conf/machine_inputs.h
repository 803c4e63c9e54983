// MachineInputs: what a conf asks for, answered by the machine that the process runs on.
#pragma once

#include "core/conf/inputs.h"

namespace sluice {

// Holds nothing: each call asks anew.
class MachineInputs final : public ConfInputs {
 public:
  int read(const std::string& path, Secret& content, FileFacts& facts) override;
  std::vector<std::string> glob(const std::string& pattern) override;
  std::optional<std::string> variable(const std::string& name) override;
  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override;
  std::optional<uid_t> user_id(const std::string& name) override;
  std::optional<gid_t> group_id(const std::string& name) override;
  std::string group_name(gid_t id) override;
  int writable(const std::string& path) override;
  int bindable(const Address& address) override;
  std::string working_folder() override;
};

}  // namespace sluice
