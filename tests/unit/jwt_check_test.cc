// The token that a route demands: where it is found, which key may have signed it, what is told of
// one that is refused, and that nothing of it shows.
#include "core/session/jwt_check.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/session/exchange.h"
#include "tests/unit/jwt_testing.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using testing::hs256_token;
using Step = ExchangeStep;
using Kind = JwtPlace::Kind;

constexpr int64_t now_ms = 1'800'000'000'000;

JwtKeyRef key_of(Result<JwtKey> made, std::optional<std::string> id = std::nullopt) {
  REQUIRE(made.ok());
  made.value().id = std::move(id);
  return shared(std::move(made.value()));
}

JwtSettings settings_with(std::vector<JwtPlace> places) {
  JwtSettings settings;
  settings.jwt_places = std::move(places);
  settings.jwt_keys.push_back(key_of(JwtKey::from_secret(testing::jwt_secret)));
  settings.jwt_leeway_ms = 0;
  return settings;
}

struct Asked {
  std::string query = {};
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::vector<std::string> protocols = {};
};

struct Verdict {
  int status = 0;
  std::string reason;
  std::string challenge;
  VerifiedJwt verified;
};

Verdict ask(const JwtSettings& settings, const Asked& asked) {
  RequestHead head;
  for (const auto& [name, value] : asked.fields) head.fields.push_back({name, value});
  UpgradeRequest request;
  request.target.query = asked.query;
  for (const std::string& each : asked.protocols) request.protocols.push_back(each);
  Verdict verdict;
  if (const auto refusal = check_jwt(settings, head, request, now_ms, verdict.verified)) {
    verdict.status = refusal->status;
    verdict.reason = refusal->reason;
    verdict.challenge = refusal->challenge;
    CHECK(refusal->detail == "");
  }
  return verdict;
}

std::string reason_of(const JwtSettings& settings, const std::string& token) {
  const Verdict verdict = ask(settings, {.fields = {{"Authorization", "Bearer " + token}}});
  CHECK((verdict.status == 401) == !verdict.reason.empty());
  return verdict.reason;
}

TEST_CASE("jwt check: each place, the first that has a token, and no other") {
  const std::string token = hs256_token("{}");
  const JwtSettings bearer = settings_with({{Kind::bearer}});
  CHECK(ask(bearer, {.fields = {{"authorization", "bearer  " + token}}}).status == 0);
  CHECK(ask(bearer, {.fields = {{"Authorization", "Basic " + token}}}).reason == "no token");
  CHECK(ask(bearer, {.fields = {{"Authorization", "Bearer"}}}).reason == "no token");
  CHECK(ask(bearer, {.fields = {{"Authorization", "Bearer " + token},
                                {"Authorization", "Bearer " + token}}})
            .reason == jwt_malformed);
  const JwtSettings cookie = settings_with({{Kind::cookie, "t"}});
  CHECK(ask(cookie, {.fields = {{"Cookie", "a=b; t=" + token}}}).status == 0);
  CHECK(ask(cookie, {.fields = {{"Cookie", "T=" + token}}}).reason == "no token");
  const JwtSettings query = settings_with({{Kind::query, "t"}});
  CHECK(ask(query, {.query = "?a=b&t=" + token}).status == 0);
  CHECK(ask(query, {.query = "?%74=" + token}).status == 0);
  CHECK(ask(query, {.query = "?tt=" + token}).reason == "no token");
  CHECK(ask(query, {.query = ""}).reason == "no token");
  const JwtSettings protocol = settings_with({{Kind::subprotocol, "jwt."}});
  CHECK(ask(protocol, {.protocols = {"chat", "jwt." + token}}).status == 0);
  CHECK(ask(protocol, {.protocols = {"jwt", token}}).reason == "no token");
  CHECK(carries_jwt(protocol, "jwt." + token));
  CHECK(!carries_jwt(protocol, "chat"));
  CHECK(!carries_jwt(bearer, "jwt.x"));
  // A bad one that is there is not passed over for a good one.
  const JwtSettings both = settings_with({{Kind::cookie, "t"}, {Kind::bearer}});
  CHECK(ask(both, {.fields = {{"Authorization", "Bearer " + token}}}).status == 0);
  CHECK(ask(both, {.fields = {{"Authorization", "Bearer " + token}, {"Cookie", "t=x"}}}).reason ==
        jwt_malformed);
}

TEST_CASE("jwt check: who brought a token is told that it is bad, nobody more than that") {
  const JwtSettings settings = settings_with({{Kind::bearer}});
  CHECK(ask(settings, {}).challenge == "Bearer");
  CHECK(ask(settings, {.fields = {{"Authorization", "Bearer x"}}}).challenge ==
        "Bearer error=\"invalid_token\"");
}

