// Basic credentials and files of users: what is taken has one reading, and nothing of a file gets
// into what is told of it.
#include <string>

#include "core/password_file.h"
#include "net/check.h"
#include "protocol/basic_auth.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string base64(const std::string& bytes) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (unsigned k = 0; k < 4; ++k) {
      const bool there = k <= std::min<size_t>(bytes.size() - i, 3);
      text += there ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

void run(std::string_view text) {
  if (const auto told = parse_basic_credentials(text)) {
    SLUICE_CHECK(told->user.find(':') == std::string::npos);
    const auto again =
        parse_basic_credentials("Basic " + base64(told->user + ":" + told->password));
    SLUICE_CHECK(again && again->user == told->user && again->password == told->password);
  }
  std::string wrong;
  const auto users = parse_password_file(text, wrong);
  SLUICE_CHECK(users.has_value() == wrong.empty());
  if (!users) {
    SLUICE_CHECK(wrong.size() < 160);
    return;
  }
  std::string written;
  for (const auto& [user, hash] : *users) {
    SLUICE_CHECK(hash.size() == 60 && !user.empty());
    if (user.starts_with('#')) return;
    written += user + ":" + hash + "\n";
  }
  SLUICE_CHECK(parse_password_file(written, wrong) == users);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
