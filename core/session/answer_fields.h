// What set_response_header and remove_response_header make of an upstream's answer.
#pragma once

#include "core/config.h"
#include "core/session/session_context.h"
#include "core/session/upstream_request.h"
#include "protocol/head.h"

namespace sluice {

// `answer` is as its client would get it. Route and client outlive it.
void change_answer(const SessionContext& lent, const RouteConfig& route,
                   const ClientRequest& client, AnswerHead& answer);

}  // namespace sluice
