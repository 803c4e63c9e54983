// Single records and their keys: the trace of RFC 8448, nonces, what is refused, what is wiped.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/nonce_ledger.h"
#include "tests/unit/tls_records_testing.h"
#include "tls/record_keys.h"

namespace sluice {
namespace {

using testing::flavours;
using testing::Forger;
using testing::from_hex;
using testing::OwnKeys;
using testing::random_bytes;
using testing::span_of;
using testing::text_of;

std::string seal(const TlsCipher& cipher, TlsRecordKeys& keys, TlsContent type,
                 std::string_view text) {
  std::string out(text.size() + most_tls_overhead_bytes, '\0');
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  out.resize(seal_record(cipher, keys, type, {{&piece, 1}, 0, text.size()}, span_of(out).data()));
  return out;
}

std::string fifty_bytes() {
  std::string text;
  for (char i = 0; i < 50; ++i) text += i;
  return text;
}

// RFC 8448 section 3, "{client}" and "{server}" derive traffic keys for application data.
struct Trace {
  const char* secret;
  const char* key;
  const char* iv;
  uint64_t first;  // number of the record with data
  const char* data;
  const char* close;
};
constexpr Trace traces[] = {
    {"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
     "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 0,
     "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441"
     "e"
     "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
     "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"},
    {"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
     "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 1,
     "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a5"
     "9"
     "a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d",
     "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"},
};

TEST_CASE("tls record keys: the trace of RFC 8448 section 3") {
  const TlsCipher cipher;
  for (const Trace& trace : traces) {
    for (const bool sealing : {true, false}) {
      TlsRecordKeys keys = testing::keys_from(from_hex(trace.secret), "", "");
      REQUIRE(keys.derive(cipher));
      CHECK(std::string(reinterpret_cast<char*>(keys.key), 16) == from_hex(trace.key));
      CHECK(std::string(reinterpret_cast<char*>(keys.iv), 12) == from_hex(trace.iv));
      keys.sequence = trace.first;
      if (sealing) {
        CHECK(seal(cipher, keys, TlsContent::application_data, fifty_bytes()) ==
              from_hex(trace.data));
        CHECK(seal(cipher, keys, TlsContent::alert, std::string("\x01\x00", 2)) ==
              from_hex(trace.close));
        continue;
      }
      std::string data = from_hex(trace.data);
      const OpenedRecord opened = open_record(cipher, keys, span_of(data));
      REQUIRE(opened.ok);
      CHECK(opened.type == TlsContent::application_data);
      CHECK(text_of(opened.content) == fifty_bytes());
      std::string close = from_hex(trace.close);
      const OpenedRecord alert = open_record(cipher, keys, span_of(close));
      REQUIRE(alert.ok);
      CHECK(alert.type == TlsContent::alert);
      CHECK(text_of(alert.content) == std::string("\x01\x00", 2));
    }
  }
}

// Sealed by the second implementation, opened here, and back byte for byte.
TEST_CASE("tls record keys: a second implementation seals the same bytes") {
  for (const testing::Flavour& flavour : flavours) {
    CAPTURE(flavour.name);
    OwnKeys own(flavour);
    own.client.sequence = 0x0102030405060708;  // each of its bytes is somewhere
    TlsLegKeys keys = own.of(false);
    if (flavour.cipher().explicit_nonce()) {
      // Where it starts is a choice; the forger's is the number itself.
      std::memset(keys.out.iv + 4, 0, 8);
    }
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{300}, most_tls_plaintext_bytes}) {
      const std::string text = random_bytes(bytes);
      const std::string forged = own.client.record(23, text);
      CHECK(seal(flavour.cipher(), keys.out, TlsContent::application_data, text) == forged);
    }
  }
}

