// FrameScanner over arbitrary bytes: its verdict and its boundaries are wslay's and the RFC's, and
// how the bytes are split changes nothing.
//   byte 0  rules: 1 masked, 2 deflate, 4 UTF-8, 8 and 16 a message limit (10, 300, 70000 bytes),
//           32 low limits of control frames and small fragments, 64 none
//   byte 1  how the bytes are cut
#include <vector>

#include "net/check.h"
#include "tests/fuzz/frame_oracle.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Verdict = FrameScanner::Verdict;

FrameRules rules_of(uint8_t choice) {
  static constexpr uint64_t limits[] = {0, 10, 300, 70'000};
  FrameRules rules;
  rules.expect_masked = (choice & 1) != 0;
  rules.deflate = (choice & 2) != 0;
  rules.validate_utf8 = (choice & 4) != 0;
  rules.max_message_bytes = limits[choice / 8 % 4];
  if ((choice & 32) != 0) {
    rules.max_small_fragments = 2;
    rules.control_frames = {1, 3};
  }
  if ((choice & 64) != 0) {
    rules.max_small_fragments = 0;
    rules.control_frames = {};
  }
  return rules;
}

// Offers the bytes as a Direction does: what was not accepted is offered again with more behind it,
// and a scanner that is at rest makes room for a new one.
FrameOpinion scan_in_pieces(std::span<const uint8_t> bytes, const FrameRules& rules, uint8_t kind) {
  FrameScanner scanner;
  FrameOpinion seen;
  Cut cut(kind);
  size_t offered = 0;
  while (offered < bytes.size() && seen.verdict == Verdict::good) {
    offered += cut.next(bytes.size() - offered);
    const auto piece = bytes.subspan(seen.accepted, offered - seen.accepted);
    // A copy of exactly that size: reading behind it is seen by ASan.
    const std::vector<uint8_t> exact(piece.begin(), piece.end());
    const FrameScanner::Scan scan = scanner.scan(exact, rules, 5'000);
    SLUICE_CHECK(scan.accepted <= piece.size());
    if (scan.changed_at > 0) {
      seen.changed_at = seen.accepted + scan.changed_at;
      seen.changed_to = scan.changed_to;
    }
    seen.accepted += scan.accepted;
    seen.verdict = scan.verdict;
    const size_t kept = piece.size() - scan.accepted;
    SLUICE_CHECK(seen.verdict != Verdict::good || kept < max_control_frame_bytes);
    SLUICE_CHECK(scanner.at_boundary() == (scanner.into_frame() == 0));
    if (scanner.at_rest()) {
      const FrameScanner::Lasting rest = scanner.lasting();
      scanner = FrameScanner(rest);
    }
  }
  if (seen.verdict != Verdict::good) {
    const uint8_t more[] = {0x81, 0};
    const FrameScanner::Scan again = scanner.scan(more, rules, 5'000);
    SLUICE_CHECK(again.accepted == 0 && again.verdict == seen.verdict && again.changed_at == 0);
  }
  seen.code = static_cast<uint16_t>(scanner.code());
  seen.peer_close_code = scanner.peer_close_code();
  seen.messages = scanner.messages();
  seen.payload_left = scanner.payload_left();
  seen.into_frame = scanner.into_frame();
  return seen;
}

void compare(const FrameOpinion& seen, const FrameOpinion& wanted) {
  SLUICE_CHECK(seen.verdict == wanted.verdict);
  SLUICE_CHECK(seen.accepted == wanted.accepted);
  SLUICE_CHECK(seen.code == wanted.code);
  SLUICE_CHECK(seen.peer_close_code == wanted.peer_close_code);
  SLUICE_CHECK(seen.changed_at == wanted.changed_at && seen.changed_to == wanted.changed_to);
  if (seen.verdict == Verdict::bad) return;  // the place inside the bad frame is nobody's business
  SLUICE_CHECK(seen.messages == wanted.messages);
  SLUICE_CHECK(seen.payload_left == wanted.payload_left);
  SLUICE_CHECK(seen.into_frame == wanted.into_frame);
}

void run(Input input) {
  const FrameRules rules = rules_of(input.byte());
  const uint8_t own_split = input.byte();
  const std::span<const uint8_t> bytes = input.rest();
  const FrameOpinion wanted = opinion_on(bytes, rules);
  for (size_t i = 0; i < splits; ++i) {
    compare(scan_in_pieces(bytes, rules, split_kind(i, own_split)), wanted);
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
