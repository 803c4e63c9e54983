// What records of TLS cost without an SSL object: no allocation, once the thread has its contexts.
// And where memory is short, the leg is lost, and nothing else.
#include "tls/records.h"

#include <cstdio>
#include <string>
#include <utility>

#include "tests/alloc/failing_malloc.h"
#include "tests/unit/tls_records_forge.h"

namespace sluice::alloc {

namespace {

int claim(bool holds, const std::string& what) {
  if (!holds) std::printf("FAILED: %s\n", what.c_str());
  return holds ? 0 : 1;
}

struct Flavour {
  const char* name;
  TlsCipher cipher;
};
constexpr Flavour flavours[] = {
    {"TLS 1.3 AES-128-GCM", {true, TlsSuite::aes128_gcm, 32}},
    {"TLS 1.3 AES-256-GCM", {true, TlsSuite::aes256_gcm, 48}},
    {"TLS 1.3 ChaCha20-Poly1305", {true, TlsSuite::chacha20_poly1305, 32}},
    {"TLS 1.2 AES-128-GCM", {false, TlsSuite::aes128_gcm, 32}},
    {"TLS 1.2 AES-256-GCM", {false, TlsSuite::aes256_gcm, 48}},
    {"TLS 1.2 ChaCha20-Poly1305", {false, TlsSuite::chacha20_poly1305, 32}},
};

TlsLegKeys keys_of(const Flavour& flavour, bool server) {
  TlsLegKeys keys{flavour.cipher, server, {}, {}};
  const auto filled = [](char with) {
    return testing::keys_from(std::string(48, with), std::string(32, with), std::string(12, with));
  };
  keys.out = filled(server ? 's' : 'c');
  keys.in = filled(server ? 'c' : 's');
  return keys;
}

// Both ends of a leg, in memory that was there before.
struct Leg {
  explicit Leg(const Flavour& flavour)
      : server(keys_of(flavour, true)), client(keys_of(flavour, false)) {}

  // So many bytes from the server, which the client takes.
  bool carry(size_t bytes) {
    TlsRecords::Output output{wire, 0};
    const iovec piece{plaintext, bytes};
    return server.seal({{&piece, 1}, 0, bytes}, output) && taken(output.bytes);
  }
  bool carry_update() {
    TlsRecords::Output output{wire, 0};
    server.update_key(output, true);
    return output.bytes > 0 && taken(output.bytes);
  }
  bool taken(size_t bytes) {
    TlsRecords::Output answers{answered, 0};
    const TlsRecords::Taken took = client.take({wire, bytes}, answers);
    return took.kind != TlsRecords::Kind::failed && took.bytes == bytes;
  }

  TlsRecords server, client;
  static inline uint8_t plaintext[most_tls_plaintext_bytes];
  static inline uint8_t wire[most_tls_plaintext_bytes + TlsRecords::most_seal_overhead_bytes];
  static inline uint8_t answered[TlsRecords::most_answer_bytes];
};

int measure(const Flavour& flavour) {
  constexpr int records = 1'000;
  Leg leg(flavour);
  bool good = leg.carry(1);
  const int64_t before = failing_malloc::counted();
  for (int i = 0; i < records; ++i) good = good && leg.carry(125) && leg.carry(16'384);
  const int64_t allocated = failing_malloc::counted() - before;
  std::printf("records: %d of 125 and of 16384 bytes in %s: %lld allocations\n", records,
              flavour.name, static_cast<long long>(allocated));
  return claim(good, "all records are taken") + claim(allocated == 0, "no allocation");
}

// The n-th allocation fails, for n = 1, 2, 3, ...: of a thread's contexts, or of a change of keys.
// The leg is whole, or it is lost, and the next one is whole again.
int starve(const Flavour& flavour, int& failures) {
  int failed = 0;
  for (int n = 1; n < 50; ++n) {
    Leg leg(flavour);
    failing_malloc::arm(n);
    const bool good =
        leg.carry(10) && (!flavour.cipher.tls13 || leg.carry_update()) && leg.carry(10);
    const bool happened = failing_malloc::happened();
    failing_malloc::arm(0);
    const bool lost = leg.server.failure() != TlsRecords::Failure::none ||
                      leg.client.failure() != TlsRecords::Failure::none;
    failed += claim(good != lost, "a leg that is not whole is lost");
    failed += claim(Leg(flavour).carry(10), "the next leg is not touched");
    if (!happened) return failed + claim(good, "without a failure it is whole");
    ++failures;
  }
  return failed + claim(false, "it ends");
}

int run() {
  failing_malloc::count_this_thread();
  int failed = 0;
  // glibc ends a process that has no memory to note what a thread destroys at its end, which is
  // why prepare_tls comes first; the other suites' contexts are left for the failures.
  Leg(flavours[0]).carry(1);
  int failures = 0;
  for (const Flavour& flavour : flavours) failed += starve(flavour, failures);
  std::printf("records: %d allocations failed once each\n", failures);
  failed += claim(failures > 20, "there are allocations to fail");
  for (const Flavour& flavour : flavours) failed += measure(flavour);
  std::printf("%d failed\n", failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace sluice::alloc

int main() {
  return sluice::alloc::run();
}
