// ConfLoader: in small pieces, with anything between them, it comes to what load_conf() comes to.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/conf/conf_ids.h"
#include "core/conf/loader.h"
#include "core/conf/recording.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"
#include "tests/unit/tls_identity.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string source_dir = SLUICE_SOURCE_DIR;

std::string told(const ConfOutcome& outcome) {
  std::string text = outcome.config != nullptr ? "good\n" : "bad\n";
  if (outcome.unreadable) text += "unreadable\n";
  text += outcome.effective;
  for (const ConfError& error : outcome.errors) text += error.text() + "\n";
  for (const std::string& warning : outcome.warnings) text += warning + "\n";
  return text;
}

ConfOptions printing() {
  ConfOptions options;
  options.effective = true;
  return options;
}

// The confs that come with sluice, and the broken ones.
std::vector<std::string> all_confs() {
  std::vector<std::string> paths;
  for (const char* folder : {"/conf", "/conf/examples", "/tests/conf/broken"}) {
    for (const auto& entry : std::filesystem::directory_iterator(source_dir + folder)) {
      if (entry.path().extension() == ".conf") paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Counts the questions, each of which may cost much.
class CountingInputs final : public ConfInputs {
 public:
  explicit CountingInputs(ConfInputs& asked) : asked_(asked) {}

  int questions = 0;

  int read(const std::string& path, Secret& content, FileFacts& facts) override {
    ++questions;
    return asked_.read(path, content, facts);
  }
  std::vector<std::string> glob(const std::string& pattern) override {
    ++questions;
    return asked_.glob(pattern);
  }
  std::optional<std::string> variable(const std::string& name) override {
    ++questions;
    return asked_.variable(name);
  }
  Result<NameTargets> resolve(const NameQuestion& question) override {
    ++questions;
    return asked_.resolve(question);
  }
  std::optional<uid_t> user_id(const std::string& name) override { return asked_.user_id(name); }
  std::optional<gid_t> group_id(const std::string& name) override { return asked_.group_id(name); }
  std::string group_name(gid_t id) override { return asked_.group_name(id); }
  int writable(const std::string& path) override { return asked_.writable(path); }
  int bindable(const Address& address) override { return asked_.bindable(address); }
  std::string working_folder() override { return asked_.working_folder(); }

 private:
  ConfInputs& asked_;
};

// A machine with a conf of `routes` routes in files of their own and a listener of `certificates`.
MemoryInputs machine(int routes, int certificates) {
  MemoryInputs inputs;
  std::string conf = "listen 8443\n";
  const Identity identity = make_identity({.common_name = "a.example"});
  for (int i = 0; i < certificates; ++i) {
    const std::string name = "/" + std::to_string(i);
    conf += "tls_certificate " + name + ".pem\ntls_key " + name + ".key\n";
    inputs.files[name + ".pem"] = pem_of(identity);
    inputs.files[name + ".key"] = key_pem_of(identity);
  }
  conf += "upstream up\nserver ws://127.0.0.1:9001\ninclude /routes/*\n";
  for (int i = 0; i < routes; ++i) {
    const std::string number = std::to_string(i);
    inputs.files["/routes/" + number] = "route /" + number + "\nproxy_pass up\n";
  }
  inputs.files["/x.conf"] = conf;
  return inputs;
}

}  // namespace

TEST_CASE("conf loader: confs that are loaded in turns, piece by piece, are what each is alone") {
  const std::vector<std::string> paths = all_confs();
  REQUIRE(paths.size() > 40);
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[i];
    const std::string& other = paths[(i + 1) % paths.size()];
    CAPTURE(path);
    MachineInputs inputs;
    ConfLoader one(path, printing(), inputs);
    ConfLoader two(other, printing(), inputs);
    bool more = true;
    while (more) {
      const bool of_one = one.step();
      const bool of_two = two.step();
      more = of_one || of_two;
    }
    CHECK_FALSE(one.step());
    CHECK(told(one.finish()) == told(load_conf(path, printing(), inputs)));
    CHECK(told(two.finish()) == told(load_conf(other, printing(), inputs)));
  }
}

TEST_CASE("conf loader: a step asks one thing, and takes one line, section or certificate") {
  constexpr int routes = 30;
  constexpr int certificates = 7;
  MemoryInputs files = machine(routes, certificates);
  CountingInputs inputs(files);
  ConfLoader loader("/x.conf", ConfOptions(), inputs);
  int steps = 0;
  for (bool more = true; more; ++steps) {
    inputs.questions = 0;
    more = loader.step();
    CHECK(inputs.questions <= 1);
  }
  CHECK(loader.finish().config != nullptr);
  // Lines, what opens and ends each file, five questions about each section, TLS contexts.
  const int lines = 4 + 2 * certificates + 2 * routes;
  const int sections = 3 + routes;
  CHECK(steps >= lines + 2 * routes + 5 * sections + certificates);
}

TEST_CASE("conf loader: a bundle of authorities is parsed one certificate a step") {
  constexpr int authorities = 40;
  MemoryInputs inputs = machine(1, 1);
  std::string& bundle = inputs.files["/ca.pem"];
  for (int i = 0; i < authorities; ++i) bundle += pem_of(make_identity({.common_name = "ca"}));
  const auto steps = [&](const std::string& line, std::string& errors) {
    inputs.files["/y.conf"] = line + "include /x.conf\n";
    ConfLoader loader("/y.conf", ConfOptions(), inputs);
    int count = 0;
    while (loader.step()) ++count;
    errors.clear();
    for (const ConfError& error : loader.finish().errors) errors += error.text();
    return count;
  };
  std::string errors;
  const int without = steps("\n", errors);
  CHECK(steps("tls_client_ca /ca.pem\n", errors) > without + authorities);
  CHECK(errors == "");
  bundle += "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
  CHECK(steps("tls_client_ca /ca.pem\n", errors) > authorities);
  CHECK(errors == "/y.conf:1: tls_client_ca: \"/ca.pem\": a certificate in it cannot be read");
  // Whose end nobody awaits.
  for (int taken = 0; taken < 20; ++taken) {
    ConfLoader loader("/y.conf", ConfOptions(), inputs);
    for (int i = 0; i < taken; ++i) loader.step();
  }
}

TEST_CASE("conf loader: one that is given up at any point leaves nothing behind") {
  MemoryInputs inputs = machine(3, 2);
  ConfIds ids;
  ConfOptions options;
  options.ids = &ids;
  const uint32_t living = Config::living;
  int steps = 0;
  for (ConfLoader whole("/x.conf", ConfOptions(), inputs); whole.step();) ++steps;
  for (int taken = 0; taken < steps / 2; ++taken) {
    {
      ConfLoader loader("/x.conf", options, inputs);
      for (int i = 0; i < taken; ++i) REQUIRE(loader.step());
    }
    CHECK(Config::living == living);
  }
  // Nobody got a number.
  CHECK(ids.upstream("other") == UpstreamId{0});
}

TEST_CASE("conf loader: configs of this process are counted") {
  const uint32_t before = Config::living;
  {
    ConfOutcome outcome = load_text(conf_of(""));
    CHECK(Config::living == before + 1);
    const ConfigRef held(outcome.config.release());
    const ConfigRef again = held;
    CHECK(Config::living == before + 1);
    CHECK(load_text(conf_of("nonsense")).config == nullptr);
    CHECK(Config::living == before + 1);
  }
  CHECK(Config::living == before);
}

TEST_CASE("conf loader: settings that a reload cannot change stay, and are told") {
  const TestFolder folder;
  const std::string path =
      folder.write("a.conf", conf_of("user root\npid_file a.pid\ncontrol "
                                     "unix:/run/x.sock\nring_size 64k\nsplice off\nworkers 2"));
  const ConfOutcome first = load_file(path);
  REQUIRE(first.config != nullptr);
  ConfOptions options;
  options.running = first.config.get();
  CHECK(load_file(path, options).warnings.empty());

  folder.write("a.conf", conf_of("splice on\nworkers 3\nring_size 128k\npid_file b.pid"));
  const ConfOutcome second = load_file(path, options);
  REQUIRE(errors_of(second) == "");
  CHECK(second.warnings == std::vector<std::string>{
                               path + ": user: takes effect at the next start",
                               path + ":4: pid_file: takes effect at the next start",
                               path + ": control: takes effect at the next start",
                               path + ":3: ring_size: takes effect at the next start",
                               path + ":1: splice: takes effect at the next start",
                           });
  CHECK(second.config->workers == 3);
  CHECK(second.config->user == "root");
  CHECK(second.config->pid_file == first.config->pid_file);
  CHECK(second.config->control == first.config->control);
  CHECK(second.config->ring_bytes == 64 * 1024);
  CHECK_FALSE(second.config->splice);
}

TEST_CASE("conf loader: buffer_memory has room for the rings that there are") {
  ConfOutcome first = load_text(conf_of("ring_size 1m"));
  ConfOptions options;
  options.running = first.config.get();
  const TestFolder folder;
  const std::string path = folder.write("a.conf", conf_of("ring_size 64k\nbuffer_memory 1m"));
  CHECK(errors_of(load_file(path)) == "");
  CHECK(errors_of(load_file(path, options)) ==
        "2: buffer_memory: 1m has no room for four rings of ring_size 1m; at least 4m\n");
}
