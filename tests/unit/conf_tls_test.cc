// TLS in a conf: what sections inherit, what has no effect and is warned about, and that no secret
// is told. What is wrong with single lines is in tests/conf/broken.
#include <doctest/doctest.h>

#include <string>

#include "core/conf/conf.h"
#include "tests/unit/conf_rows.h"
#include "tests/unit/conf_testing.h"
#include "tests/unit/tls_testing.h"
#include "tls/store.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string site = "  tls_certificate site.pem\n  tls_key site.key\n";

ConfOutcome load_beside_files(const TestFolder& folder, const std::string& text) {
  return load_file(folder.write("tls.conf", text));
}

std::unique_ptr<Config> good_beside_files(const TestFolder& folder, const std::string& text) {
  ConfOutcome outcome = load_beside_files(folder, text);
  REQUIRE(errors_of(outcome) == "");
  return std::move(outcome.config);
}

std::string version_of(const TlsServer& server) {
  TlsClientSettings settings;
  settings.verify = false;
  const auto client = make_client(settings);
  Conversation met(server, *client);
  met.shake();
  return SSL_get_version(met.client->ssl());
}

// Whether the upstream's client trusts the test's authority.
bool trusts(const TlsClient& client) {
  const auto server = make_server();
  Conversation met(*server, client);
  met.shake();
  return met.client_outcome == Handshake::done;
}

}  // namespace

TEST_CASE("conf tls: a listener's own setting wins over the top's") {
  const TestFolder folder;
  write_tls_files(folder);
  const auto config = good_beside_files(
      folder, "tls_protocols TLSv1.2\nlisten 127.0.0.1:1\n" + site + "listen 127.0.0.1:2\n" + site +
                  "  tls_protocols TLSv1.3\nlisten 127.0.0.1:3\n" + std::string(route_9001));
  REQUIRE(config->listeners.size() == 3);
  CHECK(version_of(*config->listeners[0].tls) == "TLSv1.2");
  CHECK(version_of(*config->listeners[1].tls) == "TLSv1.3");
  CHECK(config->listeners[2].tls == nullptr);
}

TEST_CASE("conf tls: upstreams, and routes with a URI, inherit the top's") {
  const TestFolder folder;
  write_tls_files(folder);
  const auto config = good_beside_files(folder, std::string(listen_8080) +
                                                    "upstream own\n  server wss://127.0.0.1\n"
                                                    "  tls_ca ca.pem\n"
                                                    "upstream plain\n  server ws://127.0.0.1:1\n"
                                                    "upstream mixed\n  server ws://127.0.0.1:1\n"
                                                    "  server wss://127.0.0.1:2\n"
                                                    "route /1\n  proxy_pass own\n"
                                                    "route /2\n  proxy_pass plain\n"
                                                    "route /3\n  proxy_pass mixed\n"
                                                    "route /4\n  proxy_pass wss://127.0.0.1\n");
  REQUIRE(config->upstreams.size() == 4);
  CHECK(trusts(*config->upstreams[0].tls));
  CHECK(config->upstreams[1].tls == nullptr);
  CHECK_FALSE(trusts(*config->upstreams[2].tls));
  CHECK_FALSE(trusts(*config->upstreams[3].tls));
  const auto inheriting = good_beside_files(
      folder, "tls_ca ca.pem\n" + std::string(listen_8080) +
                  "upstream up\n  server wss://127.0.0.1:2\n"
                  "route /1\n  proxy_pass up\nroute /2\n  proxy_pass wss://127.0.0.1\n");
  REQUIRE(inheriting->upstreams.size() == 2);
  CHECK(trusts(*inheriting->upstreams[0].tls));
  CHECK(trusts(*inheriting->upstreams[1].tls));
}

