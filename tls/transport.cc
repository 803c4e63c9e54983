// TlsTransport: OpenSSL between two buffers of the thread. What lies in them belongs to the call
// that is running; whatever is left at its end is held by the connection, until the next call.
#include "tls/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "net/sys.h"
#include "tls/credentials.h"
#include "tls/openssl_ptr.h"
#include "tls/refusal.h"

namespace sluice {

namespace {

// RFC 8446 5.1, 5.2; RFC 5246 6.2.3 is not larger for the suites that are allowed.
constexpr size_t most_plaintext_bytes = 16 * 1024;
constexpr size_t most_record_bytes = 5 + most_plaintext_bytes + 256;
// One call moves so much at most: larger means fewer system calls, smaller stays in the processor's
// cache.
constexpr size_t most_received_bytes = 64 * 1024;
constexpr size_t most_encrypted_bytes = 64 * 1024;
constexpr size_t handshake_read_bytes = 16 * 1024;
constexpr size_t least_read_bytes = 1024;
// A peer that makes us hold more has asked for thousands of key updates and takes none.
constexpr size_t most_held_bytes = 160 * 1024;

// Records in a row without application data; honest peers send a handful. Each costs far more than
// its few bytes. OpenSSL counts only empty ones (it takes 32) and warnings (it takes 4). Here they
// are counted by the reads that OpenSSL makes of a record.
constexpr uint32_t reads_a_record = 2;  // its header, then the rest
// One call takes so many of them, in any order with data, and so many of a TLS handshake.
constexpr uint32_t silent_reads_a_call = 8 * reads_a_record;
constexpr uint32_t handshake_reads_a_call = 32 * reads_a_record;

thread_local uint8_t incoming[most_received_bytes];
// Room for what one call encrypts, with a few records (alerts, key updates) besides.
thread_local uint8_t outgoing[most_encrypted_bytes + 16 * 1024];
thread_local size_t outgoing_bytes = 0;
thread_local size_t all_held_bytes = 0;
// Ciphertext that OpenSSL has yet to take: of `incoming` or of what the connection held.
thread_local std::span<const uint8_t> window;
thread_local bool window_ended = false;  // the peer's FIN is behind it
// How often OpenSSL may still take what it asks for: in the middle of a window it waits, then.
thread_local uint32_t reads_left = 0;
// Plaintext around a ring's seam, so that it goes into one record.
thread_local uint8_t gathered[most_plaintext_bytes];

std::span<const uint8_t> view_of(const HeldBytes& held) {
  return {held.first(), held.size()};
}

// SSL_get_error looks at the queue. Emptying an empty one costs ten times as much as asking.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

bool is_upper_case(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z';
}

// RFC 8446 5.1: change_cipher_spec to application_data.
bool begins_record(uint8_t byte) {
  return byte >= SSL3_RT_CHANGE_CIPHER_SPEC && byte <= SSL3_RT_APPLICATION_DATA;
}

}  // namespace

// The one BIO of the thread: all its connections read from `window` and write to `outgoing`.
struct TlsBio {
  static int read(BIO* bio, char* buffer, size_t bytes, size_t* taken) {
    BIO_clear_retry_flags(bio);
    *taken = reads_left == 0 ? 0 : std::min(bytes, window.size());
    if (*taken == 0) {
      if (!window.empty() || !window_ended) BIO_set_retry_read(bio);
      return 0;
    }
    if (*taken == bytes) --reads_left;
    std::memcpy(buffer, window.data(), *taken);
    window = window.subspan(*taken);
    return 1;
  }

  static int write(BIO* bio, const char* bytes, size_t count, size_t* taken) {
    BIO_clear_retry_flags(bio);
    *taken = std::min(count, sizeof outgoing - outgoing_bytes);
    if (*taken == 0) {
      BIO_set_retry_write(bio);
      return 0;
    }
    std::memcpy(outgoing + outgoing_bytes, bytes, *taken);
    outgoing_bytes += *taken;
    return 1;
  }

  static long control(BIO*, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return window.empty() && window_ended ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
      if (made == nullptr) throw std::bad_alloc();  // the next connection tries again
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
      BIO_meth_set_create(made, create);
      return made;
    }();
    return method;
  }

  // A connection that outlives the thread keeps it alive.
  static BIO* shared() {
    thread_local BioPtr bio;
    if (bio == nullptr) bio.reset(BIO_new(method()));
    if (bio == nullptr) throw std::bad_alloc();
    return bio.get();
  }
};

TlsSessionSlot::TlsSessionSlot(TlsSessionSlot&& other) noexcept
    : session_(std::exchange(other.session_, nullptr)) {}

