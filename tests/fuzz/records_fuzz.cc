// TlsRecords against a peer that has the keys: whatever it seals, what comes of it is what a second
// reading of the RFCs says, and whatever is not sealed with the key ends the leg.
#include <openssl/crypto.h>

#include <string>

#include "net/check.h"
#include "tests/fuzz/input.h"
#include "tests/unit/nonce_ledger.h"
#include "tests/unit/tls_records_forge.h"
#include "tls/records.h"

namespace sluice::fuzz {

namespace {

using Kind = TlsRecords::Kind;
using testing::Forger;

// What is to come of a record, by content and type; the handshake's bytes are kept until they make
// a message.
struct Model {
  bool tls13;
  bool server;
  uint32_t most_silent;
  uint32_t silent = 0;
  uint32_t warnings = 0;
  std::string messages = {};
  bool followed = false;  // a KeyUpdate, by the latest record
  int alert = -1;         // of a failure

  Kind refused(int number) {
    alert = number;
    return Kind::failed;
  }
  Kind quiet() { return ++silent > most_silent ? refused(10) : Kind::silent; }
  Kind warned() { return ++warnings > 4 ? refused(10) : Kind::silent; }

  Kind record(uint8_t type, const std::string& content) {
    followed = false;
    if (!messages.empty() && type != 22) return refused(10);
    if (type == 21) return alerted(content);
    if (type == 22) {
      if (quiet() == Kind::failed) return Kind::failed;
      messages += content;
      return content.empty() ? refused(10) : read_messages();
    }
    if (type != 23) return refused(10);
    if (content.empty()) return quiet();
    silent = warnings = 0;
    return Kind::data;
  }
  Kind alerted(const std::string& content) {
    if (content.size() != 2) return refused(content.empty() ? 10 : 50);
    const int level = content[0];
    const int number = static_cast<uint8_t>(content[1]);
    if (!tls13 && level != 1 && level != 2) return refused(47);
    if (number == 0 && (tls13 || level == 1)) return Kind::closed;
    if (tls13 ? number == 90 : level == 1) {
      return quiet() == Kind::failed ? Kind::failed : warned();
    }
    return refused(number);
  }
  Kind read_messages() {
    while (messages.size() >= 4) {
      const auto byte = [&](size_t at) {
        return static_cast<size_t>(static_cast<uint8_t>(messages[at]));
      };
      const size_t length = byte(1) << 16 | byte(2) << 8 | byte(3);
      const bool update = tls13 && byte(0) == 24;
      if (update && length != 1) return refused(50);
      const size_t skipped = tls13 ? (server ? 999 : 4) : (server ? 1 : 0);
      const bool longest = length > (tls13 || server ? 128 * 1024 : 0);
      if (!update && (byte(0) != skipped || longest)) return refused(10);
      if (messages.size() < 4 + length) return Kind::silent;
      if (update && messages.size() > 5) return refused(10);
      if (update && byte(4) > 1) return refused(47);
      followed = update;
      messages.erase(0, 4 + length);
      if (!tls13 && warned() == Kind::failed) return Kind::failed;
    }
    return Kind::silent;
  }
};

// A leg's end, its peer, and who opens what the end sends.
class Leg {
 public:
  Leg(uint8_t choice, uint8_t silent)
      : tls13_(choice % 2 == 0),
        server_(choice / 2 % 2 == 0),
        suite_(static_cast<TlsSuite>(choice / 4 % 3)),
        forger_(direction('p')),
        end_(keys_of(server_), silent),
        far_(keys_of(!server_), 0),
        model_{tls13_, server_, silent == 0 ? UINT32_MAX : silent} {}

  // False once the leg is lost or closed.
  bool forge(uint8_t type, const std::string& content, size_t padding) {
    const std::string raw = forger_.record(type, content, padding);
    const Kind expected = model_.record(type, content);
    std::string got;
    SLUICE_CHECK(take(raw.substr(0, raw.size() - 1), got) == Kind::partial);
    const Kind kind = take(raw, got);
    SLUICE_CHECK(kind == expected);
    SLUICE_CHECK(got == (kind == Kind::data ? content : ""));
    if (kind == Kind::failed) {
      SLUICE_CHECK(static_cast<int>(end_.alert()) == model_.alert);
      SLUICE_CHECK(!seal("x"));
    }
    if (model_.followed && kind == Kind::silent) forger_.next_generation();
    if (kind == Kind::data) seal("so that far_ never gets five warnings in a row");
    return kind != Kind::failed && kind != Kind::closed;
  }
  // What nobody sealed is never taken.
  bool raw(const std::string& bytes) {
    std::string got;
    const Kind kind = take(bytes, got);
    SLUICE_CHECK(kind == Kind::failed || kind == Kind::partial);
    SLUICE_CHECK(got.empty());
    return kind == Kind::partial;
  }
  bool seal(const std::string& text) {
    std::string room(text.size() + TlsRecords::most_seal_overhead_bytes, '\0');
    TlsRecords::Output output{bytes_in(room), 0};
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    const bool sealed = end_.seal({{&piece, 1}, 0, text.size()}, output);
    SLUICE_CHECK(sealed == (output.bytes > 0));
    std::string got;
    open(room.substr(0, output.bytes), got);
    SLUICE_CHECK(got == (sealed ? text : ""));
    return sealed;
  }
  void update_key(bool ask) {
    if (!tls13_) return;
    answer([&](TlsRecords::Output& output) { end_.update_key(output, ask); });
  }
  void close() {
    answer([&](TlsRecords::Output& output) { end_.close(output); });
  }

