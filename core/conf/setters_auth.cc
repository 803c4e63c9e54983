// Setters of who is asked whether a client may come in.
#include <algorithm>
#include <string>
#include <utility>

#include "core/conf/setters.h"
#include "protocol/ascii.h"
#include "protocol/uri.h"

namespace sluice::setters {

namespace {

bool is_http_uri(const std::string& text) {
  const std::string lower = lower_case(text);
  return lower.starts_with("http://") || lower.starts_with("https://");
}

// The word up to its query, of which a server's URI has none.
Word without_query(const Word& word) {
  Word server = word;
  server.value.resize(std::min(word.value.find('?'), word.value.size()));
  server.text = word.expanded() ? word.text : server.value;
  return server;
}

}  // namespace

void auth_request(const SetterCall& call) {
  const Word& word = call.word(1);
  AuthRequestDraft& own = call.section.auth_request.emplace();
  if (word.value == "off") return;
  if (word.value.starts_with('/')) {
    throw ConfProblem{quoted(word.text) +
                      ": a path alone leads to no server; write http://HOST:PORT" +
                      (word.expanded() ? "/PATH" : word.text) + ", or off"};
  }
  const Word server = without_query(word);
  const Result<ServerUri> parsed = parse_server_uri(server.value);
  if (!is_http_uri(word.value) || !parsed.ok()) {
    throw ConfProblem{quoted(word.text) + " is not the URI of an authorizer" +
                      (is_http_uri(word.value) ? " (" + parsed.fault().text() + ")" : "") +
                      "; write http://HOST:PORT/PATH or https://HOST:PORT/PATH, or off"};
  }
  own.server = server_of(call, server);
  own.value = server.value;
  const std::string& path = own.server->like.uri.path;
  own.target = (path.empty() ? "/" : path) + word.value.substr(server.value.size());
  if (const Result<RequestTarget> target = parse_request_target(own.target); !target.ok()) {
    throw ConfProblem{quoted(word.text) + ": " + target.fault().text()};
  }
}

void auth_cache_size(const SetterCall& call) {
  call.draft.config.auth_cache_size = number(call.word(1), 1, 1'000'000);
}

}  // namespace sluice::setters
