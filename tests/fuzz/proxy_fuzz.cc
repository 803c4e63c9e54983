// PROXY headers: how the bytes are cut makes no difference, what was decided stays decided, and
// nobody waits for ever.
#include <algorithm>
#include <vector>

#include "net/check.h"
#include "protocol/proxy_protocol.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Outcome = ProxyParse::Outcome;

bool same(const ProxyParse& a, const ProxyParse& b) {
  return a.outcome == b.outcome && a.header.bytes == b.header.bytes &&
         a.header.family == b.header.family && a.header.source.ip == b.header.source.ip &&
         a.header.source.port == b.header.source.port &&
         a.header.destination.ip == b.header.destination.ip &&
         a.header.destination.port == b.header.destination.port &&
         a.header.over_tls == b.header.over_tls;
}

void check(const ProxyParse& parsed, size_t size) {
  SLUICE_CHECK((parsed.outcome == Outcome::bad) == (*parsed.reason != '\0'));
  if (size >= most_proxy_header_bytes) SLUICE_CHECK(parsed.outcome != Outcome::more);
  if (parsed.outcome != Outcome::header) return;
  const ProxyHeader& header = parsed.header;
  SLUICE_CHECK(header.bytes >= 15 && header.bytes <= size);
  SLUICE_CHECK(header.bytes <= most_proxy_header_bytes);
  if (header.family != ProxyHeader::Family::ip4) return;
  SLUICE_CHECK(std::all_of(header.source.ip.begin() + 4, header.source.ip.end(),
                           [](uint8_t byte) { return byte == 0; }));
}

void run(Input input) {
  Cut cut(input.byte());
  const std::span<const uint8_t> bytes = input.rest();
  const ProxyParse whole = parse_proxy_header(bytes);
  check(whole, bytes.size());
  for (size_t size = 0;; size += cut.next(bytes.size() - size)) {
    // The sanitizer sees a read behind the end of what has come.
    const std::vector<uint8_t> come(bytes.begin(),
                                    bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const ProxyParse part = parse_proxy_header(come);
    check(part, size);
    if (part.outcome != Outcome::more) {
      SLUICE_CHECK(same(part, whole));
      return;
    }
    if (size == bytes.size()) break;
  }
  SLUICE_CHECK(whole.outcome == Outcome::more);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
