// BodyScanner: a machine of one byte a step between payloads, which it steps over.
#include "protocol/body.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "net/check.h"
#include "protocol/ascii.h"

namespace sluice {

namespace {

constexpr unsigned most_digits = 16;

// RFC 9110 6.5.1: what a recipient that merges trailers into the head must not get from there.
// clang-format off
constexpr std::array<std::string_view, 25> no_trailers{
    // where it ends, and what becomes of the connection
    "transfer-encoding", "content-length", "connection", "keep-alive", "proxy-connection",
    "te", "trailer", "upgrade", "expect",
    // where it goes, and who sends it
    "host", "authorization", "proxy-authorization", "cookie", "set-cookie", "location",
    "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-real-ip",
    // what the payload is
    "content-type", "content-encoding", "content-range", "cache-control"};
// clang-format on
static_assert(no_trailers.size() < 32);

bool is_token_byte(uint8_t byte) {  // RFC 9110 5.6.2
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z') ||
         marks.find(static_cast<char>(byte)) != std::string_view::npos;
}

bool is_text_byte(uint8_t byte) {
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

int hex_value(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

}  // namespace

BodyScanner::BodyScanner(BodyFraming framing, uint64_t length, const BodyLimits& limits)
    : limits_(limits), framing_(framing), state_(State::complete) {
  switch (framing) {
    case BodyFraming::none:
      return;
    case BodyFraming::length:
      left_ = length;
      if (left_ > 0) state_ = State::payload;
      if (left_ > limits.payload_bytes) fail(413, "body too large");
      return;
    case BodyFraming::chunked:
      state_ = State::size_begin;
      return;
    case BodyFraming::until_close:
      left_ = limits.payload_bytes;
      state_ = State::payload;
      return;
  }
}

BodyScanner::Verdict BodyScanner::verdict() const {
  if (state_ == State::bad) return Verdict::bad;
  return state_ == State::complete ? Verdict::complete : Verdict::more;
}

BodyScanner::Scan BodyScanner::scan(std::span<const uint8_t> bytes) {
  Scan seen{0, verdict()};
  while (seen.verdict == Verdict::more && seen.accepted < bytes.size()) {
    const Piece piece = next(bytes.subspan(seen.accepted));
    seen.accepted += piece.bytes;
    seen.verdict = piece.verdict;
  }
  return seen;
}

BodyScanner::Piece BodyScanner::next(std::span<const uint8_t> bytes) {
  if (state_ == State::payload && !bytes.empty()) return take_payload(bytes.size());
  size_t accepted = 0;
  while (accepted < bytes.size() && verdict() == Verdict::more && state_ != State::payload) {
    take(bytes[accepted]);
    if (state_ == State::bad) break;
    ++accepted;
  }
  return {accepted, false, verdict()};
}

// Only a body that its sender's stream ends can have reached its limit and go on.
BodyScanner::Piece BodyScanner::take_payload(size_t bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(bytes, left_));
  if (taken == 0) {
    fail(413, "body too large");
  } else {
    step_over(taken);
  }
  return {taken, true, verdict()};
}

void BodyScanner::step_over(uint64_t payload_bytes) {
  SLUICE_CHECK(payload_bytes <= unseen_left());
  payload_ += payload_bytes;
  left_ -= payload_bytes;
  framing_bytes_ = 0;
  if (left_ > 0 || framing_ == BodyFraming::until_close) return;
  state_ = framing_ == BodyFraming::length ? State::complete : State::payload_cr;
}

void BodyScanner::take(uint8_t byte) {
  if (++framing_bytes_ > limits_.framing_bytes) {
    return fail(431, "chunk extensions or trailers too large");
  }
  switch (state_) {
    case State::size_begin:
    case State::size:
      return take_size(byte);
    case State::size_lf:
      if (byte != '\n') return fail(400, "chunk line does not end in CRLF");
      return end_chunk_line();
    case State::payload_cr:
      return expect(byte, '\r', State::payload_lf);
    case State::payload_lf:
      return expect(byte, '\n', State::size_begin);
    case State::trailer_lf:
      return expect(byte, '\n', State::trailer_begin);
    case State::last_lf:
      return expect(byte, '\n', State::complete);
    case State::trailer_begin:
    case State::trailer_name:
    case State::trailer_value:
      return take_trailer(byte);
    default:
      return take_extension(byte);
  }
}

void BodyScanner::take_size(uint8_t byte) {
  const int digit = hex_value(byte);
  if (digit < 0) {
    if (state_ == State::size_begin || !end_of_part(byte)) fail(400, "malformed chunk size");
    return;
  }
  if (state_ == State::size_begin) {
    state_ = State::size;
    left_ = digits_ = 0;
  }
  // Others count in signed numbers, or digits.
  if (++digits_ > most_digits || left_ > (UINT64_MAX >> 5))
    return fail(400, "chunk size too large");
  left_ = left_ * 16 + static_cast<unsigned>(digit);
}

// The bytes that end a chunk's size and each extension.
bool BodyScanner::end_of_part(uint8_t byte) {
  if (byte != ';' && byte != '\r') return false;
  state_ = byte == ';' ? State::extension : State::size_lf;
  return true;
}

void BodyScanner::take_extension(uint8_t byte) {
  bool good = false;
  switch (state_) {
    case State::extension:
    case State::extension_value:
      good = is_token_byte(byte);
      if (good) {
        state_ = state_ == State::extension ? State::extension_name : State::extension_token;
      } else if (state_ == State::extension_value && byte == '"') {
        good = true;
        state_ = State::quoted;
      }
      break;
    case State::extension_name:
      good = is_token_byte(byte) || byte == '=' || end_of_part(byte);
      if (byte == '=') state_ = State::extension_value;
      break;
    case State::extension_token:
      good = is_token_byte(byte) || end_of_part(byte);
      break;
    case State::quoted:
      good = is_text_byte(byte);
      if (byte == '"') state_ = State::quoted_end;
      if (byte == '\\') state_ = State::escaped;
      break;
    case State::escaped:
      good = is_text_byte(byte);
      state_ = State::quoted;
      break;
    default:  // quoted_end
      good = end_of_part(byte);
  }
  if (!good) fail(400, "malformed chunk extension");
}

void BodyScanner::end_chunk_line() {
  if (left_ == 0) {
    state_ = State::trailer_begin;
  } else if (left_ > limits_.payload_bytes - payload_) {
    fail(413, "body too large");
  } else {
    state_ = State::payload;
  }
}

void BodyScanner::take_trailer(uint8_t byte) {
  switch (state_) {
    case State::trailer_begin:
      if (byte == '\r') {
        state_ = State::last_lf;
        return;
      }
      names_ = (uint32_t{1} << no_trailers.size()) - 1;
      name_at_ = 0;
      if (!is_token_byte(byte)) return fail(400, "malformed trailer");
      state_ = State::trailer_name;
      return take_trailer_name(byte);
    case State::trailer_name:
      return take_trailer_name(byte);
    default:  // trailer_value
      if (byte == '\r') {
        state_ = State::trailer_lf;
      } else if (!is_text_byte(byte)) {
        fail(400, "malformed trailer");
      }
  }
}

void BodyScanner::take_trailer_name(uint8_t byte) {
  for (size_t i = 0; i < no_trailers.size(); ++i) {
    const std::string_view name = no_trailers[i];
    if ((names_ >> i & 1) == 0) continue;
    if (byte == ':' && name.size() == name_at_)
      return fail(400, "a trailer that belongs in a head");
    if (name_at_ >= name.size() || name[name_at_] != lower_case(static_cast<char>(byte))) {
      names_ &= ~(uint32_t{1} << i);
    }
  }
  if (byte == ':') {
    state_ = State::trailer_value;
  } else if (!is_token_byte(byte)) {
    fail(400, "malformed trailer");
  }
  if (name_at_ < UINT8_MAX) ++name_at_;
}

void BodyScanner::expect(uint8_t byte, uint8_t wanted, State next) {
  if (byte != wanted) return fail(400, "malformed end of a chunk, a trailer or the body");
  state_ = next;
}

void BodyScanner::fail(int status, const char* reason) {
  state_ = State::bad;
  status_ = static_cast<uint16_t>(status);
  reason_ = reason;
}

}  // namespace sluice
