// PasswordHashes: users and the bcrypt hashes of their passwords, as htpasswd -B writes them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// By the user; "$2y$10$" and 53 digits each. Secrets: never logged.
using PasswordHashes = std::map<std::string, std::string, std::less<>>;

// A check takes 2^cost rounds: 10 are about 50 ms of a processor, each further one takes twice as
// long.
inline constexpr int most_bcrypt_cost = 14;

// Of "USER:HASH" lines; empty ones and those that begin with # say nothing. Nothing, and which line
// is wrong and how in `wrong`, where one is no such line, its hash is none of bcrypt, or its user
// stands there twice; so too where no user is left. `wrong` holds nothing of the file.
std::optional<PasswordHashes> parse_password_file(std::string_view text, std::string& wrong);

}  // namespace sluice
