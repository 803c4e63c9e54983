// Rows of conf_directives_test: JSON Web Tokens.
#include <string>
#include <vector>

#include "tests/unit/conf_rows.h"
#include "tests/unit/jwt_testing.h"

namespace sluice::testing {

namespace {

const RouteConfig& last(const Config& config) {
  return config.routes.back();
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += word + " ";
  return all;
}

std::string places(const Config& config) {
  std::string all;
  for (const JwtPlace& place : last(config).jwt_places) {
    all += std::to_string(static_cast<int>(place.kind)) + place.name + " ";
  }
  return all;
}

std::string keys(const Config& config) {
  std::string all;
  for (const JwtKeyRef& key : last(config).jwt_keys) {
    all += std::to_string(static_cast<int>(key->algorithm())) + key->id.value_or("-") + " ";
  }
  return all;
}

}  // namespace

std::vector<ConfRow> token_rows(const TestFolder& folder) {
  const std::string key = "auth_jwt_key jwks " + folder.write("rows.jwks", issuer_jwks) + "\n";
  const std::string secret = folder.write_key("hs256.key", std::string(jwt_secret) + "\n");
  return {
      {"auth_jwt", "top, route", "auth_jwt bearer cookie=c query=q subprotocol=jwt.", places,
       "0 1c 2q 3jwt. ", "", key},
      {"auth_jwt_key", "top, route", key.substr(0, key.size() - 1), keys, "32026 ",
       "auth_jwt_key HS256 " + secret, "auth_jwt bearer\n"},
      {"auth_jwt_issuer", "top, route", "auth_jwt_issuer a https://b.example",
       [](const Config& c) { return joined(last(c).jwt_issuers); }, "a https://b.example "},
      {"auth_jwt_audience", "top, route", "auth_jwt_audience chat",
       [](const Config& c) { return joined(last(c).jwt_audiences); }, "chat "},
      {"auth_jwt_leeway", "top, route", "auth_jwt_leeway 30s",
       [](const Config& c) { return std::to_string(last(c).jwt_leeway_ms); }, "30000"},
      {"jwt_close_code", "top, route", "jwt_close_code 4001",
       [](const Config& c) { return std::to_string(last(c).jwt_close_code); }, "4001"},
  };
}

}  // namespace sluice::testing
