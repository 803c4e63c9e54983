// HeaderValue: what set_header sends, text and variables, compiled once and filled in for each
// request; and what `balance hash` takes of one. Which words of a conf make one is
// conf/variables.h's; what a variable stands for in a request is session/variables.h's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

enum class Variable : uint8_t {
  text,  // none: a piece that stands for itself
  remote_addr,
  remote_port,
  host,
  path,
  query,
  request_uri,  // both, as they came
  scheme,
  request_id,
  http,             // $http_NAME: a field of the request
  auth_http,        // $auth_http_NAME: one of what the authorizer answered
  cookie,           // $cookie_NAME
  query_parameter,  // $query_NAME
  jwt_claim,        // $jwt_claim_NAME: of the token that the route demands
  tls_client_subject,
  tls_version,
  tls_cipher,
  tls_server_name,
  remote_user,  // of auth_basic
};

class HeaderValue {
 public:
  struct Piece {
    Variable variable = Variable::text;
    std::string text;  // itself, or the NAME of $http_NAME, $cookie_NAME and the like

    bool operator==(const Piece&) const = default;
  };

  HeaderValue() = default;
  HeaderValue(std::string text) { add(Variable::text, std::move(text)); }
  HeaderValue(const char* text) : HeaderValue(std::string(text)) {}

  // Neighbouring texts become one piece.
  void add(Variable variable, std::string text) {
    if (variable == Variable::text && text.empty()) return;
    if (variable == Variable::text && !pieces_.empty() && pieces_.back().variable == variable) {
      pieces_.back().text += text;
    } else {
      pieces_.push_back({variable, std::move(text)});
    }
  }
  const std::vector<Piece>& pieces() const { return pieces_; }
  bool has(Variable variable) const {
    return std::any_of(pieces_.begin(), pieces_.end(),
                       [variable](const Piece& piece) { return piece.variable == variable; });
  }

  // The value in one request; nothing where a variable has no value there: half a value could pass
  // for a whole one. `value_of(variable, name)` returns a std::optional<std::string>.
  template <class ValueOf>
  std::optional<std::string> filled(const ValueOf& value_of) const {
    std::string value;
    for (const Piece& piece : pieces_) {
      if (piece.variable == Variable::text) {
        value += piece.text;
        continue;
      }
      const std::optional<std::string> part = value_of(piece.variable, piece.text);
      if (!part) return std::nullopt;
      value += *part;
    }
    return value;
  }

  bool operator==(const HeaderValue&) const = default;

 private:
  std::vector<Piece> pieces_;  // may hold secrets: never logged
};

// `set_header NAME VALUE`; the value's text is fully expanded and may be a secret: never logged.
struct HeaderSetting {
  std::string name;
  HeaderValue value;

  bool operator==(const HeaderSetting&) const = default;
};

}  // namespace sluice
