// The frame codec: what it encodes is what RFC 6455 writes, what it decodes is what was encoded,
// and neither an earlier frame nor a damaged one leaves anything behind.
#include "protocol/frame_codec.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t rfc_key[4] = {0x37, 0xfa, 0x21, 0x3d};  // of the examples in RFC 6455 5.7
constexpr Opcode control_opcodes[] = {Opcode::close, Opcode::ping, Opcode::pong};

Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

Bytes encoded(Opcode opcode, const Bytes& payload, const uint8_t* key) {
  // On the heap and of exact size, so that the sanitizer sees a write past it.
  Bytes out(max_control_frame_bytes, 0xee);
  const size_t size = encode_control_frame(opcode, payload, key, out.data());
  CHECK(std::all_of(out.begin() + static_cast<ptrdiff_t>(size), out.end(),
                    [](uint8_t byte) { return byte == 0xee; }));
  out.resize(size);
  return out;
}

Bytes encoded_close(CloseCode code, const uint8_t* key, std::string_view reason = {}) {
  uint8_t out[max_control_frame_bytes];
  return {out, out + encode_close(code, reason, key, out)};
}

// The frame as RFC 6455 section 5.2 draws it.
Bytes drawn(Opcode opcode, const Bytes& payload, const uint8_t* key) {
  Bytes bytes{static_cast<uint8_t>(0x80 + static_cast<int>(opcode)),
              static_cast<uint8_t>(payload.size() + (key != nullptr ? 0x80 : 0))};
  if (key != nullptr) bytes.insert(bytes.end(), key, key + 4);
  for (size_t i = 0; i < payload.size(); ++i) {
    bytes.push_back(static_cast<uint8_t>(payload[i] ^ (key != nullptr ? key[i % 4] : 0)));
  }
  return bytes;
}

bool decodes_to(const Bytes& frame, const Bytes& payload) {
  const auto decoded = decode_control_frame(frame);
  return decoded && std::equal(decoded->begin(), decoded->end(), payload.begin(), payload.end());
}

Bytes random_payload(std::mt19937_64& random, size_t size) {
  Bytes payload(size);
  for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random());
  return payload;
}

TEST_CASE("frame codec: the examples of RFC 6455 section 5.7") {
  const Bytes hello = bytes_of("Hello");
  const Bytes ping{0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
  const Bytes pong{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  CHECK(encoded(Opcode::ping, hello, nullptr) == ping);
  CHECK(encoded(Opcode::pong, hello, rfc_key) == pong);
  CHECK(decodes_to(ping, hello));
  CHECK(decodes_to(pong, hello));
}

TEST_CASE("frame codec: a Close carries its code, and no_status an empty payload") {
  CHECK(encoded_close(CloseCode::going_away, nullptr) == Bytes{0x88, 2, 0x03, 0xe9});
  CHECK(encoded_close(CloseCode::no_status, nullptr) == Bytes{0x88, 0});
  CHECK(encoded_close(CloseCode::no_status, rfc_key) == Bytes{0x88, 0x80, 0x37, 0xfa, 0x21, 0x3d});
  for (const CloseCode code : {CloseCode::normal, CloseCode::protocol_error,
                               CloseCode::internal_error, CloseCode::service_restart}) {
    const auto number = static_cast<uint16_t>(code);
    const Bytes payload{static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number & 0xff)};
    CHECK(decodes_to(encoded_close(code, nullptr), payload));
    CHECK(decodes_to(encoded_close(code, rfc_key), payload));
  }
}

TEST_CASE("frame codec: a Close has a reason behind its code, up to what a control frame holds") {
  CHECK(encoded_close(CloseCode::going_away, nullptr, "bye") ==
        Bytes{0x88, 5, 0x03, 0xe9, 'b', 'y', 'e'});
  const std::string longest(max_close_reason_bytes, 'x');
  const Bytes frame = encoded_close(CloseCode::going_away, rfc_key, longest);
  CHECK(frame.size() == max_control_frame_bytes);
  CHECK(decodes_to(frame, bytes_of("\x03\xe9" + longest)));
}

TEST_CASE("frame codec: every opcode and size survives, masked and not in turns") {
  std::mt19937_64 random(20240609);
  for (const Opcode opcode : control_opcodes) {
    for (size_t size = 0; size <= max_control_payload_bytes; ++size) {
      CAPTURE(size);
      const Bytes payload = random_payload(random, size);
      const Bytes key = random_payload(random, 4);
      const uint8_t no_change[4] = {};
      for (const uint8_t* mask : {key.data(), static_cast<const uint8_t*>(nullptr), no_change,
                                  rfc_key, static_cast<const uint8_t*>(nullptr)}) {
        const Bytes frame = encoded(opcode, payload, mask);
        CHECK(frame == drawn(opcode, payload, mask));
        CHECK(decodes_to(frame, payload));
      }
    }
  }
}

TEST_CASE("frame codec: masks of earlier frames do not stick") {
  std::mt19937_64 random(20240610);
  size_t wrong = 0;
  for (int round = 0; round < 5000; ++round) {
    const Opcode opcode = control_opcodes[random() % 3];
    const Bytes payload = random_payload(random, random() % (max_control_payload_bytes + 1));
    const Bytes key = random_payload(random, 4);
    const uint8_t* const mask = random() % 2 == 0 ? key.data() : nullptr;
    uint8_t out[max_control_frame_bytes];
    const size_t size = encode_control_frame(opcode, payload, mask, out);
    if (Bytes(out, out + size) != drawn(opcode, payload, mask)) ++wrong;
    // Decoded in another order than encoded, with another frame between.
    const Bytes other = drawn(Opcode::ping, key, mask == nullptr ? key.data() : nullptr);
    if (!decodes_to(other, key)) ++wrong;
    if (!decodes_to(Bytes(out, out + size), payload)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("frame codec: a damaged frame is refused, and the next one is read") {
  const Bytes payload = bytes_of("still here");
  for (const uint8_t* key : {rfc_key, static_cast<const uint8_t*>(nullptr)}) {
    const Bytes whole = drawn(Opcode::pong, payload, key);
    for (size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(decode_control_frame(std::span(whole).first(size)));
      CHECK(decodes_to(whole, payload));
    }
    const auto mask_bit = static_cast<uint8_t>(key != nullptr ? 0x80 : 0);
    for (const Bytes& start : {Bytes{0x09}, Bytes{0x08}, Bytes{0x0a}, Bytes{0x89, 126, 0, 126},
                               Bytes{0x88, 126, 0, 5}, Bytes{0x8a, 127, 0xff}}) {
      Bytes damaged = whole;
      std::copy(start.begin(), start.end(), damaged.begin());
      damaged[1] |= mask_bit;
      CHECK_FALSE(decode_control_frame(damaged));
      CHECK_FALSE(decode_control_frame(damaged));
      CHECK(decodes_to(whole, payload));
      CHECK(encoded(Opcode::pong, payload, key) == whole);
    }
  }
}

TEST_CASE("frame codec: threads keep to themselves") {
  const Bytes here = bytes_of("here");
  const auto decoded = decode_control_frame(drawn(Opcode::ping, here, rfc_key));
  REQUIRE(decoded);
  bool there_is_right = false;
  std::thread([&there_is_right] {
    const Bytes there = bytes_of("there");
    there_is_right = decodes_to(encoded(Opcode::ping, there, nullptr), there);
  }).join();
  CHECK(there_is_right);
  CHECK(std::equal(decoded->begin(), decoded->end(), here.begin(), here.end()));
}

}  // namespace
}  // namespace sluice