TEST_CASE("tls record keys: an explicit nonce goes on from where it stood, by one a record") {
  const TlsCipher cipher{false, TlsSuite::aes128_gcm, 32};
  TlsRecordKeys keys =
      testing::keys_from("", random_bytes(16), random_bytes(4) + from_hex("fffffffffffffffe"), 0);
  std::vector<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    seen.push_back(seal(cipher, keys, TlsContent::application_data, "x").substr(5, 8));
  }
  CHECK(seen == std::vector<std::string>{from_hex("fffffffffffffffe"), from_hex("ffffffffffffffff"),
                                         from_hex("0000000000000000")});
}

TEST_CASE("tls record keys: numbers go up, and the last one is not used") {
  const testing::Flavour& flavour = flavours[0];
  TlsLegKeys keys = OwnKeys(flavour).of(true);
  seal(flavour.cipher(), keys.out, TlsContent::application_data, "x");
  CHECK(keys.out.sequence == 1);
  keys.out.sequence = UINT64_MAX;  // there is none behind it
  CHECK(seal(flavour.cipher(), keys.out, TlsContent::application_data, "x") == "");
  CHECK(keys.out.sequence == UINT64_MAX);
  std::string raw = OwnKeys(flavour).client.record(23, "x");
  keys.in.sequence = UINT64_MAX;
  const OpenedRecord opened = open_record(flavour.cipher(), keys.in, span_of(raw));
  CHECK(!opened.ok);
  CHECK(opened.alert == TlsAlert::internal_error);
}

TEST_CASE("tls record keys: every flipped bit is found, and nothing of the plaintext stays") {
  for (const testing::Flavour& flavour : flavours) {
    OwnKeys own(flavour);
    const std::string text(40, 'p');
    const std::string good = own.client.record(23, text);
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      if (bit / 8 < 5) continue;  // the header is not looked at here, but authenticated: below
      std::string raw = good;
      raw[bit / 8] = static_cast<char>(raw[bit / 8] ^ 1 << bit % 8);
      TlsRecordKeys keys = own.of(true).in;
      keys.sequence = 0;
      const OpenedRecord opened = open_record(flavour.cipher(), keys, span_of(raw));
      REQUIRE(!opened.ok);
      CHECK(opened.alert == TlsAlert::bad_record_mac);
      CHECK(keys.sequence == 0);
      const size_t begin = flavour.cipher().explicit_nonce() ? 13 : 5;
      CHECK(raw.substr(begin, raw.size() - begin - 16).find_first_not_of('\0') == raw.npos);
    }
    std::string version = good;
    version[2] = 1;
    TlsRecordKeys keys = own.of(true).in;
    keys.sequence = 0;
    CHECK(!open_record(flavour.cipher(), keys, span_of(version)).ok);
  }
}

TEST_CASE("tls record keys: what is too short for a tag, or too long, is refused") {
  for (const testing::Flavour& flavour : flavours) {
    CAPTURE(flavour.name);
    const size_t least = 5 + 16 + (flavour.cipher().explicit_nonce() ? 8 : 0);
    for (size_t bytes = 5; bytes < least; ++bytes) {
      std::string raw(bytes, '\x17');
      TlsRecordKeys keys = OwnKeys(flavour).of(true).in;
      CHECK(open_record(flavour.cipher(), keys, span_of(raw)).alert == TlsAlert::bad_record_mac);
    }
    for (const size_t over : {size_t{0}, size_t{1}}) {
      OwnKeys own(flavour);
      TlsRecordKeys keys = own.of(true).in;
      std::string raw = own.client.record(23, std::string(most_tls_plaintext_bytes + over, 'x'));
      const OpenedRecord opened = open_record(flavour.cipher(), keys, span_of(raw));
      CHECK(opened.ok == (over == 0));
      if (over > 0) CHECK(opened.alert == TlsAlert::record_overflow);
    }
  }
}

