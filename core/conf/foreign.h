// Words of nginx, HAProxy, Caddy and Envoy, and what they are called here: told where a line is
// wrong, never taken silently.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/conf/draft.h"

namespace sluice {

struct ForeignWord {
  std::string_view word;    // the directive's name there; "timeout client" with its first argument
  std::string_view from;    // "nginx"
  std::string_view ours;    // the directive that it is here, "" for none
  std::string_view advice;  // what to write; where it is empty, `ours` alone says it
};

std::span<const ForeignWord> foreign_words();

// The row for the line, or null. `block` is true where a "{" stood at its end: `server {` of nginx
// is no server of ours.
const ForeignWord* find_foreign(const Statement& statement, bool block);
// " of nginx; here it is tls_key"
std::string foreign_text(const ForeignWord& row);

// Why a line with a directive of ours may have been written as it is: `listen 443 ssl`. "" where
// nobody can know.
std::string hint_for_arguments(const Statement& statement);

// What nginx's "syslog:server=ADDRESS,..." is here: "syslog:udp:127.0.0.1:514 tag=x"; "" where the
// text is none.
std::string syslog_of_nginx(const std::string& text);

}  // namespace sluice
