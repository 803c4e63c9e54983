// Setters of where a request goes and with which path: upstream_by and rewrite_path.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "core/conf/setters.h"
#include "core/conf/variables.h"
#include "protocol/uri.h"

namespace sluice::setters {

namespace {

bool is_verbatim(const Word& word, size_t at) {
  return std::any_of(word.verbatim.begin(), word.verbatim.end(),
                     [at](const Span& span) { return span.begin <= at && at < span.end; });
}

// In the notation of Pattern::rewritten(); `shown` gets a text that could come of it.
std::string rewriting_of(const Word& word, int groups, std::string& shown) {
  std::string to;
  for (size_t at = 0; at < word.value.size(); ++at) {
    const char byte = word.value[at];
    if (byte == '\\') to += '\\';
    if (byte != '$' || is_verbatim(word, at)) {
      to += byte;
      shown += byte;
      continue;
    }
    const char next = at + 1 < word.value.size() ? word.value[at + 1] : ' ';
    const bool cites = next >= '1' && next <= '9';
    if (!cites && next != '$') {
      throw ConfProblem{quoted(word.text) +
                        ": behind a $ stands the number of a group, $1 to $9; $$ is a plain $"};
    }
    if (cites && next - '0' > groups) {
      throw ConfProblem{quoted(word.text) + ": the regular expression has no group " + next};
    }
    (to += cites ? '\\' : '$') += cites ? std::string(1, next) : "";
    shown += cites ? 'x' : '$';
    ++at;
  }
  return to;
}

}  // namespace

// A path that a conf's text spoils spoils it for all requests; what a client's part of it does is
// seen when it comes.
void rewrite_path(const SetterCall& call) {
  PathRewrite rewrite{pattern_of(call.word(1)), ""};
  const Word& to = call.word(2);
  if (!to.value.starts_with('/')) throw ConfProblem{quoted(to.text) + " does not begin with /"};
  std::string shown;
  rewrite.to = rewriting_of(to, rewrite.pattern.groups(), shown);
  const Result<RequestTarget> target = parse_request_target(shown);
  if (!target.ok()) {
    throw ConfProblem{quoted(to.text) + " is not a path: " + target.fault().text()};
  }
  if (!target.value().query.empty()) {
    throw ConfProblem{quoted(to.text) + " is not a path: the query travels on as it came"};
  }
  call.section.as<RouteDraft>().route.rewrites.push_back(std::move(rewrite));
}

void upstream_by(const SetterCall& call) {
  UpstreamByDraft by;
  by.value = compile_header_value(call.word(1));
  refuse_auth_variables(call.word(1), by.value);
  const auto& pieces = by.value.pieces();
  if (std::all_of(pieces.begin(), pieces.end(), [](const HeaderValue::Piece& piece) {
        return piece.variable == Variable::text;
      })) {
    throw ConfProblem{quoted(call.word(1).text) +
                      " has no variable in it; write one first, as $http_x_region"};
  }
  for (size_t i = 2; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const size_t equals = word.value.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.value.size()) {
      throw ConfProblem{quoted(word.text) + " is neither VALUE=UPSTREAM nor default=UPSTREAM"};
    }
    const std::string value = word.value.substr(0, equals);
    const Word upstream{word.expanded() ? word.text : word.text.substr(word.text.rfind('=') + 1),
                        word.value.substr(equals + 1)};
    const bool known =
        value == "default"
            ? by.otherwise.has_value()
            : std::any_of(by.choices.begin(), by.choices.end(),
                          [&value](const auto& each) { return each.first == value; });
    if (known) throw ConfProblem{quoted(word.text) + ": that value is given already"};
    if (value == "default") {
      by.otherwise = upstream;
    } else {
      by.choices.emplace_back(value, upstream);
    }
  }
  call.section.as<RouteDraft>().by = std::move(by);
}

}  // namespace sluice::setters
