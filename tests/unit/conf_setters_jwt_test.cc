// Conf of JSON Web Tokens: what keys' files may hold and whom they may be open to, and what is told
// of routes that cannot verify, or keys that nobody asks. tests/conf/broken has the words.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "core/conf/conf.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_rows.h"
#include "tests/unit/conf_testing.h"
#include "tests/unit/jwt_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

ConfOutcome load(const std::string& before, const std::string& in_route, MemoryInputs& inputs) {
  inputs.files["/x.conf"] =
      before + "listen 127.0.0.1:1\nroute /\n proxy_pass ws://127.0.0.1:2\n" + in_route;
  return load_conf("/x.conf", ConfOptions{}, inputs);
}

// What is wrong with a key of that kind whose file has that content; "": nothing.
std::string told_of(const std::string& kind, const std::string& content) {
  MemoryInputs inputs;
  inputs.files["/key"] = content;
  return errors_of(load("", " auth_jwt bearer\n auth_jwt_key " + kind + " key\n", inputs));
}

std::unique_ptr<Config> config_of(const std::string& before, const std::string& in_route,
                                  const std::string& key = jwt_secret) {
  MemoryInputs inputs;
  inputs.files["/key"] = key;
  inputs.files["/other"] = issuer_jwks;
  ConfOutcome outcome = load(before, in_route, inputs);
  REQUIRE(errors_of(outcome) == "");
  return std::move(outcome.config);
}

std::string warnings_of(const std::string& before, const std::string& in_route) {
  MemoryInputs inputs;
  inputs.files["/key"] = jwt_secret;
  const ConfOutcome outcome = load(before, in_route, inputs);
  CHECK(errors_of(outcome) == "");
  std::string all;
  for (const std::string& warning : outcome.warnings) all += warning + "\n";
  return all;
}

std::string jwks(const std::string& keys) {
  return "{\"keys\":[" + keys + "]}";
}

std::string oct(const std::string& secret) {
  return R"({"kty":"oct","k":")" + base64url(secret) + "\"}";
}

}  // namespace

TEST_CASE("conf setters jwt: a key is of the algorithm that stands before it") {
  const std::string rsa = public_pem(rsa_key(2048).get());
  const std::string ec = public_pem(ec_key("P-256").get());
  const std::string ed = public_pem(ed25519_key().get());
  CHECK(told_of("HS256", jwt_secret) == "");
  CHECK(told_of("RS256", rsa) == "");
  CHECK(told_of("ES256", ec) == "");
  CHECK(told_of("EdDSA", ed) == "");
  CHECK(told_of("RS256", ec) == "5: auth_jwt_key: \"key\": it is no RSA key\n");
  CHECK(told_of("ES256", rsa) == "5: auth_jwt_key: \"key\": it is no EC key on the curve P-256\n");
  CHECK(told_of("EdDSA", ec) == "5: auth_jwt_key: \"key\": it is no Ed25519 key\n");
  CHECK(told_of("RS256", public_pem(rsa_key(1024).get())) ==
        "5: auth_jwt_key: \"key\": an RSA key has 2048 bits at least\n");
}

TEST_CASE("conf setters jwt: a secret is the file without a text's line end") {
  const std::string text = jwt_secret;
  const std::string others = std::string(31, '\x80') + "\n";
  CHECK(told_of("HS256", text.substr(1) + "\n") ==
        "5: auth_jwt_key: \"key\": a secret has 32 bytes at least\n");
  CHECK(told_of("HS256", others) == "");
  for (const char* const end : {"", "\n", "\r\n"}) {
    const auto config = config_of("", " auth_jwt bearer\n auth_jwt_key HS256 key\n", text + end);
    const JwtKey& key = *config->routes.front().jwt_keys.front();
    CHECK(key.verify("x", signature_of(hmac_key(text).get(), "x")));
  }
}

TEST_CASE("conf setters jwt: a key set, of which one key must be of use") {
  CHECK(told_of("jwks", std::string(issuer_jwks)) == "");
  CHECK(told_of("jwks", jwks(oct(jwt_secret))) == "");
  CHECK(told_of("jwks", jwks(oct("short"))) ==
        "5: auth_jwt_key: \"key\": a secret has 32 bytes at least\n");
  const std::string none =
      "5: auth_jwt_key: \"key\" has no key that signatures of HS256, RS256, ES256 or EdDSA are "
      "verified with\n";
  CHECK(told_of("jwks", jwks("")) == none);
  CHECK(told_of("jwks", jwks(R"({"kty":"oct","use":"enc","k":"AA"})")) == none);
  CHECK(told_of("jwks", jwks(R"({"kty":"oct","alg":"HS512","k":"AA"})")) == none);
  CHECK(told_of("jwks", jwks(R"({"kty":"RSA","alg":"HS256","n":"","e":""})")) == none);
  const std::string no_set =
      "5: auth_jwt_key: \"key\" is no JSON Web Key Set: {\"keys\": [...]}, "
      "each member once\n";
  CHECK(told_of("jwks", "") == no_set);
  CHECK(told_of("jwks", R"({"keys":[],"keys":[]})") == no_set);
  std::string many = oct(jwt_secret);
  for (int i = 1; i < 32; ++i) many += "," + oct(jwt_secret);
  CHECK(told_of("jwks", jwks(many)) == "");
  CHECK(told_of("jwks", jwks(many + "," + oct(jwt_secret))) ==
        "5: auth_jwt_key: \"key\": there are more than 32 keys; leave out those that sign nothing "
        "any more\n");
}

