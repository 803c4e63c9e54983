// Traffic: frames are built here from RFC 6455 section 5.2, not with the proxy's own code.
#include "tests/sim/traffic.h"

#include <algorithm>

namespace sluice::sim {

namespace {

// Far below any burst that a route allows, pongs for the other side's pings included.
constexpr int most_controls = 30;
// From here on long messages are the rule, not the exception.
constexpr size_t bulk_bytes = 500'000;

void append_number(std::string& out, uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(number >> (8 * i) & 0xff);
}

void append_payload(Random& random, std::string& out, std::string_view payload, bool masked) {
  if (!masked) {
    out += payload;
    return;
  }
  char key[4];
  random.fill(key, sizeof key);
  out.append(key, sizeof key);
  const size_t begin = out.size();
  out += payload;
  for (size_t i = 0; i < payload.size(); ++i) {
    out[begin + i] = static_cast<char>(out[begin + i] ^ key[i % 4]);
  }
}

}  // namespace

std::string frame_bytes(Random& random, uint8_t first, std::string_view payload, bool masked) {
  std::string out(1, static_cast<char>(first));
  const auto mask = static_cast<unsigned>(masked ? 0x80 : 0);
  if (payload.size() < 126) {
    append_number(out, mask | payload.size(), 1);
  } else if (payload.size() < 65536) {
    append_number(out, mask | 126, 1);
    append_number(out, payload.size(), 2);
  } else {
    append_number(out, mask | 127, 1);
    append_number(out, payload.size(), 8);
  }
  append_payload(random, out, payload, masked);
  return out;
}

std::string close_frame(Random& random, uint16_t code, std::string_view reason, bool masked) {
  std::string payload;
  if (code != 1005) {
    append_number(payload, code, 2);
    payload += reason;
  }
  return frame_bytes(random, 0x88, payload, masked);
}

void Traffic::messages(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (random_.chance(15)) control();
    message();
  }
}

void Traffic::message() {
  const bool is_text = random_.chance(50);
  const size_t size = message_size();
  const std::string payload = is_text ? text(size) : random_.bytes(size);
  auto first = static_cast<uint8_t>(is_text ? 1 : 2);
  if (rules_.deflate && random_.chance(50)) first |= 0x40;
  const size_t fragments = random_.chance(25) ? random_.between(2, 6) : 1;
  size_t at = 0;
  for (size_t i = 0; i < fragments; ++i) {
    const bool last = i + 1 == fragments;
    const size_t part = last ? payload.size() - at : random_.below(payload.size() - at + 1);
    const auto byte = static_cast<uint8_t>((i == 0 ? first : 0) | (last ? 0x80 : 0));
    const std::string_view piece = std::string_view(payload).substr(at, part);
    add_split(frame_bytes(random_, byte, piece, rules_.masked));
    at += part;
    if (!last && random_.chance(30)) control();
  }
}

void Traffic::control() {
  if (++controls_ > most_controls) return;
  const auto first = static_cast<uint8_t>(random_.chance(70) ? 0x89 : 0x8a);
  const size_t size = random_.chance(70) ? random_.below(20) : random_.below(126);
  add_split(frame_bytes(random_, first, random_.bytes(size), rules_.masked));
}

void Traffic::add(std::string bytes, bool ends_frame) {
  Piece piece;
  piece.bytes = std::move(bytes);
  piece.ends_frame = ends_frame;
  if (rules_.pause_ns > 0 && random_.chance(40)) piece.delay_ns = random_.below(rules_.pause_ns);
  piece.urgent = random_.below(400) == 0;
  out_.push_back(std::move(piece));
}

// Writes of a peer end anywhere.
void Traffic::add_split(std::string bytes) {
  while (bytes.size() > 1 && random_.chance(12)) {
    const size_t cut = random_.chance(50)
                           ? random_.between(1, std::min<size_t>(14, bytes.size() - 1))
                           : random_.between(1, bytes.size() - 1);
    add(bytes.substr(0, cut), false);
    bytes.erase(0, cut);
  }
  add(std::move(bytes));
}

std::string Traffic::text(size_t bytes) {
  static constexpr std::string_view characters[] = {"a",
                                                    "z",
                                                    "\x7f",
                                                    "\xc3\xa4",
                                                    "\xe2\x82\xac",
                                                    "\xf0\x9f\x98\x80",
                                                    "\xed\x9f\xbf",
                                                    "\xf4\x8f\xbf\xbf",
                                                    "\xc2\x80"};
  std::string out;
  out.reserve(bytes);
  if (random_.chance(60)) {
    const char letter = static_cast<char>('a' + random_.below(26));
    out.assign(bytes, letter);
    return out;
  }
  while (out.size() < bytes) {
    const std::string_view next = characters[random_.below(std::size(characters))];
    out += out.size() + next.size() <= bytes ? next : std::string_view("x");
  }
  return out;
}

size_t Traffic::message_size() {
  size_t size = 0;
  switch (random_.below(8)) {
    case 0:
      size = random_.pick<size_t>({0, 1, 124, 125, 126, 127});
      break;
    case 1:
      size = random_.below(rules_.largest_bytes + 1);
      break;
    case 2:
      size = rules_.largest_bytes > 65'537 ? random_.pick<size_t>({65'535, 65'536, 65'537}) : 200;
      break;
    default:
      size = random_.below(120);
  }
  if (rules_.largest_bytes >= bulk_bytes && random_.chance(50)) size = rules_.largest_bytes;
  size = std::min(size, std::max<size_t>(rules_.largest_bytes, 2));
  if (rules_.max_message_bytes > 0) size = std::min<size_t>(size, rules_.max_message_bytes);
  return size;
}

// --- wrong things
// -----------------------------------------------------------------------------------

