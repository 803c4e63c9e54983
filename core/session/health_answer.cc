// The answer is short and the same each time, so that a balancer may compare it.
#include "core/session/health_answer.h"

#include "protocol/error_answer.h"
#include "protocol/http1.h"

namespace sluice {

bool asks_for_health(const RequestHead& head, std::string_view path) {
  if (path.empty() || (head.method != "GET" && head.method != "HEAD")) return false;
  if (head.minor_version >= 1 && head.find("Host") == nullptr) return false;
  return head.target.substr(0, head.target.find('?')) == path;
}

std::string health_answer(bool takes_clients, bool head_only) {
  const std::string_view body = takes_clients ? "ok\n" : "drained\n";
  AnswerHead head;
  head.status = takes_clients ? 200 : 503;
  head.reason = takes_clients ? "OK" : status_text(503);
  head.add("Connection", "close");
  head.add("Cache-Control", "no-store");
  head.add("Content-Type", "text/plain");
  head.add_made("Content-Length", std::to_string(body.size()));
  std::string text = write_http1(head);
  if (!head_only) text += body;
  return text;
}

}  // namespace sluice
