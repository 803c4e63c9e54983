// parse_password_file: one line after the other.
#include "core/password_file.h"

#include <algorithm>

namespace sluice {

namespace {

constexpr size_t hash_bytes = 60;
constexpr size_t prefix_bytes = 7;  // "$2y$10$"
constexpr int least_cost = 4;       // bcrypt's own

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

// bcrypt's own base64.
bool is_hash_byte(char byte) {
  return is_digit(byte) || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
         byte == '.' || byte == '/';
}

// What is wrong with it; "" for nothing.
std::string fault_of_hash(std::string_view hash) {
  const bool bcrypt = hash.size() == hash_bytes && hash.starts_with("$2") &&
                      (hash[2] == 'a' || hash[2] == 'b' || hash[2] == 'y') && hash[3] == '$' &&
                      is_digit(hash[4]) && is_digit(hash[5]) && hash[6] == '$' &&
                      std::all_of(hash.begin() + prefix_bytes, hash.end(), is_hash_byte);
  if (!bcrypt) return "the hash is not of bcrypt; make the line with htpasswd -B";
  const int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  if (cost < least_cost || cost > most_bcrypt_cost) {
    return "bcrypt's cost is " + std::to_string(cost) + ", allowed are " +
           std::to_string(least_cost) + " to " + std::to_string(most_bcrypt_cost) +
           "; make the line with htpasswd -B -C 10";
  }
  return "";
}

std::string take_line(std::string_view line, PasswordHashes& hashes) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return "it is not USER:HASH";
  const std::string_view hash = line.substr(colon + 1);
  if (std::string fault = fault_of_hash(hash); !fault.empty()) return fault;
  const bool fresh = hashes.emplace(line.substr(0, colon), hash).second;
  return fresh ? "" : "its user stands in an earlier line, too";
}

}  // namespace

std::optional<PasswordHashes> parse_password_file(std::string_view text, std::string& wrong) {
  PasswordHashes hashes;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (const std::string fault = take_line(line, hashes); !fault.empty()) {
      wrong = "line " + std::to_string(number) + ": " + fault;
      return std::nullopt;
    }
  }
  if (!hashes.empty()) return hashes;
  wrong = "there is no user in it; make one with htpasswd -B";
  return std::nullopt;
}

}  // namespace sluice
