// frame-bench: nanoseconds a frame that the relay's scanner takes beside wslay's own decoding of
// the same bytes.
#include <sys/types.h>  // ssize_t, which wslay.h uses
#include <wslay/wslay.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "net/check.h"
#include "net/sys.h"
#include "protocol/frames.h"

namespace sluice {

namespace {

constexpr int rounds = 9;  // of which the median counts
constexpr size_t batch_bytes = 256 * 1024;

std::vector<uint8_t> batch_of(size_t payload_bytes, size_t& frames) {
  std::vector<uint8_t> bytes;
  for (frames = 0; bytes.size() + payload_bytes + 14 <= batch_bytes; ++frames) {
    bytes.push_back(0x82);
    if (payload_bytes < 126) {
      bytes.push_back(static_cast<uint8_t>(0x80 | payload_bytes));
    } else {
      bytes.push_back(0x80 | 126);
      bytes.push_back(static_cast<uint8_t>(payload_bytes >> 8));
      bytes.push_back(static_cast<uint8_t>(payload_bytes & 0xff));
    }
    bytes.insert(bytes.end(), {1, 2, 3, 4});
    bytes.insert(bytes.end(), payload_bytes, 'x');
  }
  return bytes;
}

// What wslay's callback reads from.
struct Source {
  const uint8_t* data;
  size_t left;
};

ssize_t read_source(uint8_t* out, size_t bytes, int, void* user_data) {
  auto* source = static_cast<Source*>(user_data);
  const size_t taken = std::min(bytes, source->left);
  if (taken == 0) return -1;
  std::memcpy(out, source->data, taken);
  source->data += taken;
  source->left -= taken;
  return static_cast<ssize_t>(taken);
}

void scan_all(const std::vector<uint8_t>& bytes) {
  FrameScanner scanner;
  FrameRules rules;
  rules.expect_masked = true;
  const FrameScanner::Scan seen = scanner.scan(bytes, rules, 0);
  SLUICE_CHECK(seen.accepted == bytes.size());
}

void decode_all(const std::vector<uint8_t>& bytes) {
  Source source{bytes.data(), bytes.size()};
  const wslay_frame_callbacks callbacks{nullptr, read_source, nullptr};
  wslay_frame_context_ptr context = nullptr;
  SLUICE_CHECK(wslay_frame_context_init(&context, &callbacks, &source) == 0);
  wslay_frame_iocb frame{};
  while (wslay_frame_recv(context, &frame) >= 0) {
  }
  SLUICE_CHECK(source.left == 0);
  wslay_frame_context_free(context);
}

template <class Work>
double median_ns(size_t frames, Work work) {
  std::vector<double> each;
  for (int round = 0; round < rounds; ++round) {
    constexpr int repeats = 20;
    const uint64_t begin = sys::monotonic_ns();
    for (int i = 0; i < repeats; ++i) work();
    each.push_back(static_cast<double>(sys::monotonic_ns() - begin) /
                   (repeats * static_cast<double>(frames)));
  }
  std::sort(each.begin(), each.end());
  return each[each.size() / 2];
}

}  // namespace

}  // namespace sluice

int main() {
  using namespace sluice;
  std::printf("%8s  %18s  %18s  %s\n", "payload", "scanner", "wslay", "ratio");
  for (const size_t payload_bytes : std::initializer_list<size_t>{0, 16, 125, 1024, 16384}) {
    size_t frames = 0;
    const std::vector<uint8_t> bytes = batch_of(payload_bytes, frames);
    const double scanner = median_ns(frames, [&bytes] { scan_all(bytes); });
    const double wslay = median_ns(frames, [&bytes] { decode_all(bytes); });
    std::printf("%6zu B  %9.2f ns/frame  %9.2f ns/frame  1 : %.0f\n", payload_bytes, scanner, wslay,
                wslay / scanner);
  }
  return 0;
}
