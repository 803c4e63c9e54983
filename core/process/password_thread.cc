// PasswordThread: crypt_r (libcrypt) knows bcrypt, and how to compare is ours.
#include "core/process/password_thread.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "net/sys.h"
#include "net/sys_bell.h"

namespace sluice {

namespace {

// A ring that went by unheard costs no more than this.
constexpr uint32_t look_ms = 1'000;

bool is_password(const char* hash, const char* password) {
  const auto scratch = std::make_unique<crypt_data>();
  const char* const made = ::crypt_r(password, hash, scratch.get());
  const size_t bytes = std::strlen(hash);
  const bool same =
      made != nullptr && std::strlen(made) == bytes && CRYPTO_memcmp(made, hash, bytes) == 0;
  OPENSSL_cleanse(scratch.get(), sizeof(crypt_data));
  return same;
}

}  // namespace

PasswordThread::~PasswordThread() {
  if (!thread_.joinable()) return;
  ending_ = true;
  queue_.bell().fetch_add(1);
  sys::ring(queue_.bell());
  thread_.join();
}

Status PasswordThread::start(PasswordQueue queue) {
  if (!queue) return Done{};
  queue_ = queue;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return Fault{"a thread for passwords", error.code().value()};
  }
  ready_.wait(false);
  return Done{};
}

void PasswordThread::run() {
  sys::become_background_thread();
  ready_ = true;
  ready_.notify_one();
  while (!ending_) {
    const uint32_t seen = queue_.bell().load(std::memory_order_acquire);
    if (queue_.check_one(sys::monotonic_ms(), is_password)) continue;
    sys::await_ring(queue_.bell(), seen, look_ms);
  }
}

}  // namespace sluice
