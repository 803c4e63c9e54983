// Where a running sluice can be found, by confs that are good and by confs that are not.
#include <doctest/doctest.h>

#include "core/conf/machine_inputs.h"
#include "core/conf/whereabouts.h"
#include "tests/unit/conf_testing.h"

namespace sluice {
namespace {

using testing::TestFolder;

Whereabouts in_file(const std::string& path) {
  MachineInputs inputs;
  return find_whereabouts(path, inputs);
}

TEST_CASE("whereabouts: all lines, and the error log") {
  const TestFolder folder;
  const Whereabouts found =
      in_file(folder.write("a.conf",
                           "control unix:/run/a.sock mode=0660\npid_file a.pid\nerror_log a.log\n"
                           "admin 127.0.0.1:9300\nlisten 8080\n"
                           "route /\n proxy_pass ws://127.0.0.1:1\n"));
  CHECK(found.control == "/run/a.sock");
  CHECK(found.pid_file == folder.path() + "a.pid");
  CHECK(found.error_log == folder.path() + "a.log");
  REQUIRE(found.admin);
  CHECK(found.admin->text() == "127.0.0.1:9300");
  CHECK(found.errors.empty());
  CHECK_FALSE(found.unreadable);
}

TEST_CASE("whereabouts: neither") {
  const TestFolder folder;
  const Whereabouts found = in_file(folder.write("a.conf", "control off\nlisten 8080\n"));
  CHECK(found.control.empty());
  CHECK(found.pid_file.empty());
  CHECK(!found.admin);
  CHECK(found.error_log == "stderr");
}

TEST_CASE("whereabouts: they are found whatever else is wrong, in included files, too") {
  const TestFolder folder;
  folder.write("more.inc", "pid_file /run/b.pid\nnonsense\n");
  const Whereabouts found = in_file(folder.write(
      "a.conf",
      "wrkers 3\nuser nobody-of-that-name\nerror_log\nset_header\n"
      "include none.inc\ninclude more.inc\ncontrol \"unix:/run/b.sock\"\n"
      "listen ${env:SLUICE_TEST_NOT_SET}\nroute\n  proxy_pass wss://nowhere.invalid {\n"));
  CHECK(found.control == "/run/b.sock");
  CHECK(found.pid_file == "/run/b.pid");
  CHECK(found.errors.size() >= 7);
}

TEST_CASE("whereabouts: no name server is asked") {
  class Machine final : public ConfInputs {
   public:
    int read(const std::string&, Secret& content, FileFacts&) override {
      content.append("route /\n proxy_pass ws://host.example:1\ncontrol unix:/run/c.sock\n");
      return 0;
    }
    std::vector<std::string> glob(const std::string&) override { return {}; }
    std::optional<std::string> variable(const std::string&) override { return {}; }
    Result<NameTargets> resolve(const NameQuestion&) override {
      ++asked;
      return Fault{"asked", 0};
    }
    std::optional<uid_t> user_id(const std::string&) override { return {}; }
    std::optional<gid_t> group_id(const std::string&) override { return {}; }
    std::string group_name(gid_t) override { return ""; }
    int writable(const std::string&) override { return 0; }
    int bindable(const Address&) override { return 0; }
    std::string working_folder() override { return "/"; }
    int asked = 0;
  } machine;
  const Whereabouts found = find_whereabouts("any.conf", machine);
  CHECK(machine.asked == 0);
  // Lines of the top belong before the first section.
  CHECK(found.control.empty());
  CHECK(found.errors.size() == 1);
}

TEST_CASE("whereabouts: a conf that cannot be read is told from one that names nothing") {
  const TestFolder folder;
  const Whereabouts found = in_file(folder.path() + "none.conf");
  CHECK(found.unreadable);
  CHECK(found.errors.size() == 1);
  CHECK(found.control.empty());
}

}  // namespace
}  // namespace sluice
