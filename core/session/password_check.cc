// PasswordCheck: a name that nobody has takes as long as a wrong password, so that time does not
// tell who there is.
#include "core/session/password_check.h"

#include <openssl/crypto.h>

#include <utility>

#include "net/sys_bell.h"

namespace sluice {

namespace {

// What stands behind "$2y$10$" of a hash that nobody's password has: salt and digest.
constexpr std::string_view nobody = "......................abcdefghijklmnopqrstuvwxyzABCDE";
constexpr size_t settings_bytes = 7;

}  // namespace

PasswordCheck::PasswordCheck(const SessionContext& lent, const RouteConfig& route)
    : lent_(lent), route_(route) {}

PasswordCheck::~PasswordCheck() {
  if (ticket_) lent_.worker.passwords.withdraw(*ticket_);
  OPENSSL_cleanse(told_.password.data(), told_.password.size());
}

PasswordCheck::Step PasswordCheck::begin(std::string_view field) {
  std::optional<BasicCredentials> told = parse_basic_credentials(field);
  // What is too long to be asked about is nobody's password; a full queue is another thing.
  if (!told || told->password.size() > PasswordPlace::most_password_bytes) return Step::wrong;
  told_ = *std::move(told);
  const PasswordHashes& hashes = lent_.config.password_files[route_.password_file - 1];
  const auto found = hashes.find(told_.user);
  known_user_ = found != hashes.end();
  hash_ =
      known_user_ ? found->second : hashes.begin()->second.substr(0, settings_bytes).append(nobody);
  if (known_user_ && lent_.worker.known_passwords.has(hash_, told_.password)) return Step::right;
  until_ms_ = lent_.now_ms() + route_.auth_basic_timeout_ms;
  const PasswordQueue& queue = lent_.worker.passwords;
  ticket_ =
      queue.ask(hash_, told_.password, lent_.now_ms(), until_ms_, lent_.config.auth_basic_queue);
  if (!ticket_) return Step::full;
  sys::ring(queue.bell());
  return Step::wait;
}

PasswordCheck::Step PasswordCheck::look() {
  const PasswordQueue::Verdict verdict = lent_.worker.passwords.look(*ticket_);
  if (verdict == PasswordQueue::Verdict::waiting) {
    return lent_.now_ms() < until_ms_ ? Step::wait : Step::late;
  }
  ticket_.reset();
  if (verdict == PasswordQueue::Verdict::lost) return Step::late;
  if (verdict != PasswordQueue::Verdict::right || !known_user_) return Step::wrong;
  lent_.worker.known_passwords.keep(hash_, told_.password, lent_.config.auth_basic_cache);
  return Step::right;
}

}  // namespace sluice
