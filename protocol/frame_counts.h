// FrameCounts: how many frames of each kind one side began, for who tells it. What they carried
// follows from their bytes, less their headers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// All zero where its memory is. One writer, in plain stores; any number of readers at any time.
class FrameCounts {
 public:
  // Opcodes of data frames, as they are on the wire, and those of control frames less 8.
  enum Data : uint8_t { continuation, text, binary };
  enum Control : uint8_t { close, ping, pong };
  // By how many bytes more the length took: 0, 2 or 8.
  static constexpr size_t length_classes = 3;

  // Data frames whose header was accepted. `length_class`: its place of length_classes.
  void add_data(Data opcode, size_t length_class, uint64_t frames) {
    add(data_[length_class][opcode], frames);
  }
  // One that begins with this header.
  void add_data_frame(std::span<const uint8_t> header) {
    const uint8_t length = header[1] & 0x7f;
    add_data(static_cast<Data>(header[0] & 0x0f), length < 126 ? 0 : length - 125u, 1);
  }
  // So many messages of one frame, each with that first byte, whose length took no more bytes.
  void add_short_messages(uint32_t first, uint64_t messages) {
    add_data(static_cast<Data>(first & 0x0f), 0, messages);
  }
  // A whole one, as it travels on.
  void add_control_frame(std::span<const uint8_t> frame) {
    add_control(static_cast<Control>(frame[0] & 0x07), frame.size());
  }
  // A control frame of so many bytes, header included.
  void add_control(Control opcode, size_t bytes) {
    add(control_[opcode], 1);
    add(control_bytes_, bytes);
  }

  // Messages that began with such a frame.
  uint64_t messages(Data opcode) const {
    uint64_t sum = 0;
    for (const auto& of_length : data_) sum += value(of_length[opcode]);
    return sum;
  }
  uint64_t messages() const { return messages(text) + messages(binary); }
  uint64_t control(Control opcode) const { return value(control_[opcode]); }
  uint64_t control_bytes() const { return value(control_bytes_); }
  // Of data frames, masked as a client's are or not.
  uint64_t header_bytes(bool masked) const {
    constexpr uint64_t bytes[length_classes] = {2, 4, 10};
    uint64_t sum = 0;
    for (size_t i = 0; i < length_classes; ++i) {
      for (const Number& each : data_[i]) sum += value(each) * (bytes[i] + (masked ? 4 : 0));
    }
    return sum;
  }

 private:
  using Number = std::atomic<uint64_t>;
  static_assert(Number::is_always_lock_free);

  static void add(Number& number, uint64_t more) {
    number.store(value(number) + more, std::memory_order_relaxed);
  }
  static uint64_t value(const Number& number) { return number.load(std::memory_order_relaxed); }

  // No std::array, whose bounds would be checked for each message.
  Number data_[length_classes][3]{};
  Number control_[3]{};
  Number control_bytes_{0};
};

}  // namespace sluice
