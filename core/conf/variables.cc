// One table of the variables, by which they are found, listed and nearly found; and one of the
// names that other proxies have for them.
#include "core/conf/variables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/conf/suggest.h"

namespace sluice {

namespace {

struct Named {
  std::string_view name;  // with its "$"
  Variable variable;
};

constexpr Named table[] = {
    {"$remote_addr", Variable::remote_addr},
    {"$remote_port", Variable::remote_port},
    {"$host", Variable::host},
    {"$path", Variable::path},
    {"$query", Variable::query},
    {"$request_uri", Variable::request_uri},
    {"$scheme", Variable::scheme},
    {"$request_id", Variable::request_id},
    {"$http_NAME", Variable::http},
    {"$auth_http_NAME", Variable::auth_http},
    {"$cookie_NAME", Variable::cookie},
    {"$query_NAME", Variable::query_parameter},
    {"$jwt_claim_NAME", Variable::jwt_claim},
    {"$tls_client_subject", Variable::tls_client_subject},
    {"$tls_version", Variable::tls_version},
    {"$tls_cipher", Variable::tls_cipher},
    {"$tls_server_name", Variable::tls_server_name},
    {"$remote_user", Variable::remote_user},
};

constexpr std::string_view http_prefix = "$http_";
constexpr std::string_view auth_prefix = "$auth_http_";
constexpr std::string_view cookie_prefix = "$cookie_";
constexpr std::string_view query_prefix = "$query_";
constexpr std::string_view claim_prefix = "$jwt_claim_";

constexpr std::pair<std::string_view, std::string_view> foreign[] = {
    {"$args", "$query"},
    {"$query_string", "$query"},
    {"$uri", "$path"},
    {"$document_uri", "$path"},
    {"$is_args", "part of $request_uri, the path and its query"},
    {"$server_name", "$host"},
    {"$binary_remote_addr", "$remote_addr"},
    {"$realip_remote_addr", "$remote_addr"},
    {"$ssl_client_s_dn", "$tls_client_subject"},
    {"$ssl_protocol", "$tls_version"},
    {"$ssl_cipher", "$tls_cipher"},
    {"$ssl_server_name", "$tls_server_name"},
    {"$proxy_add_x_forwarded_for", ""},
    {"$connection_upgrade", ""},
};

bool name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_';
}

// "$name" at `at`, as long as it goes.
std::string_view name_at(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && name_byte(text[end])) ++end;
  return text.substr(at, end - at);
}

// The variable and the NAME that its name ends with; nothing where there is none.
std::optional<HeaderValue::Piece> find_variable(std::string_view name) {
  for (const auto& [prefix, variable] :
       {std::pair{http_prefix, Variable::http}, std::pair{auth_prefix, Variable::auth_http},
        std::pair{cookie_prefix, Variable::cookie},
        std::pair{query_prefix, Variable::query_parameter},
        std::pair{claim_prefix, Variable::jwt_claim}}) {
    if (name.starts_with(prefix) && name.size() > prefix.size()) {
      return HeaderValue::Piece{variable, std::string(name.substr(prefix.size()))};
    }
  }
  for (const Named& row : table) {
    if (row.name == name) return HeaderValue::Piece{row.variable, ""};
  }
  return std::nullopt;
}

std::string all_names() {
  std::string all;
  for (const Named& row : table) {
    if (!all.empty()) all += row.name == std::end(table)[-1].name ? " and " : ", ";
    all += row.name;
  }
  return all;
}

std::string hint_for(std::string_view name) {
  constexpr std::string_view answered = "$upstream_http_";
  if (name.starts_with(answered) && name.size() > answered.size()) {
    return "; of what auth_request was answered it is " + std::string(auth_prefix) +
           std::string(name.substr(answered.size()));
  }
  for (const auto& [theirs, ours] : foreign) {
    if (theirs != name) continue;
    if (ours.empty()) return "; leave the line out, sluice sets that field itself";
    return "; here it is " + std::string(ours);
  }
  std::vector<std::string_view> names;
  for (const Named& row : table) names.push_back(row.name);
  return suggestion(name, names);
}

}  // namespace

HeaderValue compile_header_value(const Word& word) {
  const std::string_view value = word.value;
  HeaderValue compiled;
  size_t at = 0;
  const auto take_until = [&](size_t end) {
    compiled.add(Variable::text, std::string(value.substr(at, end - at)));
    at = end;
  };
  auto verbatim = word.verbatim.begin();
  while (at < value.size()) {
    if (verbatim != word.verbatim.end() && verbatim->begin == at) {
      take_until(verbatim->end);
      ++verbatim;
      continue;
    }
    const size_t end = verbatim == word.verbatim.end() ? value.size() : verbatim->begin;
    const std::string_view plain = value.substr(0, end);
    if (value[at] != '$') {
      take_until(std::min(plain.find('$', at), end));
      continue;
    }
    if (plain.substr(at, 2) == "$$") {
      compiled.add(Variable::text, "$");
      at += 2;
      continue;
    }
    const std::string_view name = name_at(plain, at);
    if (name.size() == 1) throw ConfProblem{"a $ without a name; write $$ for a plain $"};
    std::optional<HeaderValue::Piece> found = find_variable(name);
    if (!found) {
      throw ConfProblem{"there is no variable " + quoted(std::string(name)) + hint_for(name) +
                        (hint_for(name).ends_with('?') ? " There are " : "; there are ") +
                        all_names() + ", and $$ is a plain $"};
    }
    compiled.add(found->variable, std::move(found->text));
    at += name.size();
  }
  return compiled;
}

void refuse_auth_variables(const Word& word, const HeaderValue& value) {
  if (value.has(Variable::remote_user)) {
    throw ConfProblem{quoted(word.text) +
                      ": where a request goes is decided before a password is checked; "
                      "$remote_user may stand in set_header, set_response_header and return"};
  }
  if (!value.has(Variable::auth_http)) return;
  throw ConfProblem{quoted(word.text) +
                    ": where a request goes is decided before its authorizer answers; $auth_http_ "
                    "may stand in set_header, set_response_header and return"};
}

std::string variable_in(const Word& word) {
  const std::string_view value = word.value;
  size_t begin = 0;
  for (size_t i = 0; i <= word.verbatim.size(); ++i) {
    const bool last = i == word.verbatim.size();
    // A name ends before what a reference brought in, which may be a secret.
    const std::string_view plain = value.substr(0, last ? value.size() : word.verbatim[i].begin);
    for (size_t at = plain.find('$', begin); at < plain.size(); at = plain.find('$', at + 1)) {
      const std::string_view name = name_at(plain, at);
      const bool theirs = std::any_of(std::begin(foreign), std::end(foreign),
                                      [name](const auto& row) { return row.first == name; });
      if (theirs || find_variable(name)) return std::string(name);
    }
    if (!last) begin = word.verbatim[i].end;
  }
  return "";
}

}  // namespace sluice