std::string Traffic::header(uint8_t first, unsigned length_code, uint64_t length, bool masked) {
  std::string out(1, static_cast<char>(first));
  append_number(out, length_code | (masked ? 0x80u : 0u), 1);
  if (length_code == 126) append_number(out, length, 2);
  if (length_code == 127) append_number(out, length, 8);
  if (masked) out += random_.bytes(4);
  return out;
}

const char* Traffic::wrong() {
  const uint64_t row = random_.below(22);
  if (row < 10) return wrong_frame(row);
  if (row < 14) return wrong_close(row);
  return wrong_message(row);
}

const char* Traffic::wrong_frame(uint64_t row) {
  const bool masked = rules_.masked;
  const std::string small = random_.bytes(random_.below(20));
  switch (row) {
    case 0:
      add_split(
          frame_bytes(random_, random_.pick<uint8_t>({0x81, 0x82, 0x89, 0x88}), small, !masked));
      return "mask";
    case 1:
      add_split(
          frame_bytes(random_, random_.pick<uint8_t>({0xa1, 0x92, 0xb2, 0xa9}), small, masked));
      return "RSV2 or RSV3";
    case 2:
      add_split(
          frame_bytes(random_, random_.pick<uint8_t>({0xc1, 0xc9, 0xc8, 0xca}), small, masked));
      return "RSV1";
    case 3:
      add_split(frame_bytes(random_,
                            static_cast<uint8_t>(0x80 | random_.pick<unsigned>({3, 7, 11, 15})),
                            small, masked));
      return "reserved opcode";
    case 4:
      add_split(header(0x82, 126, random_.pick<uint64_t>({125, random_.below(126)}), masked) +
                small);
      return "16-bit length not minimal";
    case 5:
      add_split(header(0x82, 127, random_.pick<uint64_t>({65'535, random_.below(65'536)}), masked) +
                small);
      return "64-bit length not minimal";
    case 6:
      add_split(header(0x82, 127, random_.next() | uint64_t{1} << 63, masked) + small);
      return "top bit of the length";
    case 7:
      add_split(frame_bytes(random_, random_.pick<uint8_t>({0x88, 0x89, 0x8a}),
                            random_.bytes(random_.between(126, 300)), masked));
      return "long control frame";
    case 8:
      add_split(frame_bytes(random_, random_.pick<uint8_t>({0x08, 0x09, 0x0a}), small, masked));
      return "fragmented control frame";
    default:
      add_split(frame_bytes(random_, random_.pick<uint8_t>({0x80, 0x00}), small, masked));
      return "nothing to continue";
  }
}

const char* Traffic::wrong_close(uint64_t row) {
  std::string payload;
  const char* name = "Close code";
  if (row == 10) {
    payload = random_.bytes(1);
    name = "Close of one byte";
  } else if (row < 13) {
    const auto code =
        random_.pick<uint64_t>({random_.below(1000), 1004, 1005, 1006, 1015,
                                random_.between(1016, 2999), random_.between(5000, 65'535)});
    append_number(payload, code, 2);
    if (random_.chance(50)) payload += "why";
  } else {
    append_number(payload, 1000, 2);
    static constexpr std::string_view reasons[] = {"\xc3\x28", "cut \xe2\x82", "\xf0\x9f\x98",
                                                   "?\xff!"};
    payload += reasons[out_.size() % std::size(reasons)];  // without a draw
    name = "Close reason";
  }
  add_split(frame_bytes(random_, 0x88, payload, rules_.masked));
  return name;
}

const char* Traffic::wrong_message(uint64_t row) {
  const bool masked = rules_.masked;
  switch (row) {
    case 14:
      add_split(frame_bytes(random_, 0x01, text(random_.below(50)), masked));
      add_split(frame_bytes(random_, 0x81, text(5), masked));
      return "message inside a message";
    case 15:
    case 16: {
      std::string bad = text(random_.below(3'000));
      bad +=
          random_.pick<std::string_view>({"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf5"});
      if (random_.chance(50)) bad += text(random_.below(300));
      const size_t cut = random_.below(bad.size() + 1);
      add_split(frame_bytes(random_, 0x01, std::string_view(bad).substr(0, cut), masked));
      add_split(frame_bytes(random_, 0x80, std::string_view(bad).substr(cut), masked));
      return "text that is not UTF-8";
    }
    case 17: {
      const uint64_t limit = rules_.max_message_bytes > 0 ? rules_.max_message_bytes : 1'000;
      add_split(frame_bytes(random_, 0x02, random_.bytes(static_cast<size_t>(limit)), masked));
      add_split(frame_bytes(random_, 0x80, random_.bytes(random_.between(1, 500)), masked));
      return "message too big";
    }
    case 18:
      for (int i = 0; i < 130; ++i) add(frame_bytes(random_, 0x89, {}, masked));
      // More of the last one, without a draw, where the route allows more.
      for (uint32_t i = 100; i < rules_.control_burst; ++i) {
        std::string& bytes = out_.back().bytes;
        bytes += bytes.substr(0, masked ? 6 : 2);
      }
      return "ping flood";
    case 19: {
      std::string flood = frame_bytes(random_, 0x02, {}, masked);
      for (uint32_t i = 0; i < rules_.most_small_fragments + 76; ++i) {
        flood += frame_bytes(random_, 0x00, {}, masked);
      }
      add_split(flood + frame_bytes(random_, 0x80, "end", masked));
      return "fragment flood";
    }
    case 20:
      add_split(random_.bytes(random_.between(1, 3'000)));
      return "garbage";
    default:
      add_split(close_frame(random_, 1000, "", masked) +
                frame_bytes(random_, 0x82, "late", masked));
      return "data after Close";
  }
}

}  // namespace sluice::sim
