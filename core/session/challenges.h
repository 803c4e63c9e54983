// Challenges: what an authority is told that asks, over HTTP, whether a name is ours before it
// gives us a certificate for it (RFC 8555 8.3): texts by their tokens, as acme_dir holds them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/head.h"

namespace sluice {

using Challenges = std::map<std::string, std::string, std::less<>>;

inline constexpr size_t most_challenges = 64;
inline constexpr size_t most_challenge_bytes = 4096;

// A token is base64url (RFC 8555 8.3), of 1 to 128 bytes here; so it names no other folder.
bool is_challenge_name(std::string_view name);
// The token that a GET or HEAD asks for, whatever it is made of; nothing where it asks for another
// path than those below /.well-known/acme-challenge/.
std::optional<std::string_view> asked_challenge(const RequestHead& head);

// Both ends of a message between processes of one sluice. Nothing where the bytes are no such
// thing, whole, or more than there may be.
std::string bytes_of(const Challenges& challenges);
std::optional<Challenges> challenges_from(std::string_view bytes);

}  // namespace sluice
