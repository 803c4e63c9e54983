// The conf's own reader, whose errors decide nothing here.
#include "core/conf/whereabouts.h"

#include "core/conf/draft.h"
#include "core/conf/inputs.h"
#include "core/conf/reader.h"

namespace sluice {

namespace {

// Another's answers, but every host has the same address.
class WithoutHosts final : public ConfInputs {
 public:
  explicit WithoutHosts(ConfInputs& inputs) : inputs_(inputs) {}

  int read(const std::string& path, Secret& content, FileFacts& facts) override {
    return inputs_.read(path, content, facts);
  }
  std::vector<std::string> glob(const std::string& pattern) override {
    return inputs_.glob(pattern);
  }
  std::optional<std::string> variable(const std::string& name) override {
    return inputs_.variable(name);
  }
  Result<NameTargets> resolve(const NameQuestion& question) override {
    return NameTargets{{.address = Address::from_ip("0.0.0.0", question.port).value()}};
  }
  std::optional<uid_t> user_id(const std::string& name) override { return inputs_.user_id(name); }
  std::optional<gid_t> group_id(const std::string& name) override { return inputs_.group_id(name); }
  std::string group_name(gid_t id) override { return inputs_.group_name(id); }
  int writable(const std::string& path) override { return inputs_.writable(path); }
  int bindable(const Address& address) override { return inputs_.bindable(address); }
  std::string working_folder() override { return inputs_.working_folder(); }

 private:
  ConfInputs& inputs_;
};

}  // namespace

Whereabouts find_whereabouts(const std::string& conf_path, ConfInputs& inputs) {
  WithoutHosts without_hosts(inputs);
  ConfDraft draft(without_hosts, {});
  ConfErrors errors;
  ConfReader(draft, errors).read(conf_path);
  Whereabouts found;
  if (draft.config.control) found.control = draft.config.control->address.unix_path();
  found.pid_file = draft.config.pid_file;
  if (draft.config.admin) found.admin = draft.config.admin->address;
  found.error_log = draft.config.error_log.path;
  found.unreadable = draft.unreadable;
  found.errors = errors.in_reading_order();
  return found;
}

}  // namespace sluice
