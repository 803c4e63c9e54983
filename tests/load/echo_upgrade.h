// The server's half of the opening handshake (RFC 6455 4.2, RFC 8441 5), written apart from the
// proxy's own so that the two do not share their mistakes.
#pragma once

#include <string>

#include "protocol/head.h"
#include "tests/load/common_http2.h"
#include "tests/load/echo_options.h"

namespace sluice::load {

struct UpgradeDecision {
  bool upgraded = false;
  std::string answer;       // the whole head, and what is no 101 with its body
  const char* reason = "";  // of a refusal; "" where a page was asked for
};

// A 101, a 400 that says what is missing, or what the options want instead.
UpgradeDecision answer_upgrade(const RequestHead& head, const EchoOptions& options);

// The same for a request over HTTP/2.
struct StreamDecision {
  bool upgraded = false;
  Http2Fields fields;  // of the answer
  std::string body;
  const char* reason = "";
};
StreamDecision answer_stream(const RequestHead& head, const EchoOptions& options);

// Views of a request that came over HTTP/2, with its pseudo-header fields among the others.
RequestHead request_of(const Http2Fields& fields);

// The 400 for a head that is not HTTP.
UpgradeDecision refuse_upgrade(const char* reason);

// The request as text, a line each for start line and fields; bytes that are no ASCII become "?",
// so that it may travel in a text message.
std::string head_text(const RequestHead& head);

}  // namespace sluice::load
