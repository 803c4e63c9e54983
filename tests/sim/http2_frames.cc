// Only DATA is told before it is whole: its payload may be large, and flow control counts its
// bytes.
#include "tests/sim/http2_frames.h"

#include <algorithm>

namespace sluice::sim {

namespace {

constexpr size_t header_bytes = 9;

uint8_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}

}  // namespace

uint32_t http2_number(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | byte_at(bytes, at + i);
  return number;
}

void Http2Frames::feed(std::string_view bytes) {
  const size_t skipped = std::min(skipped_, bytes.size());
  skipped_ -= skipped;
  bytes.remove_prefix(skipped);
  while (!bytes.empty()) {
    if (header_.size() < header_bytes && !take_header(bytes)) return;
    take_payload(bytes);
    if (taken_ == frame_.length) finish();
  }
}

bool Http2Frames::take_header(std::string_view& bytes) {
  const size_t part = std::min(header_bytes - header_.size(), bytes.size());
  header_ += bytes.substr(0, part);
  bytes.remove_prefix(part);
  if (header_.size() < header_bytes) return false;
  frame_.length = http2_number(header_, 0) >> 8;
  frame_.type = byte_at(header_, 3);
  frame_.flags = byte_at(header_, 4);
  frame_.stream = static_cast<int32_t>(http2_number(header_, 5) & 0x7fffffff);
  taken_ = padding_ = 0;
  payload_.clear();
  return true;
}

void Http2Frames::take_payload(std::string_view& bytes) {
  const std::string_view part = bytes.substr(0, frame_.length - taken_);
  if (part.empty()) return;
  if (frame_.type == Http2Frame::data) {
    take_data(part);
  } else {
    payload_ += part;
  }
  taken_ += part.size();
  bytes.remove_prefix(part.size());
}

void Http2Frames::take_data(std::string_view part) {
  const bool padded = (frame_.flags & Http2Frame::padded) != 0;
  if (padded && taken_ == 0) padding_ = byte_at(part, 0);
  const size_t begin = std::max<size_t>(taken_, padded ? 1 : 0);
  const size_t end = std::min(taken_ + part.size(), frame_.length - padding_);
  const size_t payload = end > begin ? end - begin : 0;
  sink_.on_data(frame_, payload, part.size() - payload);
}

void Http2Frames::finish() {
  header_.clear();
  sink_.on_frame(frame_, payload_);
}

}  // namespace sluice::sim
