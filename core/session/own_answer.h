// OwnAnswer: an answer of the proxy's own on its way to the client.
#pragma once

#include <string>
#include <utility>

#include "core/session/outgoing.h"
#include "protocol/error_answer.h"
#include "protocol/handshake.h"
#include "protocol/http1.h"

namespace sluice {

class OwnAnswer {
 public:
  enum class Step : uint8_t { sent, wait, client_left };

  // The leg outlives this; the rest is used by the constructor alone. `method` is the request's, ""
  // where none was understood: a HEAD gets no body (RFC 9110 9.3.2).
  OwnAnswer(Leg& client, const Refusal& refusal, std::string_view request_id,
            std::string_view method)
      : client_(client) {
    const ErrorAnswer answer =
        build_error_answer(refusal.status, refusal.reason, request_id, refusal.retry_after_s,
                           refusal.allow, refusal.challenge);
    out_.text() = write_http1(answer.head);
    if (method != "HEAD") out_.text() += answer.body;
  }
  // The answer as it goes out.
  OwnAnswer(Leg& client, std::string text) : client_(client), out_(std::move(text)) {}

  // What is still to go out before it.
  void put_before(const std::string& text) { out_.text().insert(0, text); }

  Step run() {
    switch (out_.send(client_)) {
      case Outgoing::Step::sent:
        return Step::sent;
      case Outgoing::Step::blocked:
        return Step::wait;
      case Outgoing::Step::failed:
        break;
    }
    return Step::client_left;
  }

 private:
  Leg& client_;
  Outgoing out_;
};

}  // namespace sluice
