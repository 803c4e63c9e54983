// TlsWire: records out, with one trouble at a place that was planned; records in, which must be
// right.
#include "tests/sim/tls_wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t leave_delay_ns = 100 * us;
constexpr size_t most_record_bytes = 16 * 1024;
constexpr int key_updates_in_flood = 4'000;
// Neither a record's type nor a letter, as plaintext begins in some other protocol.
constexpr std::string_view stray_bytes = "\x81\x85stray bytes";
constexpr std::string_view hello_request{"\x16\x03\x03\0\x04\0\0\0\0", 9};
constexpr std::string_view plain_alert{"\x15\x03\x03\x00\x02\x02\x28", 7};  // handshake_failure
// A record that no key opens.
constexpr std::string_view wrong_record{"\x17\x03\x03\x00\x20................................", 37};

}  // namespace

TlsWire::TlsWire(Connection& connection, SslPtr ssl, const TlsHabits& habits, bool refusable,
                 uint64_t random_seed)
    : Wire(connection),
      ssl_(std::move(ssl)),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())),
      habits_(habits),
      refusable_(refusable),
      random_(random_seed) {
  SSL_set_bio(ssl_.get(), in_, out_);
  connection_.peer = this;
  connection_.peer_in_tls = true;
}

// --- in
// -------------------------------------------------------------------------------------------

void TlsWire::on_bytes() {
  // The TLS handshake has no slow readers: those are its user's.
  while (!secured_ && !broken_ && connection_.unread_by_peer() > 0) {
    feed(most_record_bytes);
    drive();
    pull();  // what came behind its last flight
  }
  if (broken_) connection_.read(connection_.unread_by_peer());
  if (secured_ && user_ != nullptr && unread() > 0) user_->on_bytes();
}

std::string TlsWire::read(size_t bytes) {
  feed(std::min(bytes, connection_.unread_by_peer()));
  pull();
  return std::exchange(plain_, std::string());
}

void TlsWire::feed(size_t bytes) {
  const std::string taken = connection_.read(bytes);
  BIO_write(in_, taken.data(), static_cast<int>(taken.size()));
}

void TlsWire::pull() {
  while (secured_ && !broken_ && !notified_) {
    char buffer[most_record_bytes];
    size_t taken = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &taken) == 1) {
      plain_.append(buffer, taken);
      continue;
    }
    const int wanted = SSL_get_error(ssl_.get(), 0);
    if (wanted == SSL_ERROR_WANT_READ) break;
    if (wanted != SSL_ERROR_ZERO_RETURN) return break_off();
    world().note("peer #%lld: got close_notify", number());
    notified_ = true;
  }
  transmit(take_outgoing());
  if (notified_ && habits_.leaves_at_notify && !std::exchange(end_told_, true)) user_->on_fin();
}

void TlsWire::on_fin() {
  got_fin_ = true;
  if (user_ != nullptr && !std::exchange(end_told_, true)) user_->on_fin();
}

void TlsWire::on_reset() {
  if (user_ != nullptr) user_->on_reset();
}

// --- the TLS handshake
// ----------------------------------------------------------------------------

void TlsWire::drive() {
  if (secured_ || broken_) return;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done != 1) {
    if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) return break_off();
    return send_handshake();
  }
  send_handshake();
  world().note("peer #%lld: TLS handshake done", number());
  secured_ = true;
  encrypt(std::exchange(pending_, std::string()));
  if (leaving_ != Leaving::no) go(leaving_);
}

void TlsWire::send_handshake() {
  const std::string flight = take_outgoing();
  const TlsTrouble& trouble = habits_.trouble;
  // In order, and passed over where a TLS handshake has begun (RFC 5246 7.4.1.1).
  const bool first = SSL_is_server(ssl_.get()) == 1 && transmitted_ == 0 && !flight.empty();
  if (first && !trouble.in_handshake) {
    for (unsigned i = 0; i < habits_.hello_requests; ++i) transmit(hello_request);
  }
  const bool due = trouble.kind != TlsTrouble::Kind::none && trouble.in_handshake && !troubled_ &&
                   trouble.at >= transmitted_ && trouble.at < transmitted_ + flight.size();
  if (!due) return transmit(flight);
  strike_handshake(flight, static_cast<size_t>(trouble.at - transmitted_));
}

void TlsWire::strike_handshake(std::string_view flight, size_t at) {
  using Kind = TlsTrouble::Kind;
  const Kind kind = habits_.trouble.kind;
  world().note("peer #%lld: trouble %lld in the TLS handshake, at %lld", number(),
               static_cast<int>(kind), static_cast<int64_t>(habits_.trouble.at));
  troubled_ = true;
  std::string changed(flight.substr(0, at));
  if (kind == Kind::damage) {
    changed = flight;
    changed[at] = static_cast<char>(changed[at] ^ (1 << random_.below(8)));
  }
  if (kind == Kind::plaintext) changed += stray_bytes;
  if (kind == Kind::alert) changed += plain_alert;
  transmit(changed);
  mute_ = kind != Kind::damage;
  if (kind == Kind::truncate) connection_.finish();
}

// --- out
// ------------------------------------------------------------------------------------------

