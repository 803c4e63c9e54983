// Setters of answers that sluice gives by itself: `return`, with a file's content where one is
// named, and acme_dir.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/conf/expand.h"
#include "core/conf/setters.h"
#include "core/conf/values.h"
#include "core/conf/variables.h"
#include "tls/secret.h"

namespace sluice::setters {

namespace {

constexpr std::string_view file_prefix = "file:";
// A page of its own, which each process that has the conf holds in memory; more is a file server's.
constexpr size_t most_file_bytes = 1 << 20;

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> content_types = {{
    {".html", "text/html; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".xml", "application/xml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".wasm", "application/wasm"},
}};

std::string_view content_type_of(std::string_view path) {
  const auto* const found =
      std::find_if(content_types.begin(), content_types.end(),
                   [path](const auto& each) { return path.ends_with(each.first); });
  return found == content_types.end() ? "application/octet-stream" : found->second;
}

bool redirects(uint32_t status) {
  constexpr std::array<uint32_t, 5> all = {301, 302, 303, 307, 308};
  return std::find(all.begin(), all.end(), status) != all.end();
}

void read_body(const SetterCall& call, const Word& word, Reply& reply) {
  const std::string path =
      resolve_path(call.statement.folder, word.value.substr(file_prefix.size()));
  FileFacts facts;
  Secret content(most_file_bytes);
  const int error = call.draft.inputs.read(path, content, facts);
  if (error == EFBIG) throw ConfProblem{quoted(word.text) + " has more than 1m, the most"};
  if (error != 0) throw ConfProblem{quoted(word.text) + " cannot be read: " + std::strerror(error)};
  reply.content_type = content_type_of(path);
  reply.body = content.view();
}

}  // namespace

void reply(const SetterCall& call) {
  Reply reply;
  const Word& first = call.word(1);
  reply.status = static_cast<uint16_t>(number(first, 200, 599));
  const bool has_more = call.arguments() > 1;
  if (redirects(reply.status)) {
    if (!has_more) {
      throw ConfProblem{quoted(first.text) +
                        " redirects and needs a location behind it, as "
                        "https://$host$request_uri"};
    }
    reply.location = compile_header_value(call.word(2));
  } else if (has_more && (reply.status == 204 || reply.status == 304)) {
    throw ConfProblem{"an answer of " + quoted(first.text) + " has no body: write it alone"};
  } else if (has_more && call.word(2).value.starts_with(file_prefix)) {
    read_body(call, call.word(2), reply);
  } else if (has_more) {
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = call.word(2).value;
    if (!reply.body.ends_with('\n')) reply.body += '\n';
  }
  call.section.as<RouteDraft>().route.reply = std::move(reply);
}

// That it is there is not asked for: who asks for certificates may be the one who makes it.
void acme_dir(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value.empty()) throw ConfProblem{"the folder's name is empty"};
  if (word.value == "off" || word.value == "on") {
    throw ConfProblem{quoted(word.text) + " is not a folder; without this line there is none" +
                      "; a folder of that name is ./" + word.text};
  }
  call.draft.config.acme_dir = resolve_path(call.statement.folder, word.value);
}

}  // namespace sluice::setters
