// Recordings: the same conf comes of them as of the machine, and nothing else does.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "core/conf/conf.h"
#include "core/conf/recording.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/tls_identity.h"

namespace sluice {
namespace {

using testing::MemoryInputs;

constexpr size_t plenty = 1 << 20;

MemoryInputs machine() {
  const testing::Identity identity = testing::make_identity({.common_name = "a.example"});
  MemoryInputs inputs;
  inputs.files["/etc/site.conf"] =
      "user worker\nlisten 8080\nlisten unix:/x.sock owner=worker group=web\nlisten 8443\n"
      "tls_certificate /site.pem\ntls_key /site.key\ninclude /etc/more/*.conf\n";
  inputs.files["/etc/more/a.conf"] =
      "upstream up\nserver ws://backend.example:9001/app\n"
      "route /\nproxy_pass up\nset_header X-Token ${env:TOKEN}\n";
  inputs.files["/etc/more/b.conf"] = "route /b\nproxy_pass up\nset_header X-File ${file:/secret}\n";
  inputs.files["/secret"] = "hidden\n";
  inputs.files["/site.pem"] = testing::pem_of(identity);
  inputs.files["/site.key"] = testing::key_pem_of(identity);
  inputs.facts["/site.key"] = {.canonical_path = "/site.key"};
  inputs.facts["/site.key"].open_to_group = {.id = 7, .of_process = false};
  inputs.variables["TOKEN"] = "secret";
  inputs.hosts["backend.example"] = {Address::from_ip("192.0.2.1", 0).value(),
                                     Address::from_ip("2001:db8::1", 0).value()};
  inputs.users["worker"] = 33;
  inputs.groups = {{"web", 34}, {"ssl-cert", 7}};
  return inputs;
}

std::string told(const ConfOutcome& outcome) {
  std::string text = outcome.effective;
  for (const ConfError& error : outcome.errors) text += error.text() + "\n";
  for (const std::string& warning : outcome.warnings) text += warning + "\n";
  return text;
}

ConfOutcome load(ConfInputs& inputs) {
  ConfOptions options;
  options.effective = true;
  return load_conf("/etc/site.conf", options, inputs);
}

TEST_CASE("conf recording: what was recorded loads as it did from the machine") {
  MemoryInputs inputs = machine();
  RecordingInputs recording(inputs, plenty);
  const ConfOutcome first = load(recording);
  for (const ConfError& error : first.errors) FAIL_CHECK(error.text());
  REQUIRE(first.config != nullptr);
  CHECK_FALSE(recording.full());
  const std::string bytes(recording.bytes());
  RecordedInputs recorded(bytes);
  const ConfOutcome second = load(recorded);
  CHECK(recorded.used_up());
  REQUIRE(second.config != nullptr);
  CHECK(told(second) == told(first));
  CHECK(second.config->upstreams[0].peers.size() == 2);
  CHECK(second.config->upstreams[0].peers[1].address ==
        first.config->upstreams[0].peers[1].address);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(second.config->routes[i].set_headers == first.config->routes[i].set_headers);
  }
}

TEST_CASE("conf recording: which addresses are the machine's") {
  MemoryInputs inputs;
  inputs.bind_errors["192.0.2.1"] = EADDRNOTAVAIL;
  const Address ours = Address::from_ip("192.0.2.2", 0).value();
  const Address other = Address::from_ip("192.0.2.1", 0).value();
  RecordingInputs recording(inputs, plenty);
  CHECK(recording.bindable(other) == EADDRNOTAVAIL);
  CHECK(recording.bindable(ours) == 0);
  const std::string bytes(recording.bytes());
  RecordedInputs recorded(bytes);
  CHECK(recorded.bindable(other) == EADDRNOTAVAIL);
  CHECK(recorded.bindable(ours) == 0);
  CHECK(recorded.used_up());
  RecordedInputs strayed(bytes);
  CHECK(strayed.bindable(ours) == EADDRNOTAVAIL);
}

TEST_CASE("conf recording: a bad conf is as bad from its recording") {
  MemoryInputs inputs = machine();
  inputs.files["/etc/more/b.conf"] =
      "nonsense\nroute /b\nproxy_pass up\nset_header X ${env:UNSET}\n";
  inputs.read_errors["/site.key"] = EACCES;
  inputs.hosts.clear();
  std::string& conf = inputs.files["/etc/site.conf"];
  conf = "resolve_at_start require\n" + conf;
  RecordingInputs recording(inputs, plenty);
  const ConfOutcome first = load(recording);
  CHECK(first.errors.size() == 4);
  CHECK(told(first).find("no such host") != std::string::npos);
  const std::string bytes(recording.bytes());
  RecordedInputs recorded(bytes);
  CHECK(told(load(recorded)) == told(first));
  CHECK(recorded.used_up());
}

TEST_CASE("conf recording: whoever asks for something else has strayed") {
  MemoryInputs inputs = machine();
  RecordingInputs recording(inputs, plenty);
  CHECK(recording.variable("TOKEN") == "secret");
  CHECK(recording.user_id("worker") == uid_t{33});
  const std::string bytes(recording.bytes());
  RecordedInputs other_name(bytes);
  CHECK(other_name.variable("OTHER") == std::nullopt);
  CHECK(other_name.strayed());
  RecordedInputs other_kind(bytes);
  CHECK(other_kind.group_id("worker") == std::nullopt);
  CHECK(other_kind.strayed());
  RecordedInputs too_much(bytes);
  CHECK(too_much.variable("TOKEN") == "secret");
  CHECK_FALSE(too_much.used_up());
  CHECK(too_much.user_id("worker") == uid_t{33});
  CHECK(too_much.used_up());
  CHECK(too_much.working_folder() == "");
  CHECK(too_much.strayed());
}

TEST_CASE("conf recording: one that is cut anywhere strays and is no conf") {
  MemoryInputs inputs = machine();
  RecordingInputs recording(inputs, plenty);
  REQUIRE(load(recording).config != nullptr);
  const std::string bytes(recording.bytes());
  for (size_t kept = 0; kept < bytes.size(); kept += 1 + kept / 16) {
    CAPTURE(kept);
    const std::string cut = bytes.substr(0, kept);
    RecordedInputs recorded(cut);
    load(recorded);
    CHECK(recorded.strayed());
  }
}

TEST_CASE("conf recording: one that finds no room says so") {
  MemoryInputs inputs = machine();
  RecordingInputs recording(inputs, 500);
  REQUIRE(load(recording).config != nullptr);
  CHECK(recording.full());
}

}  // namespace
}  // namespace sluice