void TlsWire::write(std::string_view bytes) {
  written_ += bytes;
  if (!secured_) {
    pending_ += bytes;
  } else {
    encrypt(bytes);
  }
}

void TlsWire::encrypt(std::string_view bytes) {
  const TlsTrouble& trouble = habits_.trouble;
  while (!bytes.empty() && !mute_ && !broken_) {
    size_t count = std::min(bytes.size(), most_record_bytes);
    if (habits_.most_record_bytes < most_record_bytes) {
      count = std::min<size_t>(count, random_.between(1, habits_.most_record_bytes));
    } else if (random_.chance(10)) {
      count = random_.between(1, count);
    }
    const bool awaited =
        trouble.kind != TlsTrouble::Kind::none && !trouble.in_handshake && !troubled_;
    const bool strikes = awaited && encrypted_ >= trouble.at;
    if (awaited && !strikes) count = std::min<size_t>(count, trouble.at - encrypted_);
    if (random_.chance(habits_.key_update_percent) && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
      SSL_key_update(ssl_.get(),
                     random_.pick<int>({SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_NOT_REQUESTED}));
    }
    size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), bytes.data(), count, &written) != 1) return break_off();
    encrypted_ += count;
    bytes.remove_prefix(count);
    const std::string record = take_outgoing();
    if (strikes) {
      strike(record);
    } else {
      transmit(record);
      marks_.push_back(Mark{transmitted_, encrypted_});
    }
  }
}

void TlsWire::strike(const std::string& record) {
  using Kind = TlsTrouble::Kind;
  const Kind kind = habits_.trouble.kind;
  world().note("peer #%lld: trouble %lld in TLS, at %lld", number(), static_cast<int>(kind),
               static_cast<int64_t>(habits_.trouble.at));
  if (kind == Kind::key_flood) return flood(record);
  troubled_ = true;
  std::string changed = record;
  if (kind == Kind::damage) {
    const size_t at = random_.below(changed.size());
    changed[at] = static_cast<char>(changed[at] ^ (1 << random_.below(8)));
  }
  if (kind == Kind::truncate || kind == Kind::stall) changed.resize(random_.below(record.size()));
  if (kind == Kind::plaintext) changed.insert(0, stray_bytes);
  transmit(changed);
  if (kind == Kind::alert) {
    BIO_write(in_, wrong_record.data(), static_cast<int>(wrong_record.size()));
    pull();
  }
  if (kind == Kind::notify) notify();
  mute_ = kind != Kind::damage;
  if (kind == Kind::truncate || kind == Kind::alert) connection_.finish();
}

// In order, but more than anybody needs: the proxy may bear it or refuse it.
void TlsWire::flood(const std::string& record) {
  habits_.trouble.kind = TlsTrouble::Kind::none;
  refusable_ = flooded_ = true;
  transmit(record);
  marks_.push_back(Mark{transmitted_, encrypted_});
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION) return;
  const bool asks = random_.chance(50);
  for (int i = 0; i < key_updates_in_flood && !broken_; ++i) {
    SSL_key_update(ssl_.get(), asks ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(ssl_.get());
    transmit(take_outgoing());
  }
}

std::string TlsWire::take_outgoing() {
  std::string bytes(BIO_ctrl_pending(out_), '\0');
  if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void TlsWire::transmit(std::string_view bytes) {
  if (mute_ || bytes.empty()) return;
  transmitted_ += bytes.size();
  connection_.write(bytes);
}

uint64_t TlsWire::plaintext_within(uint64_t ciphertext) const {
  const auto behind =
      std::upper_bound(marks_.begin(), marks_.end(), ciphertext,
                       [](uint64_t at, const Mark& mark) { return at < mark.ciphertext; });
  return behind == marks_.begin() ? 0 : (behind - 1)->plaintext;
}

// --- the end
// --------------------------------------------------------------------------------------

void TlsWire::leave(Leaving how) {
  if (!secured_ && !broken_ && !got_fin_ && !mute_ && !habits_.hasty) {
    leaving_ = how;
    return;
  }
  go(how);
}

void TlsWire::go(Leaving how) {
  if (habits_.notifies) notify();
  mute_ = true;
  if (how == Leaving::half) return connection_.finish();
  connection_.close_both();
}

void TlsWire::notify() {
  if (!secured_ || broken_ || mute_ || std::exchange(sent_notify_, true)) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  transmit(take_outgoing());
}

// OpenSSL refuses what the proxy sent, or was refused by it.
void TlsWire::break_off() {
  const unsigned long error = ERR_peek_error();
  const char* reason = ERR_reason_error_string(error);
  const bool left_abruptly = mute_ && !sent_notify_;
  if (!troubled_ && !refusable_ && !left_abruptly) {
    world().fail("peer #" + std::to_string(number()) +
                 ": the proxy's TLS is broken: " + (reason != nullptr ? reason : "unknown"));
  }
  world().note("peer #%lld: its TLS is broken", number());
  broken_ = true;
  transmit(take_outgoing());
  world().after(leave_delay_ns, [this] { connection_.close_both(); });
}

}  // namespace sluice::sim
