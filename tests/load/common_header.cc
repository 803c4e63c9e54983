// wslay keeps a context in the middle of a frame until its payload has passed, so each question
// gets a context of its own and each answer is remembered.
#include "tests/load/common_header.h"

#include <sys/types.h>  // ssize_t, which wslay.h uses
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "net/check.h"

namespace sluice::load {

namespace {

constexpr uint8_t mask_bit = 0x80;
constexpr size_t remembered_headers = 256;  // a run meets a handful of lengths, or any one once

struct ContextDeleter {
  void operator()(wslay_frame_context* context) const { wslay_frame_context_free(context); }
};
using Context = std::unique_ptr<wslay_frame_context, ContextDeleter>;

Context make_context(const wslay_frame_callbacks& callbacks, void* user_data) {
  wslay_frame_context_ptr context = nullptr;
  if (wslay_frame_context_init(&context, &callbacks, user_data) != 0) throw std::bad_alloc();
  return Context(context);
}

// What wslay said of a header without its mask key.
struct Answer {
  uint64_t length_field = 0;
  uint16_t first_bytes = 0;
  bool known = false;
  bool good = false;
  FrameHeader header;
};

ssize_t take(uint8_t* out, size_t size, int, void* user_data) {
  auto& unread = *static_cast<std::span<const uint8_t>*>(user_data);
  const size_t taken = std::min(size, unread.size());
  if (taken == 0) return -1;
  std::memcpy(out, unread.data(), taken);
  unread = unread.subspan(taken);
  return static_cast<ssize_t>(taken);
}

// One byte of payload goes with the header: wslay fills the answer in only then.
void ask_wslay(std::span<const uint8_t> wire, Answer& answer) {
  uint8_t bytes[max_frame_header_bytes + 1] = {};
  std::copy(wire.begin(), wire.end(), bytes);
  std::span<const uint8_t> unread(bytes, wire.size() + 1);
  const Context context = make_context({nullptr, take, nullptr}, &unread);
  wslay_frame_iocb frame{};
  answer.good = wslay_frame_recv(context.get(), &frame) >= 0;
  if (!answer.good) return;
  answer.header = {frame.payload_length,
                   static_cast<uint8_t>(wire.size()),
                   frame.rsv,
                   frame.opcode,
                   frame.fin != 0,
                   frame.mask != 0};
}

struct MaskKeyOfZero {
  static int make(uint8_t* key, size_t size, void*) {
    std::memset(key, 0, size);
    return 0;
  }
};

}  // namespace

HeaderVerdict read_header(std::span<const uint8_t> bytes, FrameHeader& header) {
  if (bytes.size() < 2) return HeaderVerdict::more;
  const uint8_t length = bytes[1] & 0x7f;
  const size_t length_bytes = length < 126 ? 0 : length == 126 ? 2 : 8;
  const size_t whole = 2 + length_bytes + ((bytes[1] & mask_bit) != 0 ? 4 : 0);
  if (bytes.size() < whole) return HeaderVerdict::more;

  uint64_t length_field = 0;
  std::memcpy(&length_field, bytes.data() + 2, length_bytes);
  const auto first_bytes = static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);

  thread_local Answer answers[remembered_headers];
  const uint64_t mixed = (length_field ^ uint64_t{first_bytes} << 24) * 0x9e3779b97f4a7c15u;
  Answer& answer = answers[mixed >> 56];
  if (!answer.known || answer.first_bytes != first_bytes || answer.length_field != length_field) {
    answer = Answer{length_field, first_bytes, true, false, {}};
    ask_wslay(bytes.first(whole), answer);
  }
  header = answer.header;
  return answer.good ? HeaderVerdict::good : HeaderVerdict::bad;
}

size_t write_header(Opcode opcode, uint64_t payload_bytes, bool masked,
                    uint8_t out[max_frame_header_bytes]) {
  struct Out {
    uint8_t* bytes;
    size_t size;
  } written{out, 0};
  const auto append = [](const uint8_t* data, size_t size, int, void* user_data) {
    auto& target = *static_cast<Out*>(user_data);
    SLUICE_CHECK(target.size + size <= max_frame_header_bytes);
    std::memcpy(target.bytes + target.size, data, size);
    target.size += size;
    return static_cast<ssize_t>(size);
  };
  const Context context = make_context({append, nullptr, MaskKeyOfZero::make}, &written);
  wslay_frame_iocb frame{};
  frame.fin = 1;
  frame.opcode = static_cast<uint8_t>(opcode);
  frame.mask = masked ? 1 : 0;
  frame.payload_length = payload_bytes;
  // The header alone goes out; wslay would wait for the payload, which is not pushed through it.
  const ssize_t sent = wslay_frame_send(context.get(), &frame);
  SLUICE_CHECK(sent == 0 || sent == WSLAY_ERR_WANT_WRITE);
  SLUICE_CHECK(written.size >= 2);
  return written.size;
}

}  // namespace sluice::load
