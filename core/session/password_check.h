// PasswordCheck: whether one request's user and password are those of its route (auth_basic). What
// takes long is done by another process; this looks every few milliseconds whether it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/session_context.h"
#include "protocol/basic_auth.h"

namespace sluice {

class PasswordCheck {
 public:
  enum class Step : uint8_t {
    wait,   // look() in look_ms
    right,  // user() is who it is
    wrong,  // or nobody
    full,   // as many as may wait already
    late,   // no verdict within auth_basic_timeout
  };

  static constexpr uint32_t look_ms = 10;

  // Both outlive this.
  PasswordCheck(const SessionContext& lent, const RouteConfig& route);
  PasswordCheck(const PasswordCheck&) = delete;
  PasswordCheck& operator=(const PasswordCheck&) = delete;
  ~PasswordCheck();

  // `field` is the value of Authorization, "" where there is none.
  Step begin(std::string_view field);
  Step look();
  const std::string& user() const { return told_.user; }

 private:
  const SessionContext& lent_;
  const RouteConfig& route_;
  BasicCredentials told_;
  std::string hash_;
  std::optional<PasswordQueue::Ticket> ticket_;
  uint64_t until_ms_ = 0;
  bool known_user_ = false;  // who came named a user that the file has
};

}  // namespace sluice
