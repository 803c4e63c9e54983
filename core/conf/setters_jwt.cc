// Setters of JSON Web Tokens: where they are looked for, and the keys that they are verified with.
#include <algorithm>
#include <string>
#include <utility>

#include "core/conf/named_file.h"
#include "core/conf/setters.h"
#include "protocol/head.h"
#include "protocol/jwt.h"
#include "tls/jwt_keys.h"

namespace sluice::setters {

namespace {

constexpr size_t most_key_bytes = 256 << 10;  // a key set of hundreds is within
constexpr uint32_t most_leeway_ms = 300'000;  // RFC 7519 4.1.4: "no more than a few minutes"
constexpr const char* places = "; write bearer, cookie=NAME, query=NAME, subprotocol=PREFIX or off";

JwtPlace place_of(const Word& word) {
  if (word.value == "bearer") return {JwtPlace::Kind::bearer};
  const size_t equals = word.value.find('=');
  const std::string kind = word.value.substr(0, equals);
  JwtPlace place;
  if (kind == "cookie") {
    place.kind = JwtPlace::Kind::cookie;
  } else if (kind == "query") {
    place.kind = JwtPlace::Kind::query;
  } else if (kind == "subprotocol") {
    place.kind = JwtPlace::Kind::subprotocol;
  } else {
    throw ConfProblem{quoted(word.text) + " is no place of a token" + places};
  }
  if (equals != std::string::npos) place.name = word.value.substr(equals + 1);
  if (!is_token(place.name)) {
    throw ConfProblem{quoted(word.text) +
                      ": behind the = stands a name of letters, digits and "
                      "!#$%&'*+-.^_`|~"};
  }
  return place;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// Without the line end that editors, and `openssl rand -hex`, put behind a text.
std::string_view secret_in(std::string_view file) {
  std::string_view text = file;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return is_printable(text) ? text : file;
}

void add_key(const SetterCall& call, Result<JwtKey> key, const std::optional<std::string>& id) {
  if (!key.ok()) refuse_file(call.word(2), key.fault());
  std::vector<JwtKeyRef>& keys = call.section.settings.jwt_keys;
  if (keys.size() == most_jwt_keys) {
    throw ConfProblem{quoted(call.word(2).text) +
                      ": there are more than 32 keys; leave out those "
                      "that sign nothing any more"};
  }
  key.value().id = id;
  keys.push_back(shared(std::move(key.value())));
}

// As a key is used here; "" for others.
std::string_view algorithm_of(const Jwk& key) {
  if (!key.use.empty() && key.use != "sig") return "";
  if (key.type == "RSA") return "RS256";
  if (key.type == "oct") return "HS256";
  if (key.type == "EC" && key.curve == "P-256") return "ES256";
  return key.type == "OKP" && key.curve == "Ed25519" ? "EdDSA" : "";
}

Result<JwtKey> key_of(const Jwk& key, JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
      return JwtKey::from_secret(key.secret);
    case JwtAlgorithm::rs256:
      return JwtKey::from_rsa(key.modulus, key.exponent);
    case JwtAlgorithm::es256:
      return JwtKey::from_p256(key.x, key.y);
    case JwtAlgorithm::eddsa:
      break;
  }
  return JwtKey::from_ed25519(key.x);
}

void add_key_set(const SetterCall& call, std::string_view content, const FileFacts& facts) {
  const Word& word = call.word(2);
  JwkSet set;
  if (!parse_jwk_set(content, set)) {
    throw ConfProblem{quoted(word.text) +
                      " is no JSON Web Key Set: {\"keys\": [...]}, each member once"};
  }
  size_t used = 0;
  for (const Jwk& key : set.keys) {
    const std::optional<JwtAlgorithm> algorithm = jwt_algorithm(algorithm_of(key));
    if (!algorithm || (!key.algorithm.empty() && jwt_algorithm(key.algorithm) != algorithm)) {
      continue;
    }
    if (*algorithm == JwtAlgorithm::hs256) check_private(word, facts, call.draft.inputs);
    add_key(call, key_of(key, *algorithm), key.key_id);
    ++used;
  }
  if (used == 0) {
    throw ConfProblem{quoted(word.text) +
                      " has no key that signatures of HS256, RS256, ES256 or EdDSA are verified "
                      "with"};
  }
}

}  // namespace

void auth_jwt(const SetterCall& call) {
  std::vector<JwtPlace>& all = call.section.settings.jwt_places;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "off") {
      if (call.arguments() > 1) throw ConfProblem{"off stands alone"};
      return;
    }
    JwtPlace place = place_of(word);
    if (std::find(all.begin(), all.end(), place) != all.end()) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
    all.push_back(std::move(place));
  }
}

void auth_jwt_key(const SetterCall& call) {
  const Word& kind = call.word(1);
  const std::optional<JwtAlgorithm> algorithm = jwt_algorithm(kind.value);
  if (!algorithm && kind.value != "jwks") {
    throw ConfProblem{quoted(kind.text) + " is none of HS256, RS256, ES256, EdDSA and jwks"};
  }
  Secret content(most_key_bytes);
  FileFacts facts;
  const bool secret = algorithm == JwtAlgorithm::hs256;
  read_named_file(call, call.word(2), content, [&](const FileFacts& told) {
    facts = told;
    if (secret) check_private(call.word(2), told, call.draft.inputs);
  });
  if (!algorithm) return add_key_set(call, content.view(), facts);
  add_key(call,
          secret ? JwtKey::from_secret(secret_in(content.view()))
                 : JwtKey::from_pem(*algorithm, content.view()),
          std::nullopt);
}

void auth_jwt_leeway(const SetterCall& call) {
  const Word& word = call.word(1);
  const uint32_t leeway_ms = time_ms_or_off(word);
  if (leeway_ms > most_leeway_ms) {
    throw ConfProblem{quoted(word.text) + " is more than 5m, for which no clock should be wrong"};
  }
  call.section.settings.jwt_leeway_ms = leeway_ms;
}

void jwt_close_code(const SetterCall& call) {
  call.section.settings.jwt_close_code = close_code(call.word(1), "");
}

}  // namespace sluice::setters