TEST_CASE("conf setters jwt: secrets are their owner's alone, what is public is everybody's") {
  const auto told = [](const std::string& kind, const std::string& content) {
    MemoryInputs inputs;
    inputs.files["/key"] = content;
    inputs.facts["/key"].open_to_others = true;
    return errors_of(load("", " auth_jwt bearer\n auth_jwt_key " + kind + " key\n", inputs));
  };
  const std::string refused =
      "5: auth_jwt_key: \"key\" can be read or written by everybody; chmod "
      "it to 600, or to 640 with the group root, ssl-cert or one that "
      "sluice runs in\n";
  CHECK(told("HS256", jwt_secret) == refused);
  CHECK(told("jwks", jwks(oct(jwt_secret))) == refused);
  CHECK(told("jwks", std::string(issuer_jwks)) == "");
  CHECK(told("ES256", public_pem(ec_key("P-256").get())) == "");
}

TEST_CASE("conf setters jwt: what stands before the first section, and what a route has instead") {
  const std::string top = "auth_jwt bearer\nauth_jwt_key HS256 key\nauth_jwt_issuer a\n";
  const auto inherited = config_of(top, "");
  CHECK(inherited->routes.front().jwt_places.size() == 1);
  CHECK(inherited->routes.front().jwt_keys.size() == 1);
  CHECK(inherited->routes.front().jwt_issuers == std::vector<std::string>{"a"});
  const auto own = config_of(top, " auth_jwt_key jwks other\n auth_jwt cookie=t\n");
  CHECK(own->routes.front().jwt_places.front().name == "t");
  REQUIRE(own->routes.front().jwt_keys.size() == 1);
  CHECK(own->routes.front().jwt_keys.front()->algorithm() == JwtAlgorithm::eddsa);
  CHECK(!config_of(top, " auth_jwt off\n")->routes.front().wants_jwt());
  // They are watched as TLS's files are.
  const std::vector<std::string>& files = inherited->tls_files;
  CHECK(std::find(files.begin(), files.end(), "/key") != files.end());
}

TEST_CASE("conf setters jwt: auth_jwt without a key, a key without auth_jwt") {
  MemoryInputs inputs;
  inputs.files["/key"] = jwt_secret;
  const std::string wrong =
      ": auth_jwt: route \"/\" has no auth_jwt_key to verify a token with; write auth_jwt_key jwks "
      "FILE, or one of HS256, RS256, ES256 and EdDSA with its key's file\n";
  CHECK(errors_of(load("", " auth_jwt bearer\n", inputs)) == "4" + wrong);
  CHECK(errors_of(load("auth_jwt bearer\n", "", inputs)) == "1" + wrong);
  CHECK(errors_of(load("auth_jwt bearer\n", " auth_jwt_key HS256 key\n", inputs)) == "");
  // A key that is wrong is told of alone.
  CHECK(errors_of(load("", " auth_jwt bearer\n auth_jwt_key HS256 none\n", inputs)) ==
        "5: auth_jwt_key: \"none\" cannot be read: No such file or directory\n");
  CHECK(warnings_of("", " auth_jwt_key HS256 key\n") ==
        "/x.conf:4: auth_jwt_key has no effect without auth_jwt, which says where the token is; "
        "anybody may come here\n");
  CHECK(warnings_of("auth_jwt_key HS256 key\n", "") ==
        "/x.conf:1: auth_jwt_key is used by no route: none has auth_jwt without a key of its "
        "own\n");
  CHECK(warnings_of("auth_jwt_key HS256 key\n", " auth_jwt bearer\n") == "");
}

TEST_CASE("conf setters jwt: a parameter that has the token is masked in logs, in any case") {
  const std::string key = " auth_jwt_key HS256 key\n";
  const auto masks = [](const Config& config, const std::string& name) {
    const std::vector<std::string>& all = config.masked_parameters;
    CHECK(std::is_sorted(all.begin(), all.end()));
    return std::count(all.begin(), all.end(), name);
  };
  CHECK(masks(*config_of("", " auth_jwt query=Ticket\n" + key), "ticket") == 1);
  CHECK(masks(*config_of("", " auth_jwt cookie=ticket\n" + key), "ticket") == 0);
  CHECK(masks(*config_of("log_mask off\nlog_query on\n", " auth_jwt query=Ticket\n" + key),
              "ticket") == 1);
  CHECK(masks(*config_of("", " auth_jwt query=token\n" + key), "token") == 1);
}

TEST_CASE("conf setters jwt: a claim chooses no upstream") {
  MemoryInputs inputs;
  inputs.files["/x.conf"] =
      "listen 127.0.0.1:1\nupstream up\n server ws://127.0.0.1:2\nroute /\n"
      " upstream_by $jwt_claim_tenant a=up default=up\n";
  CHECK(errors_of(load_conf("/x.conf", ConfOptions{}, inputs)) ==
        "5: upstream_by: a token is looked at when the upstream is known, so $jwt_claim_NAME "
        "cannot choose it; it may stand in set_header\n");
}