TEST_CASE("jwt check: a key is asked for its own algorithm and name alone") {
  JwtSettings settings = settings_with({{Kind::bearer}});
  const auto with = [](const std::string& header) {
    return testing::token(testing::hmac_key(testing::jwt_secret).get(), header, "{}");
  };
  CHECK(reason_of(settings, with(R"({"alg":"HS256"})")) == "");
  CHECK(reason_of(settings, with(R"({"alg":"HS256","kid":"any"})")) == "");
  CHECK(reason_of(settings, with(R"({"alg":"none"})")) == "token's algorithm has no key");
  CHECK(reason_of(settings, with(R"({"alg":"HS512"})")) == "token's algorithm has no key");
  CHECK(reason_of(settings, with(R"({"alg":"RS256"})")) == "token's algorithm has no key");
  settings.jwt_keys = {key_of(JwtKey::from_secret(testing::jwt_secret), "a"),
                       key_of(JwtKey::from_secret(std::string(32, 'b')), "b")};
  CHECK(reason_of(settings, with(R"({"alg":"HS256"})")) == "");
  CHECK(reason_of(settings, with(R"({"alg":"HS256","kid":"a"})")) == "");
  CHECK(reason_of(settings, with(R"({"alg":"HS256","kid":"b"})")) == "token's signature is bad");
  CHECK(reason_of(settings, with(R"({"alg":"HS256","kid":"/dev/null"})")) ==
        "token names a key that is not known");
  // The public half of an RSA key as an HMAC's secret.
  const std::string pem = testing::public_pem(testing::rsa_key(2048).get());
  settings.jwt_keys = {key_of(JwtKey::from_pem(JwtAlgorithm::rs256, pem))};
  CHECK(reason_of(settings, testing::token(testing::hmac_key(pem).get(), R"({"alg":"HS256"})",
                                           "{}")) == "token's algorithm has no key");
  CHECK(reason_of(settings, testing::token(testing::hmac_key(pem).get(), R"({"alg":"RS256"})",
                                           "{}")) == "token's signature is bad");
}

TEST_CASE("jwt check: claims, and when the token ends") {
  JwtSettings settings = settings_with({{Kind::bearer}});
  settings.jwt_issuers = {"me"};
  const auto verdict = [&settings](const std::string& claims) {
    return ask(settings, {.fields = {{"Authorization", "Bearer " + hs256_token(claims)}}});
  };
  CHECK(!verdict(R"({"iss":"me","sub":"al"})").verified.ends_in_ms);
  CHECK(verdict(R"({"iss":"me","sub":"al"})").verified.claims.texts.at("sub") == "al");
  CHECK(verdict(R"({"iss":"you"})").reason == jwt_wrong_issuer);
  CHECK(verdict(R"({"iss":"me","exp":1800000000})").reason == jwt_expired);
  CHECK(verdict(R"({"iss":"me","exp":1800000000.25})").verified.ends_in_ms == 250);
  CHECK(verdict(R"({"iss":"me","exp":1e300})").verified.ends_in_ms ==
        8'640'000'000'000'000 - now_ms);
  settings.jwt_leeway_ms = 1000;
  CHECK(verdict(R"({"iss":"me","exp":1800000000})").verified.ends_in_ms == 1000);
  CHECK(verdict("[]").reason == jwt_bad_claims);
}

// A route with that key, and what is told the client: its status, and WWW-Authenticate.
std::string answer_to(const std::string& directives, const std::string& request) {
  const testing::TestUpstream upstream;
  testing::TestWorker worker("upstream up\nserver " + upstream.uri() +
                             "\nroute /\nhttp on\nauth_jwt_key HS256 hs256.key\n" + directives);
  const testing::Lent lent(worker);
  Exchange exchange(lent.context, nullptr);
  testing::send_text(lent.client_end().get(), request);
  CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
  if (exchange.begin() == Step::wait) return "passed";
  const std::string answer = testing::recv_text(lent.client_end().get());
  const size_t challenge = answer.find("WWW-Authenticate: ");
  if (challenge == std::string::npos) return answer.substr(9, 3);
  return answer.substr(9, 3) + " " +
         answer.substr(challenge + 18, answer.find("\r\n", challenge) - challenge - 18);
}

TEST_CASE("jwt check: upgrades, plain requests and replies alike") {
  const std::string upgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string begin = "GET / HTTP/1.1\r\nHost: edge.example\r\n";
  const std::string good = "Authorization: Bearer " + hs256_token("{}") + "\r\n";
  const std::string expired = "Authorization: Bearer " + hs256_token(R"({"exp":1})") + "\r\n";
  const std::string proxied = "proxy_pass up\nauth_jwt bearer\n";
  for (const std::string& kind : {upgrade, std::string()}) {
    CHECK(answer_to(proxied, begin + kind + good + "\r\n") == "passed");
    CHECK(answer_to(proxied, begin + kind + "\r\n") == "401 Bearer");
    CHECK(answer_to(proxied, begin + kind + expired + "\r\n") ==
          "401 Bearer error=\"invalid_token\"");
  }
  const std::string reply = "return 204\nauth_jwt bearer\n";
  CHECK(answer_to(reply, begin + good + "\r\n") == "204");
  CHECK(answer_to(reply, begin + "\r\n") == "401 Bearer");
}

TEST_CASE("jwt check: a subprotocol that carries a token is none that may be spoken") {
  const std::string begin =
      "GET / HTTP/1.1\r\nHost: edge.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string directives =
      "proxy_pass up\nauth_jwt subprotocol=jwt.\nrequire_subprotocol on\n";
  const std::string offer = "Sec-WebSocket-Protocol: jwt." + hs256_token("{}");
  CHECK(answer_to(directives, begin + offer + ", chat\r\n\r\n") == "passed");
  CHECK(answer_to(directives, begin + offer + "\r\n\r\n") == "400");
  CHECK(answer_to(directives, begin + "Sec-WebSocket-Protocol: chat\r\n\r\n") == "401 Bearer");
}

}  // namespace
}  // namespace sluice