TlsSessionSlot::~TlsSessionSlot() {
  SSL_SESSION_free(session_);
}

void TlsSessionSlot::keep(SSL_SESSION* session) {
  SSL_SESSION_free(session_);
  session_ = session;
}

void HeldBytes::append(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  std::unique_ptr<uint8_t[]> larger(new uint8_t[size() + bytes.size()]);
  if (!empty()) std::memcpy(larger.get(), first(), size());
  std::memcpy(larger.get() + size(), bytes.data(), bytes.size());
  const size_t old_bytes = end;  // what was dropped since still takes room
  end = static_cast<uint32_t>(size() + bytes.size());
  all_held_bytes += end - old_bytes;
  begin = 0;
  data = std::move(larger);
}

void HeldBytes::drop(size_t count) {
  begin += static_cast<uint32_t>(count);
  if (!empty()) return;
  all_held_bytes -= end;
  data.reset();
  begin = end = 0;
}

size_t tls_held_bytes() {
  return all_held_bytes;
}

TlsTransport::TlsTransport(SSL* ssl, int fd, uint32_t records_without_data)
    : ssl_(ssl), fd_(fd), most_silent_reads_(records_without_data * reads_a_record) {
  if (SSL_set_app_data(ssl_, this) != 1) throw std::bad_alloc();
  BIO* const bio = TlsBio::shared();
  BIO_up_ref(bio);  // SSL_free gives back one for both directions
  SSL_set_bio(ssl_, bio, bio);
}