TEST_CASE("tls record keys: padding is dropped, and a record of nothing else refused") {
  const testing::Flavour& flavour = flavours[0];
  for (const size_t padding : {size_t{0}, size_t{1}, size_t{255}, size_t{16'300}}) {
    OwnKeys own(flavour);
    TlsRecordKeys keys = own.of(true).in;
    std::string raw = own.client.record(22, "content", padding);
    const OpenedRecord opened = open_record(flavour.cipher(), keys, span_of(raw));
    REQUIRE(opened.ok);
    CHECK(text_of(opened.content) == "content");
    CHECK(opened.type == TlsContent::handshake);
  }
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}}) {
    OwnKeys own(flavour);
    TlsRecordKeys keys = own.of(true).in;
    std::string raw = own.client.inner(std::string(bytes, '\0'));
    CHECK(open_record(flavour.cipher(), keys, span_of(raw)).alert == TlsAlert::unexpected_message);
  }
  // Padding counts as content for the limit (RFC 8446 5.4).
  OwnKeys own(flavour);
  TlsRecordKeys keys = own.of(true).in;
  std::string raw = own.client.record(23, std::string(16'000, 'x'), 385);
  CHECK(open_record(flavour.cipher(), keys, span_of(raw)).alert == TlsAlert::record_overflow);
}

bool all_zero(const unsigned char* bytes, size_t count) {
  return std::all_of(bytes, bytes + count, [](unsigned char each) { return each == 0; });
}

TEST_CASE("tls record keys: what is moved from, and what is destroyed, is wiped") {
  TlsRecordKeys first = testing::keys_from(random_bytes(48), random_bytes(32), random_bytes(12), 7);
  const std::string secret(reinterpret_cast<char*>(first.secret), 48);
  TlsRecordKeys second = std::move(first);
  CHECK(std::string(reinterpret_cast<char*>(second.secret), 48) == secret);
  CHECK(second.sequence == 7);
  // NOLINTBEGIN(bugprone-use-after-move): that is the point
  CHECK(all_zero(first.secret, sizeof first.secret));
  CHECK(all_zero(first.key, sizeof first.key));
  CHECK(all_zero(first.iv, sizeof first.iv));
  CHECK(seal(flavours[0].cipher(), first, TlsContent::application_data, "x") == "");
  // NOLINTEND(bugprone-use-after-move)
  alignas(TlsRecordKeys) unsigned char place[sizeof(TlsRecordKeys)];
  auto* const third = new (place) TlsRecordKeys(std::move(second));
  CHECK(!all_zero(place, 92));
  third->~TlsRecordKeys();
  CHECK(all_zero(place, 92));
  static_assert(!std::is_copy_constructible_v<TlsRecordKeys>);
  static_assert(!std::is_copy_assignable_v<TlsRecordKeys>);
}

TEST_CASE("tls record keys: the next generation is another one, and starts with record 0") {
  for (const testing::Flavour& flavour : flavours) {
    if (!flavour.tls13) continue;
    TlsRecordKeys keys = OwnKeys(flavour).of(true).out;
    keys.sequence = 5;
    const std::string before(reinterpret_cast<char*>(&keys), sizeof keys);
    REQUIRE(keys.next_generation(flavour.cipher()));
    const std::string after(reinterpret_cast<char*>(&keys), sizeof keys);
    CHECK(keys.sequence == 0);
    CHECK(before.substr(0, 32) != after.substr(0, 32));
    CHECK(before.substr(48, 16) != after.substr(48, 16));
    CHECK(before.substr(80, 12) != after.substr(80, 12));
  }
}

TEST_CASE("nonce ledger: a second use is seen, other keys and other nonces are not it") {
  testing::NonceLedger ledger;
  const uint8_t a[] = {1, 2}, b[] = {1, 3};
  CHECK(ledger.note(a, b));
  CHECK(ledger.note(b, a));
  CHECK(ledger.note(a, a));
  CHECK(!ledger.note(a, b));
  TlsRecordKeys keys = OwnKeys(flavours[0]).of(true).out;
  seal(flavours[0].cipher(), keys, TlsContent::application_data, "x");
  seal(flavours[0].cipher(), keys, TlsContent::application_data, "x");
  CHECK(ledger.size() == 5);  // records are told to it
}

}  // namespace
}  // namespace sluice
