// MachineInputs: what it answers about a folder of the test's own, and how it fails.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "core/conf/machine_inputs.h"
#include "net/sys_process.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

TEST_CASE("conf machine inputs: a file's content, up to what its reader has room for") {
  const TestFolder folder;
  const std::string path = folder.write("file", std::string(10'000, 'x'));
  MachineInputs inputs;
  FileFacts facts;
  Secret whole(10'000);
  CHECK(inputs.read(path, whole, facts) == 0);
  CHECK(whole.view() == std::string(10'000, 'x'));
  Secret part(9'999);
  CHECK(inputs.read(path, part, facts) == EFBIG);
  CHECK(inputs.read(folder.path(), part, facts) == EISDIR);
}

TEST_CASE("conf machine inputs: a file has one name by whatever path it is reached") {
  const TestFolder folder;
  const std::string path = folder.write("inner/file", "");
  std::filesystem::create_symlink(path, folder.path() + "link");
  const std::string canonical = std::filesystem::canonical(path).string();
  MachineInputs inputs;
  for (const char* name : {"inner/file", "link", "inner/../inner/./file"}) {
    CAPTURE(name);
    Secret content(10);
    FileFacts facts;
    CHECK(inputs.read(folder.path() + name, content, facts) == 0);
    CHECK(facts.canonical_path == canonical);
  }
  Secret content(10);
  FileFacts facts;
  CHECK(inputs.read(folder.path() + "missing", content, facts) == ENOENT);
  CHECK(facts.canonical_path == folder.path() + "missing");
}

TEST_CASE("conf machine inputs: whom a file is open to is told also where it cannot be read") {
  using std::filesystem::perms;
  const TestFolder folder;
  const std::string path = folder.write("key", "too long");
  MachineInputs inputs;
  const auto facts_with = [&](perms mode) {
    std::filesystem::permissions(path, mode);
    Secret content(3);
    FileFacts facts;
    CHECK(inputs.read(path, content, facts) != 0);
    return facts;
  };
  const FileFacts own = facts_with(perms::owner_read | perms::owner_write);
  CHECK_FALSE(own.open_to_others);
  CHECK_FALSE(own.open_to_group.has_value());
  CHECK(facts_with(perms::owner_read | perms::others_write).open_to_others);
  const FileFacts shared = facts_with(perms::owner_read | perms::group_read);
  CHECK_FALSE(shared.open_to_others);
  REQUIRE(shared.open_to_group.has_value());
  CHECK(shared.open_to_group->id == ::getegid());
  CHECK(shared.open_to_group->of_process);
  // What an earlier file was is not kept.
  CHECK_FALSE(facts_with(perms::owner_read).open_to_group.has_value());
}

TEST_CASE("conf machine inputs: what matches a pattern, sorted") {
  const TestFolder folder;
  for (const char* name : {"b.conf", "a.conf", "c.other"}) folder.write(name, "");
  MachineInputs inputs;
  CHECK(inputs.glob(folder.path() + "*.conf") ==
        std::vector<std::string>{folder.path() + "a.conf", folder.path() + "b.conf"});
  CHECK(inputs.glob(folder.path() + "*.none").empty());
}

TEST_CASE("conf machine inputs: variables, hosts, users and groups") {
  MachineInputs inputs;
  const TestVariable set("SLUICE_TEST_SET", "value");
  const TestVariable empty("SLUICE_TEST_EMPTY", "");
  CHECK(inputs.variable("SLUICE_TEST_SET") == "value");
  CHECK(inputs.variable("SLUICE_TEST_EMPTY") == "");
  CHECK(inputs.variable("SLUICE_TEST_UNSET") == std::nullopt);
  const Result<NameTargets> numeric = inputs.resolve({"192.0.2.1", 80});
  REQUIRE(numeric.ok());
  CHECK(numeric.value() == NameTargets{{.address = Address::parse("192.0.2.1:80").value()}});
  CHECK_FALSE(inputs.resolve({"_ws._tcp.example.org", 0, true}).ok());
  const NameAnswers known{{{"_ws._tcp.example.org", 0, true}, numeric.value()}};
  MachineInputs later(known);
  REQUIRE(later.resolve({"_ws._tcp.example.org", 0, true}).ok());
  CHECK(later.resolve({"_ws._tcp.example.org", 0, true}).value() == numeric.value());
  CHECK(inputs.user_id("root") == uid_t{0});
  CHECK(inputs.user_id("nobody-of-that-name") == std::nullopt);
  CHECK(inputs.group_id("root") == gid_t{0});
  CHECK(inputs.group_id("nobody-of-that-name") == std::nullopt);
  CHECK(inputs.group_name(0) == "root");
}

TEST_CASE("conf machine inputs: whether a log could be opened, without opening it") {
  const TestFolder folder;
  MachineInputs inputs;
  CHECK(inputs.writable(folder.write("there", "")) == 0);
  CHECK(inputs.writable(folder.path() + "new") == 0);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "new"));
  CHECK(inputs.writable(folder.path() + "missing/new") == ENOENT);
  // A folder below /run would be made.
  CHECK(inputs.writable("/run/sluice-test-missing/new") == -sys::may_write("/run"));
  CHECK_FALSE(std::filesystem::exists("/run/sluice-test-missing"));
  std::filesystem::create_directory(folder.path() + "inner");
  CHECK(inputs.writable(folder.path() + "inner") == EISDIR);
}

TEST_CASE("conf machine inputs: which addresses are this machine's") {
  MachineInputs inputs;
  CHECK(inputs.bindable(Address::from_ip("127.0.0.2", 0).value()) == 0);
  CHECK(inputs.bindable(Address::from_ip("192.0.2.99", 0).value()) == EADDRNOTAVAIL);
}

TEST_CASE("conf machine inputs: the process's folder ends with a slash") {
  MachineInputs inputs;
  const std::string folder = inputs.working_folder();
  CHECK(folder.ends_with('/'));
  CHECK(std::filesystem::equivalent(folder, std::filesystem::current_path()));
}