 private:
  static std::span<uint8_t> bytes_in(std::string& text) {
    return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
  }
  Forger direction(char of) const {
    Forger made{tls13_, suite_, {}, {}, {}, 0};
    made.secret.assign(suite_ == TlsSuite::aes256_gcm ? 48 : 32, of);
    made.key.assign(suite_ == TlsSuite::aes128_gcm ? 16 : 32, of);
    made.iv.assign(12, of);
    if (tls13_) made.derive();
    return made;
  }
  TlsLegKeys keys_of(bool server) const {
    TlsLegKeys keys{
        {tls13_, suite_, static_cast<uint8_t>(suite_ == TlsSuite::aes256_gcm ? 48 : 32)},
        server,
        {},
        {}};
    const Forger out = direction(server == server_ ? 'e' : 'p');
    const Forger in = direction(server == server_ ? 'p' : 'e');
    keys.out = testing::keys_from(out.secret, out.key, out.iv);
    keys.in = testing::keys_from(in.secret, in.key, in.iv);
    return keys;
  }
  Kind take(std::string window, std::string& got) {
    Kind kind{};
    answer([&](TlsRecords::Output& output) {
      const TlsRecords::Taken taken = end_.take(bytes_in(window), output);
      SLUICE_CHECK(taken.bytes <= window.size());
      SLUICE_CHECK((taken.kind == Kind::data) == !taken.data.empty());
      got.assign(reinterpret_cast<const char*>(taken.data.data()), taken.data.size());
      kind = taken.kind;
    });
    return kind;
  }
  template <class Call>
  void answer(Call call) {
    std::string room(TlsRecords::most_answer_bytes, '\0');
    TlsRecords::Output output{bytes_in(room), 0};
    call(output);
    SLUICE_CHECK(output.bytes <= room.size());
    std::string got;
    open(room.substr(0, output.bytes), got);
    SLUICE_CHECK(got.empty());
  }
  // Everything that it sends is in order, until it says that it is lost.
  void open(std::string sent, std::string& got) {
    while (!sent.empty()) {
      std::string room(TlsRecords::most_answer_bytes, '\0');
      TlsRecords::Output output{bytes_in(room), 0};
      const TlsRecords::Taken taken = far_.take(bytes_in(sent), output);
      got.append(reinterpret_cast<const char*>(taken.data.data()), taken.data.size());
      if (taken.kind == Kind::failed) {
        SLUICE_CHECK(far_.failure() == TlsRecords::Failure::peers_alert);
        SLUICE_CHECK(end_.failure() != TlsRecords::Failure::none && far_.alert() == end_.alert());
        return;
      }
      SLUICE_CHECK(taken.kind != Kind::partial);
      sent.erase(0, taken.bytes);
    }
  }

  bool tls13_;
  bool server_;
  TlsSuite suite_;
  Forger forger_;
  TlsRecords end_;
  TlsRecords far_;
  Model model_;
};

void run(Input input) {
  const testing::NonceLedger ledger;
  const uint8_t choice = input.byte();
  Leg leg(choice, input.byte());
  for (bool lives = true; lives && !input.empty();) {
    const uint8_t step = input.byte();
    const size_t bytes = input.byte();
    switch (step % 16) {
      case 0:
        lives = leg.raw(std::string(text_of(input.bytes(bytes))));
        break;
      case 1:
        leg.update_key(bytes % 2 == 0);
        break;
      case 2:
        leg.seal(std::string(bytes * 64, 's'));
        break;
      case 3:
        leg.close();
        break;
      case 4:  // any type
        lives = leg.forge(static_cast<uint8_t>(bytes), "x", 0);
        break;
      case 5:  // a long message, of which this is the middle
        lives = leg.forge(22, std::string(bytes * 64, '\0'), 0);
        break;
      default: {
        static constexpr uint8_t types[] = {21, 22, 22, 23};
        const size_t padding = step / 64;
        lives = leg.forge(types[step % 4], std::string(text_of(input.bytes(bytes))), padding);
      }
    }
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
