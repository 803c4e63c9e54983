// What a request to the admin address asks for, and whether it may: pure functions of its head and
// of the conf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/observe/metrics_text.h"
#include "protocol/head.h"

namespace sluice {

enum class AdminPage : uint8_t { page, events, metrics, health, ready, status };

// An answer to it, but for what every answer has.
struct AdminAnswer {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;             // ends in a line feed
  std::string_view allow = {};  // of a 405
  std::string policy = {};      // Content-Security-Policy; "": nothing is loaded or run
  const char* abuse = nullptr;  // static text for the log, where the request should not have come
};

// A refusal in one line, which says how to do better.
AdminAnswer refuse_admin(int status, const std::string& what, const char* abuse);

struct AdminRequest {
  AdminPage page = AdminPage::health;
  MetricsFormat format = MetricsFormat::prometheus;
  bool head_only = false;
  std::optional<AdminAnswer> refusal = {};  // then the others mean nothing
};
AdminRequest read_admin_request(const RequestHead& head, const AdminRules& rules);

// Whether who connected from there may ask at all.
bool may_ask(const Address& client, const AdminRules& rules);

// Whether `host`, with or without a port, is an IP address, localhost or one of admin_host. Any
// other name may be a stranger's that he lets lead here, so that a page of his own may read what is
// answered (DNS rebinding).
bool names_us(std::string_view host, const AdminRules& rules);

}  // namespace sluice
