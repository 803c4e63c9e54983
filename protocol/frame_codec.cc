// The frame codec over wslay's contexts, of which a thread keeps one for each role: a context is
// over 4 KiB, so it is nothing to own per connection.
#include "protocol/frame_codec.h"

#include <sys/types.h>  // ssize_t, which wslay.h uses
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "net/check.h"

namespace sluice {
namespace {

struct ContextDeleter {
  void operator()(wslay_frame_context* context) const { wslay_frame_context_free(context); }
};
using Context = std::unique_ptr<wslay_frame_context, ContextDeleter>;

Context make_context(const wslay_frame_callbacks& callbacks, void* user_data) {
  wslay_frame_context_ptr context = nullptr;
  if (wslay_frame_context_init(&context, &callbacks, user_data) != 0) throw std::bad_alloc();
  return Context(context);
}

// One for frames with a mask and one for frames without: wslay remembers the last mask key and
// would go on using it (it never clears `omask`).
class Encoder {
 public:
  Encoder() : context_(make_context({append, nullptr, copy_mask_key}, this)) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  size_t encode(Opcode opcode, std::span<const uint8_t> payload, const uint8_t* mask_key,
                uint8_t* out) {
    out_ = out;
    out_bytes_ = 0;
    mask_key_ = mask_key;
    wslay_frame_iocb frame{};
    frame.fin = 1;
    frame.opcode = static_cast<uint8_t>(opcode);
    frame.mask = mask_key != nullptr ? 1 : 0;
    frame.data = payload.data();
    frame.data_length = payload.size();
    frame.payload_length = payload.size();
    const ssize_t sent = wslay_frame_send(context_.get(), &frame);
    SLUICE_CHECK(sent >= 0 && static_cast<size_t>(sent) == payload.size());
    return out_bytes_;
  }

 private:
  static ssize_t append(const uint8_t* data, size_t size, int, void* user_data) {
    auto* encoder = static_cast<Encoder*>(user_data);
    SLUICE_CHECK(size <= max_control_frame_bytes - encoder->out_bytes_);
    std::memcpy(encoder->out_ + encoder->out_bytes_, data, size);
    encoder->out_bytes_ += size;
    return static_cast<ssize_t>(size);
  }

  static int copy_mask_key(uint8_t* key, size_t size, void* user_data) {
    std::memcpy(key, static_cast<Encoder*>(user_data)->mask_key_, size);
    return 0;
  }

  uint8_t* out_ = nullptr;  // the caller's, during encode()
  size_t out_bytes_ = 0;
  const uint8_t* mask_key_ = nullptr;  // the caller's, during encode()
  Context context_;
};

class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> frame) {
    if (context_ == nullptr) context_ = make_context({nullptr, take, nullptr}, this);
    unread_ = frame;
    wslay_frame_iocb decoded{};
    const ssize_t received = wslay_frame_recv(context_.get(), &decoded);
    const bool whole = received >= 0 && decoded.data_length == decoded.payload_length;
    if (!whole) {
      context_.reset();  // it stands in the middle of a frame, or holds on to an error
      return std::nullopt;
    }
    return std::span(decoded.data, decoded.data_length);
  }

 private:
  static ssize_t take(uint8_t* out, size_t size, int, void* user_data) {
    std::span<const uint8_t>& unread = static_cast<Decoder*>(user_data)->unread_;
    const size_t taken = std::min(size, unread.size());
    if (taken == 0) return -1;
    std::memcpy(out, unread.data(), taken);
    unread = unread.subspan(taken);
    return static_cast<ssize_t>(taken);
  }

  std::span<const uint8_t> unread_;
  Context context_;
};

}  // namespace

void prepare_frame_codec() {
  const uint8_t mask_key[4] = {};
  uint8_t frame[max_control_frame_bytes];
  const size_t masked_bytes = encode_control_frame(Opcode::ping, {}, mask_key, frame);
  SLUICE_CHECK(decode_control_frame({frame, masked_bytes}).has_value());
  encode_control_frame(Opcode::ping, {}, nullptr, frame);
}

size_t encode_control_frame(Opcode opcode, std::span<const uint8_t> payload,
                            const uint8_t* mask_key, uint8_t out[max_control_frame_bytes]) {
  SLUICE_CHECK(payload.size() <= max_control_payload_bytes);
  thread_local Encoder masking;
  thread_local Encoder plain;
  return (mask_key != nullptr ? masking : plain).encode(opcode, payload, mask_key, out);
}

size_t encode_close(CloseCode code, std::string_view reason, const uint8_t* mask_key,
                    uint8_t out[max_control_frame_bytes]) {
  if (code == CloseCode::no_status) {
    return encode_control_frame(Opcode::close, {}, mask_key, out);
  }
  SLUICE_CHECK(reason.size() <= max_close_reason_bytes);
  const auto number = static_cast<uint16_t>(code);
  uint8_t payload[max_control_payload_bytes] = {static_cast<uint8_t>(number >> 8),
                                                static_cast<uint8_t>(number & 0xff)};
  std::copy(reason.begin(), reason.end(), payload + 2);
  return encode_control_frame(Opcode::close, std::span(payload, 2 + reason.size()), mask_key, out);
}

std::optional<std::span<const uint8_t>> decode_control_frame(std::span<const uint8_t> frame) {
  thread_local Decoder decoder;
  return decoder.decode(frame);
}

}  // namespace sluice
