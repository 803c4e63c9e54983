// What a Close carries: the input is a payload. Codec and scanner must agree with the RFC's words
// about it, masked or not; the UTF-8 validator with plain code, however the text is split.
//   byte 0  how the text is cut; bytes 1 to 4 the mask key; the payload follows
#include <algorithm>
#include <vector>

#include "net/check.h"
#include "protocol/close_code.h"
#include "protocol/frame_codec.h"
#include "protocol/utf8.h"
#include "tests/fuzz/frame_oracle.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Verdict = FrameScanner::Verdict;

void check_text(std::span<const uint8_t> text, const uint8_t* key, uint8_t kind) {
  bool complete = false;
  const size_t good = utf8_prefix(text, complete);
  SLUICE_CHECK((utf8_whole_bytes(text) == text.size()) == (good == text.size() && complete));
  SLUICE_CHECK(utf8_whole_bytes(text) == whole_characters(text));
  std::vector<uint8_t> masked(text.begin(), text.end());
  for (size_t i = 0; i < masked.size(); ++i) masked[i] ^= key[i % 4];
  for (const bool with_mask : {false, true}) {
    Utf8Validator validator;
    Cut cut(kind);
    size_t at = 0;
    bool bad = false;
    while (at < text.size() && !bad) {
      const size_t size = cut.next(text.size() - at);
      // At changing alignments, because whole words are read.
      std::vector<uint8_t> copy(at % 8 + size);
      const auto piece = std::span(copy).subspan(at % 8);
      const auto from = std::span(with_mask ? std::span<const uint8_t>(masked) : text);
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), size, piece.begin());
      const size_t valid =
          with_mask ? validator.feed_masked(piece, key, at) : validator.feed(piece);
      SLUICE_CHECK(valid <= size);
      bad = valid < size;
      at += valid;
    }
    SLUICE_CHECK(at == good);
    if (!bad) SLUICE_CHECK(validator.complete() == complete);
  }
}

// What passes is a legal Close once it is changed as the scanner says.
void check_judgement(std::span<const uint8_t> frame, const FrameRules& rules) {
  const FrameOpinion wanted = opinion_on(frame, rules);
  FrameScanner scanner;
  const FrameScanner::Scan scan = scanner.scan(frame, rules, 0);
  SLUICE_CHECK(scan.verdict == wanted.verdict && scan.accepted == wanted.accepted);
  SLUICE_CHECK(scanner.peer_close_code() == wanted.peer_close_code);
  SLUICE_CHECK(static_cast<uint16_t>(scanner.code()) == wanted.code);
  SLUICE_CHECK(scan.verdict != Verdict::good);
  if (scan.verdict == Verdict::bad) return;
  std::vector<uint8_t> travels(frame.begin(),
                               frame.begin() + static_cast<ptrdiff_t>(scan.accepted));
  if (scan.changed_at > 0) travels[scan.changed_at] = scan.changed_to;
  FrameRules strict = rules;
  strict.validate_utf8 = true;
  const FrameOpinion passed = opinion_on(travels, strict);
  SLUICE_CHECK(passed.verdict == Verdict::closed && passed.accepted == travels.size());
  SLUICE_CHECK(passed.peer_close_code == wanted.peer_close_code);
}

void check_frame(std::span<const uint8_t> payload, const uint8_t* key) {
  for (const uint8_t* mask : {static_cast<const uint8_t*>(nullptr), key}) {
    uint8_t frame[max_control_frame_bytes];
    const size_t size = encode_control_frame(Opcode::close, payload, mask, frame);
    SLUICE_CHECK(size == payload.size() + (mask != nullptr ? 6 : 2));
    const auto decoded = decode_control_frame({frame, size});
    SLUICE_CHECK(decoded &&
                 std::equal(decoded->begin(), decoded->end(), payload.begin(), payload.end()));
    SLUICE_CHECK(!decode_control_frame({frame, size - 1}));
    for (const bool validate : {true, false}) {
      FrameRules rules;
      rules.expect_masked = mask != nullptr;
      rules.validate_utf8 = validate;
      check_judgement({frame, size}, rules);
    }
  }
}

void check_code(uint16_t code, std::string_view reason, const uint8_t* key) {
  SLUICE_CHECK(close_code_allowed_on_wire(code) == close_code_permitted(code));
  uint8_t frame[max_control_frame_bytes];
  const size_t size = encode_close(static_cast<CloseCode>(code), reason, key, frame);
  FrameRules rules;
  rules.expect_masked = true;
  const bool good = close_code_permitted(code) || code == 1005;
  const FrameOpinion seen = opinion_on({frame, size}, rules);
  SLUICE_CHECK((seen.verdict == Verdict::closed) == good);
  if (good) SLUICE_CHECK(seen.peer_close_code == code);
}

void run(Input input) {
  const uint8_t kind = input.byte();
  const uint8_t key[4] = {input.byte(), input.byte(), input.byte(), input.byte()};
  const std::span<const uint8_t> payload = input.rest();
  check_frame(payload.first(std::min(payload.size(), max_control_payload_bytes)), key);
  check_text(payload, key, kind);
  if (payload.size() < 2) return;
  const auto code = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
  check_code(code, {}, key);
  // A reason of ours goes out as it is: only text comes here (control_arguments, control_messages).
  const auto reason = payload.subspan(2, std::min(payload.size() - 2, max_close_reason_bytes));
  check_code(code, {reinterpret_cast<const char*>(reason.data()), utf8_whole_bytes(reason)}, key);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
