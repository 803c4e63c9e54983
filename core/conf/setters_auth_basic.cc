// Setters of auth_basic: who may come in with which password.
#include <string>
#include <utility>

#include "core/conf/named_file.h"
#include "core/conf/setters.h"
#include "core/password_file.h"
#include "tls/secret.h"

namespace sluice::setters {

namespace {

constexpr std::string_view realm_prefix = "realm=";
constexpr size_t most_file_bytes = 1 << 20;

std::string realm_of(const Word& word) {
  if (!word.value.starts_with(realm_prefix)) {
    throw ConfProblem{quoted(word.text) + " is not realm=TEXT"};
  }
  std::string realm = word.value.substr(realm_prefix.size());
  for (const char byte : realm) {
    if (byte >= ' ' && byte != 0x7f && byte != '"' && byte != '\\') continue;
    throw ConfProblem{quoted(word.text) + ": a realm holds no quotes, \\ and control bytes"};
  }
  return realm;
}

PasswordHashes read_users(const SetterCall& call, const Word& word) {
  Secret content(most_file_bytes);
  read_named_file(call, word, content, [&call, &word](const FileFacts& facts) {
    if (!facts.open_to_others) return;
    call.warn(quoted(word.text) + " can be read or written by everybody; chmod 640 it");
  });
  std::string wrong;
  std::optional<PasswordHashes> users = parse_password_file(content.view(), wrong);
  if (!users) throw ConfProblem{quoted(word.text) + ", " + wrong};
  return *std::move(users);
}

}  // namespace

void auth_basic(const SetterCall& call) {
  const Word& word = call.word(1);
  RouteSettings& settings = call.section.settings;
  if (word.value == "off") {
    if (call.arguments() > 1) throw ConfProblem{"off stands alone"};
    settings.password_file = 0;
    return;
  }
  settings.auth_realm = call.arguments() > 1 ? realm_of(call.word(2)) : "sluice";
  std::vector<PasswordHashes>& files = call.draft.config.password_files;
  files.push_back(read_users(call, word));
  settings.password_file = static_cast<uint32_t>(files.size());
}

void auth_basic_queue(const SetterCall& call) {
  call.draft.config.auth_basic_queue = number(call.word(1), 1, most_auth_basic_queue);
}

void auth_basic_cache(const SetterCall& call) {
  const Word& word = call.word(1);
  call.draft.config.auth_basic_cache = word.value == "off" ? 0 : number(word, 1, 1'000'000);
}

}  // namespace sluice::setters
