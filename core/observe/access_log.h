// Access lines: one when a session opens, one when it closes, one for a refused handshake.
#pragma once

#include <string>
#include <string_view>

#include "net/address.h"

namespace sluice {

class Session;
class Opening;

// Each returns the line without time and newline. Values from strangers are escaped; secrets (set
// headers, conf values) never appear.
std::string open_line(const Session& session, const Opening& opening);
std::string close_line(const Session& session, std::string_view reason);
// `status` is 0 where the client got no answer. Of host and target at most `most_value_bytes` each.
std::string refused_line(const Session& session, const Opening& opening, int status,
                         size_t most_value_bytes = std::string_view::npos);

// Of a client for whom there is not even a session: `id` is its request id, `reason` static text.
std::string turned_away_line(std::string_view id, const Address& client, std::string_view reason);

}  // namespace sluice