// A session that OpenSSL believes cut off would not be resumed; whether it was is told elsewhere.
// One that saw a fatal alert is not to be resumed, and OpenSSL has seen to that by then (RFC 5246
// 7.2.2).
TlsTransport::~TlsTransport() {
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

TlsTransport::Handshake TlsTransport::handshake() {
  begin_call();
  const Handshake result = advance_handshake();
  end_call();
  return result;
}

TlsTransport::Handshake TlsTransport::advance_handshake() {
  reads_left = handshake_reads_a_call;
  while (!failed_) {
    const int done = SSL_do_handshake(ssl_);
    const int wanted = SSL_get_error(ssl_, done);
    const bool fatal = done != 1 && wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE;
    if (fatal) fail(take_failure(ssl_, asked_in_vain_, detail_), 0);
    const bool all_sent = flush();  // after a failure, the alert
    if (send_error_ != 0) fail("", send_error_);
    if (failed_) break;
    if (!all_sent) return Handshake::waiting;
    if (done == 1) {
      secured_ = true;
      return Handshake::done;
    }
    if (wanted == SSL_ERROR_WANT_WRITE) continue;
    if (!window.empty()) return Handshake::again;
    const bool first = !heard_;
    const Received received = receive(handshake_read_bytes);
    if (received == Received::blocked) return Handshake::waiting;
    if (received == Received::ended && first) fail("", 0);
    if (received == Received::bytes && first && !SSL_is_server(ssl_) && !begins_record(window[0])) {
      fail("the upstream does not speak TLS", 0);
    }
    // A TLS record begins with its type, 22 for a handshake; a method with a letter.
    if (received == Received::bytes && first && SSL_is_server(ssl_) && is_upper_case(window[0])) {
      return Handshake::plain_http;
    }
  }
  return Handshake::failed;
}

Io TlsTransport::recv(std::span<const iovec> pieces) {
  Io io;
  if (failed_) return Io{0, Io::State::failed, false, error_};
  begin_call();
  io.state = read_records(pieces, io);
  end_call();
  if (outgoing_bytes > 0) flush();  // an alert, an answer to a key update
  if (unsent_.size() > most_held_bytes) {
    fail("asks for answers and reads none", 0);
    unsent_.drop(unsent_.size());
    if (io.bytes == 0) io.state = Io::State::failed;
  }
  if (io.bytes > 0 && io.state != Io::State::open) {
    io.short_count = io.state == Io::State::blocked;  // else the end is told by the next call
    io.state = Io::State::open;
  }
  io.error = error_;
  return io;
}

// Whole records in, until the pieces are full or the kernel has no more. What is received in one go
// fits into the room that is left, so that nothing but a part of a record has to be held.
Io::State TlsTransport::read_records(std::span<const iovec> pieces, Io& io) {
  size_t room = bytes_of(pieces);
  // The allowance counts ciphertext: records without plaintext, or with a byte each, must not keep
  // the loop here.
  size_t allowance = std::max(room, least_read_bytes);
  uint32_t silent_left = silent_reads_a_call;
  size_t piece = 0;
  size_t into_piece = 0;
  while (room > 0) {
    if (window.empty() && SSL_pending(ssl_) == 0) {
      // Nothing follows a close_notify, and a FIN need not: the peer may be waiting for ours (RFC
      // 8446 6.1).
      if ((SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0) return Io::State::ended;
      const bool enough = allowance == 0 || silent_left == 0;
      if (short_count_ || enough || (io.bytes > 0 && room < most_record_bytes)) {
        io.short_count = short_count_;
        return Io::State::open;
      }
      const Received received = receive(std::min(receive_limit(room), allowance));
      if (received == Received::blocked) return Io::State::blocked;
      // OpenSSL need not know: it would answer with an alert and never resume the session.
      if (received == Received::ended) fail("TLS ended without close_notify", 0);
      if (failed_) return Io::State::failed;
      allowance -= window.size();
    }
    auto* const at = static_cast<uint8_t*>(pieces[piece].iov_base) + into_piece;
    const size_t free = pieces[piece].iov_len - into_piece;
    size_t taken = 0;
    if (io.bytes > 0) forget_errors();
    const uint32_t reads_allowed = std::min(silent_left + reads_a_record, reads_until_refused());
    reads_left = reads_allowed;
    const bool data = SSL_read_ex(ssl_, at, free, &taken) == 1;
    const int wanted = data ? SSL_ERROR_NONE : SSL_get_error(ssl_, 0);
    if (wanted == SSL_ERROR_ZERO_RETURN) return Io::State::ended;
    if (!data && wanted != SSL_ERROR_WANT_READ) {
      fail(take_failure(ssl_, asked_in_vain_, detail_), 0);
      return Io::State::failed;
    }
    // Where data came, the last record held it. No record was read where OpenSSL had data left.
    const uint32_t reads = reads_allowed - reads_left;
    const uint32_t silent = data ? reads - std::min(reads, reads_a_record) : reads;
    if (!count_silent(silent, data)) return Io::State::failed;
    silent_left -= std::min(silent, silent_left);
    if (!data && window.empty()) continue;
    if (!data) return Io::State::open;  // they had their share
    io.bytes += taken;
    room -= taken;
    into_piece += taken;
    if (into_piece == pieces[piece].iov_len) {
      ++piece;
      into_piece = 0;
    }
  }
  return Io::State::open;
}

// False, and a failure, where there are too many in a row.
bool TlsTransport::count_silent(uint32_t reads, bool then_data) {
  if (most_silent_reads_ == 0) return true;
  // The header of a record under way was counted already; that record may still hold data.
  if (silent_reads_ + reads > most_silent_reads_ + 1) {
    fail(silence, 0);
    detail_ = describe_silence(most_silent_reads_ / reads_a_record);
    return false;
  }
  silent_reads_ = then_data ? 0 : silent_reads_ + reads;
  return true;
}

size_t TlsTransport::receive_limit(size_t room) const {
  // A record of which OpenSSL has a part already may add its whole plaintext.
  const size_t most =
      room >= 2 * most_record_bytes ? room - most_record_bytes : std::max(room, least_read_bytes);
  return std::min(most, sizeof incoming);
}

TlsTransport::Received TlsTransport::receive(size_t most_bytes) {
  const ssize_t answer = sys::recv(fd_, incoming, most_bytes);
  if (answer > 0) {
    heard_ = true;
    window = {incoming, static_cast<size_t>(answer)};
    short_count_ = window.size() < most_bytes;
    return Received::bytes;
  }
  if (answer == 0) {
    input_ended_ = window_ended = true;
    return Received::ended;
  }
  if (answer == -EAGAIN || answer == -EWOULDBLOCK) return Received::blocked;
  fail(heard_ && !secured_ ? "lost during the TLS handshake" : "", static_cast<int>(-answer));
  return Received::failed;
}

Io TlsTransport::send(std::span<const iovec> pieces) {
  Io io;
  begin_call();
  // Some of it may have gone with what other calls sent; only here the caller is told.
  io.bytes = committed_;
  if (!output_failed() && flush() && !output_failed()) {
    const size_t encrypted = encrypt(pieces, committed_);
    io.bytes += encrypted;
    committed_ = encrypted;
    flush();
  }
  committed_ = std::min(committed_, unsent_.size());
  io.bytes -= committed_;
  end_call();
  if (output_failed()) return Io{0, Io::State::failed, false, failed_ ? error_ : send_error_};
  io.short_count = !unsent_.empty();
  if (io.bytes == 0 && io.short_count) io.state = Io::State::blocked;
  return io;
}

// Encrypts what lies behind the first `skipped` bytes, into `outgoing`; returns how much it was.
size_t TlsTransport::encrypt(std::span<const iovec> pieces, size_t skipped) {
  const size_t most = std::min(bytes_of(pieces) - skipped, most_encrypted_bytes);
  size_t done = 0;
  while (done < most) {
    const size_t count = std::min(most - done, most_plaintext_bytes);
    const uint8_t* const bytes = contiguous(pieces, skipped + done, count);
    size_t written = 0;
    if (done > 0) forget_errors();
    if (SSL_write_ex(ssl_, bytes, count, &written) != 1) {
      fail(take_failure(ssl_, asked_in_vain_, detail_), 0);
      return done;
    }
    done += written;
  }
  return done;
}

// `count` bytes of the pieces from `begin` on: where they lie, or a copy where a seam is among
// them.
const uint8_t* TlsTransport::contiguous(std::span<const iovec> pieces, size_t begin, size_t count) {
  size_t piece = 0;
  while (begin >= pieces[piece].iov_len) begin -= pieces[piece++].iov_len;
  const auto* const at = static_cast<const uint8_t*>(pieces[piece].iov_base) + begin;
  const size_t before_seam = pieces[piece].iov_len - begin;
  if (before_seam >= count) return at;
  std::memcpy(gathered, at, before_seam);
  std::memcpy(gathered + before_seam, pieces[piece + 1].iov_base, count - before_seam);
  return gathered;
}

bool TlsTransport::flush_held() {
  if (unsent_.empty()) return true;  // after a failure, the alert
  begin_call();
  const bool all_sent = flush();
  end_call();
  return all_sent;
}

bool TlsTransport::shutdown_write() {
  if (!output_failed()) {
    begin_call();
    const bool told = (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0;
    if (!told && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
    const bool all_sent = flush();
    end_call();
    if (!all_sent) return false;
  }
  sys::shutdown_write(fd_);
  output_ended_ = true;
  return true;
}

// Sends what is held, then `outgoing`; what the socket does not take is held.
bool TlsTransport::flush() {
  if (output_ended_) outgoing_bytes = 0;  // an answer to a key update, which nobody awaits any more
  if (!unsent_.empty()) unsent_.drop(send_some(view_of(unsent_)));
  std::span<const uint8_t> rest(outgoing, outgoing_bytes);
  if (unsent_.empty() && !rest.empty()) rest = rest.subspan(send_some(rest));
  unsent_.append(rest);
  outgoing_bytes = 0;
  return unsent_.empty();
}

size_t TlsTransport::send_some(std::span<const uint8_t> bytes) {
  const ssize_t answer = sys::send(fd_, bytes.data(), bytes.size());
  if (answer >= 0) return static_cast<size_t>(answer);
  if (answer == -EAGAIN || answer == -EWOULDBLOCK) return 0;
  send_error_ = static_cast<int>(-answer);  // what the peer sent before can still be received
  return bytes.size();                      // nothing of it will ever be sent
}

void TlsTransport::begin_call() {
  forget_errors();
  window = view_of(unread_);
  window_ended = input_ended_;
  outgoing_bytes = 0;
  short_count_ = false;
}

void TlsTransport::end_call() {
  const bool of_held = !window.empty() && window.data() >= unread_.first() &&
                       window.data() < unread_.data.get() + unread_.end;
  const size_t left = window.size();
  if (of_held) {
    unread_.drop(unread_.size() - left);
  } else {
    unread_.drop(unread_.size());
    unread_.append(window);
  }
  window = {};
  // Unless a part of a record is in them. One for an answer is made for every ticket, too.
  SSL_free_buffers(ssl_);
}

int TlsTransport::on_verified(int good, X509_STORE_CTX* verification) {
  if (good == 1) return 1;
  const void* ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
  auto* const self = static_cast<TlsTransport*>(SSL_get_app_data(static_cast<const SSL*>(ssl)));
  try {
    self->detail_ = describe_refused(verification);
  } catch (const std::bad_alloc&) {
    self->detail_.clear();  // OpenSSL could not pass it on
  }
  return 0;
}

int TlsTransport::on_certificate_asked(SSL* ssl, X509**, EVP_PKEY**) {
  static_cast<TlsTransport*>(SSL_get_app_data(ssl))->asked_in_vain_ = true;
  return 0;
}

std::string TlsTransport::verified_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) return "";
  // Half a subject could be another's.
  const std::string subject = text_of(X509_get_subject_name(certificate));
  if (subject.empty()) throw std::bad_alloc();
  return subject;
}

std::string_view TlsTransport::version() const {
  return SSL_get_version(ssl_);
}

std::string_view TlsTransport::cipher() const {
  return SSL_get_cipher_name(ssl_);
}

std::string_view TlsTransport::server_name() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

bool TlsTransport::resumed() const {
  return SSL_session_reused(ssl_) == 1;
}

}  // namespace sluice