TEST_CASE("conf tls: what protects nobody is warned about") {
  const TestFolder folder;
  write_tls_files(folder);
  const ConfOutcome outcome =
      load_beside_files(folder, "listen 127.0.0.1:1\n" + site +
                                    "  tls_client_ca clients.pem\n"
                                    "upstream up\n  server wss://127.0.0.1:2\n  tls_verify off\n"
                                    "  tls_ca ca.pem\n  tls_crl revoked.pem\n"
                                    "route /\n  proxy_pass up\n");
  CHECK(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() == 4);
  const std::string file = folder.path() + "tls.conf:";
  CHECK(outcome.warnings[0] == file + "4: tls_client_ca has no effect without tls_verify_client");
  CHECK(outcome.warnings[1] == file + "7: upstream \"up\" trusts any certificate (tls_verify off)");
  CHECK(outcome.warnings[2] == file + "8: tls_ca has no effect with tls_verify off");
  CHECK(outcome.warnings[3] == file + "9: tls_crl has no effect with tls_verify off");
}

TEST_CASE("conf tls: a certificate that has ended is warned about, and one that soon will") {
  const auto warnings = [](long ends_s, bool asked) {
    const TestFolder folder;
    const Identity& root = test_authority().root;
    const Identity identity =
        make_identity({.common_name = "x", .begins_s = -7'200, .ends_s = ends_s}, &root);
    folder.write("site.pem", pem_of(identity));
    folder.write_key("site.key", key_pem_of(identity));
    const std::string path =
        folder.write("tls.conf", "listen 127.0.0.1:1\n" + site + std::string(route_9001));
    ConfOptions options;
    options.open_files = asked;
    TlsStore store;
    options.tls_store = &store;
    const ConfOutcome first = load_file(path, options);
    const ConfOutcome outcome = load_file(path, options);  // time goes on for what is kept, too
    CHECK(errors_of(outcome) == "");
    CHECK(outcome.warnings == first.warnings);
    CHECK(store.parsed() == 2);
    std::string text;
    for (const std::string& each : outcome.warnings) text += each.substr(path.size()) + "\n";
    return text;
  };
  const std::string what = ":2: tls_certificate: \"site.pem\": a certificate in it ";
  constexpr long day_s = 86'400;
  for (const bool asked : {false, true}) {
    CHECK(warnings(-3'600, asked) == what + "has expired\n");
    CHECK(warnings(32 * day_s, asked) == "");
  }
  CHECK(warnings(20 * day_s + 3'600, true) == what + "expires in 20 days\n");
  CHECK(warnings(20 * day_s + 3'600, false) == "");
  CHECK(warnings(14 * day_s + 3'600, false) == what + "expires in 14 days\n");
  CHECK(warnings(3'600, false) == what + "expires in 0 days\n");
}

TEST_CASE("conf tls: a Config knows which files it was made of, and when its certificates end") {
  const TestFolder folder;
  write_tls_files(folder);
  std::filesystem::create_symlink("site.key", folder.path() + "link.key");
  const ConfOutcome outcome = load_beside_files(
      folder,
      "listen 127.0.0.1:1\n  tls_certificate site.pem\n  tls_key link.key\n"
      "upstream up\n  server wss://127.0.0.1:2\n  tls_ca ca.pem\n  tls_client_certificate "
      "client.pem\n  tls_client_key client.key\nroute /\n  proxy_pass up\n");
  REQUIRE(errors_of(outcome) == "");
  const std::string& at = folder.path();
  CHECK(outcome.config->tls_files ==
        std::vector<std::string>{at + "site.pem", at + "link.key", at + "site.key", at + "ca.pem",
                                 at + "client.pem", at + "client.key"});
  REQUIRE(outcome.config->certificate_ends.size() == 2);
  CHECK(outcome.config->certificate_ends[1].what ==
        at + "tls.conf:7: tls_client_certificate: \"client.pem\": a certificate in it");
}

TEST_CASE("conf tls: what is unchanged is neither parsed nor built by the next load") {
  const TestFolder folder;
  write_tls_files(folder);
  folder.write("other.pem", pem_of(test_authority().issue("other.example")));
  const std::string conf =
      "tls_crl revoked.pem\n"
      "listen 127.0.0.1:1\n" +
      site +
      "  tls_verify_client on\n  tls_client_ca clients.pem\n"
      "listen 127.0.0.1:2\n" +
      site +
      "upstream up\n  server wss://127.0.0.1:2\n  tls_ca ca.pem\n"
      "route /\n  proxy_pass up\n";
  TlsStore store;
  ConfOptions options;
  options.tls_store = &store;
  const auto load = [&] { return load_file(folder.write("tls.conf", conf), options); };
  const ConfOutcome first = load();
  REQUIRE(errors_of(first) == "");
  // A certificate, its key, a bundle under two names, a file of CRLs; two listeners ask for
  // different things.
  CHECK(store.parsed() == 4);
  CHECK(store.built() == 3);
  const ConfOutcome second = load();
  REQUIRE(errors_of(second) == "");
  CHECK(store.parsed() == 4);
  CHECK(store.built() == 3);
  CHECK(second.config->upstreams[0].tls == first.config->upstreams[0].tls);

  const Identity renewed = test_authority().issue("a.example", "DNS:a.example");
  folder.write("site.pem", pem_of(renewed));
  folder.write_key("site.key", key_pem_of(renewed));
  const ConfOutcome third = load();
  REQUIRE(errors_of(third) == "");
  CHECK(store.parsed() == 6);
  CHECK(store.built() == 5);
  store.forget_unused();
  CHECK(load().errors.empty());
  CHECK(store.parsed() == 6);
  CHECK(store.built() == 5);

  // A bad load in between costs what it changed, and nothing else.
  folder.write_key("site.key", key_pem_of(test_authority().root));
  CHECK(load().errors.size() == 2);
  folder.write_key("site.key", key_pem_of(renewed));
  const uint64_t parsed = store.parsed();
  CHECK(load().errors.empty());
  CHECK(store.parsed() == parsed);
  CHECK(store.built() == 5);
}

TEST_CASE("conf tls: a server's name may be an address, but not longer than TLS can carry") {
  const auto errors = [](const std::string& name) {
    return errors_in(conf_of("upstream up\n server wss://127.0.0.1:1\n tls_server_name " + name));
  };
  CHECK(errors("10.0.0.1") == "");
  CHECK(errors("broker.internal") == "");
  const std::string labels = std::string(62, 'a') + ".";
  const std::string longest = labels + labels + labels + labels + "aaa";  // 255
  CHECK(errors(longest) == "");
  CHECK(errors(longest + "a") != "");
  CHECK(errors("\"\"") == "3: tls_server_name: \"\" is not a host's name\n");
}

TEST_CASE("conf tls: no path that a reference stands for is told, nor what is in a file") {
  const TestFolder folder;
  const Identity& identity = test_authority().site;
  folder.write("hunter2.pem", pem_of(identity));
  folder.write("hunter2.txt", "hunter2\n");
  folder.write("hunter2.loose", key_pem_of(identity));
  folder.write_key("hunter2.key", key_pem_of(test_authority().root));
  folder.write_key("hunter2.cut", "-----BEGIN PRIVATE KEY-----\nhunter2\n");
  const TestVariable secret("SLUICE_TEST_SECRET", "hunter2");
  int refused = 0;
  for (const std::string directive :
       {"tls_certificate", "tls_key", "tls_stapling_file", "tls_client_ca", "tls_ca",
        "tls_client_certificate", "tls_client_key"}) {
    for (const std::string ending : {"pem", "txt", "loose", "key", "cut", "none"}) {
      const std::string line = directive + " ${env:SLUICE_TEST_SECRET}." + ending + "\n";
      const ConfOutcome outcome = load_beside_files(
          folder, "listen 8080\n tls_certificate ${env:SLUICE_TEST_SECRET}.pem\n " + line +
                      "upstream up\n server wss://127.0.0.1:1\n" +
                      " tls_client_certificate ${env:SLUICE_TEST_SECRET}.pem\n " + line);
      refused += static_cast<int>(outcome.errors.size());
      for (const ConfError& error : outcome.errors) {
        CHECK(error.text().find("hunter2") == std::string::npos);
      }
      for (const std::string& warning : outcome.warnings) {
        CHECK(warning.find("hunter2") == std::string::npos);
      }
    }
  }
  CHECK(refused > 100);
}
