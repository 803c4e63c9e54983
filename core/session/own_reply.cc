// A redirect has a line of text for those who do not follow it (RFC 9110 15.4).
#include "core/session/own_reply.h"

#include "protocol/error_answer.h"
#include "protocol/head.h"
#include "protocol/http1.h"

namespace sluice {

std::string reply_text(const Reply& reply, std::string_view location, std::string_view method,
                       bool keep_alive) {
  std::string body = reply.body;
  std::string_view type = reply.content_type;
  if (!location.empty()) {
    body = "See " + std::string(location) + "\n";
    type = "text/plain; charset=utf-8";
  }
  AnswerHead head;
  head.status = reply.status;
  head.reason = status_text(reply.status);
  if (!location.empty()) head.add("Location", location);
  if (!keep_alive) head.add("Connection", "close");
  if (!type.empty()) head.add("Content-Type", type);
  if (reply.status != 204 && reply.status != 304) {
    head.add_made("Content-Length", std::to_string(body.size()));
  }
  std::string text = write_http1(head);
  if (method != "HEAD") text += body;
  return text;
}

}  // namespace sluice
