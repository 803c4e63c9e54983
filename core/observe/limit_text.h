// Limits as a conf has them, and what they refused or ended, in the words of the log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/number_text.h"
#include "protocol/http1.h"

namespace sluice {

// As a conf spells a time: "1m", "500ms".
std::string time_text(uint64_t milliseconds);

// The same of a time that was measured: of more than a second, the whole ones.
std::string rough_time_text(uint64_t milliseconds);

// A directive with its time as a conf has it, for lines about what it ended: "send_timeout 1m".
std::string time_setting_text(std::string_view directive, uint64_t milliseconds);

// "max_header_size 16k, the head has 17,204 bytes so far": the directive as the conf would say it,
// `who` has `seen` of `what`.
std::string limit_text(std::string_view directive, std::string_view limit, std::string_view who,
                       uint64_t seen, std::string_view what);

// The same of a head that Http1Parser refused for a limit of its own; "" where it was for another
// reason. `size_directive` bounds the head's bytes, to `most_bytes`.
std::string head_limit_text(const Http1Parser& parser, std::string_view size_directive,
                            uint64_t most_bytes, uint64_t most_fields);

}  // namespace sluice
