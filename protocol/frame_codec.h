// The frame codec over wslay for what the proxy itself consumes or originates: control frames. Bulk
// payload does not come here (wslay unmasks byte by byte), the scanner in frames.h walks over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "protocol/close_code.h"

namespace sluice {

// RFC 6455 section 5.2; the other values are reserved.
enum class Opcode : uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xa,
};

inline constexpr size_t max_frame_header_bytes = 14;      // 2 + 8 + 4
inline constexpr size_t max_control_payload_bytes = 125;  // RFC 6455 section 5.5
inline constexpr size_t max_control_frame_bytes = 131;    // 2 + 4 + 125
inline constexpr size_t max_close_reason_bytes = 123;     // beside the code: section 5.5.1

// Makes this thread's wslay contexts now, so that no frame later fails for want of memory: the
// language's own bookkeeping of thread-local objects ends the process when it gets none.
void prepare_frame_codec();

// Encodes a control frame of ours with wslay. `mask_key` is null toward clients and four random
// bytes toward upstreams (RFC 6455 5.3). `payload` is at most 125 bytes. Returns the frame's size.
size_t encode_control_frame(Opcode opcode, std::span<const uint8_t> payload,
                            const uint8_t* mask_key, uint8_t out[max_control_frame_bytes]);
// A Close with that code and reason, which is UTF-8 of at most max_close_reason_bytes, or "".
// CloseCode::no_status gives an empty payload.
size_t encode_close(CloseCode code, std::string_view reason, const uint8_t* mask_key,
                    uint8_t out[max_control_frame_bytes]);

// The payload, unmasked, of one whole control frame that the scanner's rules passed; nullopt where
// wslay refuses it. The view lies in a buffer of this thread and holds until its next call.
std::optional<std::span<const uint8_t>> decode_control_frame(std::span<const uint8_t> frame);

}  // namespace sluice
