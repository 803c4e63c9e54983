// How a head is shown to whoever looks at a handshake: tokens travel in queries, cookies,
// subprotocols and fields of anybody's own, so no value is shown but of fields that hold none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/head.h"

namespace sluice {

// The target without what stands behind its '?' or '#', and without userinfo.
std::string masked_target(std::string_view target);

// The first line and the fields, a line each. The values of Host, Upgrade, Connection, Origin,
// User-Agent, Sec-WebSocket-Version and Sec-WebSocket-Extensions are shown, the others as ***; of
// an answer's first line the version and the status.
std::vector<std::string> masked_lines(const RequestHead& head);
std::vector<std::string> masked_lines(const AnswerHead& head);
// The same of a request as it travels, in HTTP/1.1.
std::vector<std::string> masked_request_lines(std::string_view http1);

}  // namespace sluice
