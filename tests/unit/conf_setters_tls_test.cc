// Setters of TLS: whom a key's file may be open to, and what is told of a file that cannot be read.
// tests/conf/broken has what is wrong with contents and arguments.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "core/conf/conf.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"
#include "tests/unit/tls_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string conf =
    "listen 8080\n tls_certificate site.pem\n tls_key site.key\n"
    "route /\n proxy_pass ws://127.0.0.1:1\n";

MemoryInputs site() {
  static const Identity identity = make_identity({.common_name = "a.example"});
  MemoryInputs inputs;
  inputs.files = {
      {"/x.conf", conf}, {"/site.pem", pem_of(identity)}, {"/site.key", key_pem_of(identity)}};
  return inputs;
}

std::string errors_with(MemoryInputs& inputs) {
  return errors_of(load_conf("/x.conf", ConfOptions{}, inputs));
}

std::string errors_with_group(const FileFacts::Group& group, const std::string& name) {
  MemoryInputs inputs = site();
  inputs.groups[name] = group.id;
  inputs.facts["/site.key"].open_to_group = group;
  return errors_with(inputs);
}

constexpr const char* advice =
    "; chmod it to 600, or to 640 with the group root, ssl-cert or one that sluice runs in\n";

}  // namespace

TEST_CASE("conf setters tls: a key may be open to groups that root trusts or that are our own") {
  MemoryInputs own = site();
  CHECK(errors_with(own) == "");
  CHECK(errors_with_group({.id = 0, .of_process = false}, "root") == "");
  CHECK(errors_with_group({.id = 5, .of_process = false}, "ssl-cert") == "");
  CHECK(errors_with_group({.id = 5, .of_process = true}, "keys") == "");
  CHECK(errors_with_group({.id = 5, .of_process = false}, "keys") ==
        std::string("3: tls_key: \"site.key\" can be read or written by the group \"keys\"") +
            advice);
}

TEST_CASE("conf setters tls: a key may not be open to everybody, a certificate may") {
  MemoryInputs inputs = site();
  inputs.facts["/site.pem"].open_to_others = true;
  CHECK(errors_with(inputs) == "");
  inputs.facts["/site.key"].open_to_others = true;
  const std::string refused =
      std::string("3: tls_key: \"site.key\" can be read or written by everybody") + advice;
  CHECK(errors_with(inputs) == refused);
  // That comes first, whether this process can read the key or not.
  inputs.read_errors["/site.key"] = EACCES;
  CHECK(errors_with(inputs) == refused);
}

TEST_CASE("conf setters tls: files that cannot be read, or hold too much") {
  MemoryInputs inputs = site();
  inputs.read_errors["/site.key"] = EACCES;
  CHECK(errors_with(inputs) == "3: tls_key: \"site.key\" cannot be read: Permission denied\n");
  inputs = site();
  inputs.files["/site.key"] = std::string((64 << 10) + 1, 'x');
  CHECK(errors_with(inputs) == "3: tls_key: \"site.key\" cannot be read: File too large\n");
  inputs = site();
  inputs.files["/site.pem"] = std::string((256 << 10) + 1, 'x');
  CHECK(errors_with(inputs) == "2: tls_certificate: \"site.pem\" cannot be read: File too large\n");
}
