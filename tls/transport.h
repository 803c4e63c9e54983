// TlsTransport: a byte stream inside TLS over a descriptor (RFC 8446, RFC 5246). OpenSSL sees
// memory only: bytes come and go through buffers of the thread, one recv for many records and one
// send for all that a call produced.
//
// Every call may throw std::bad_alloc. The connection is good for nothing but its destructor then;
// others are not touched.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/transport.h"

struct ssl_session_st;  // SSL_SESSION, which openssl/types.h leaves out

namespace sluice {

// The latest session that a server gave us, to resume with it. One for each peer.
class TlsSessionSlot {
 public:
  TlsSessionSlot() = default;
  TlsSessionSlot(TlsSessionSlot&& other) noexcept;
  TlsSessionSlot(const TlsSessionSlot&) = delete;
  TlsSessionSlot& operator=(TlsSessionSlot&&) = delete;
  ~TlsSessionSlot();

  void keep(ssl_session_st* session);  // takes over the reference
  ssl_session_st* session() const { return session_; }

 private:
  ssl_session_st* session_ = nullptr;
};

// Ciphertext that has no place elsewhere. Holds memory only while it holds bytes.
struct HeldBytes {
  std::unique_ptr<uint8_t[]> data;
  uint32_t begin = 0;
  uint32_t end = 0;

  HeldBytes() = default;
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;
  ~HeldBytes() { drop(size()); }

  bool empty() const { return begin == end; }
  size_t size() const { return end - begin; }
  const uint8_t* first() const { return data.get() + begin; }
  void append(std::span<const uint8_t> bytes);
  void drop(size_t count);  // from the front
};

// Memory that all HeldBytes of this thread have at the moment, for the owner's budget.
size_t tls_held_bytes();

// Not final: the simulator's own derives from it, to see what passes.
class TlsTransport : public Transport {
 public:
  enum class Handshake : uint8_t {
    done,
    waiting,     // for an edge
    again,       // more is there than one turn should take: call it once others had theirs
    failed,      // failure() says why, "" where the peer left without a byte; an alert is sent
    plain_http,  // a client that speaks HTTP without TLS; nothing was sent to it
  };

  // failure() of a peer that sent more records in a row without data than it may.
  static constexpr const char* silence =
      "TLS records without data over tls_max_records_without_data";

  // Takes over `ssl`, which has its role. The descriptor stays the caller's. So many records in a
  // row without data are taken once the TLS handshake is done; with 0 any number.
  TlsTransport(SSL* ssl, int fd, uint32_t records_without_data);
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;
  ~TlsTransport() override;

  // Until it is done, nothing else but failure() may be called. It may then hold bytes behind the
  // TLS handshake, which no edge will announce: call recv.
  Handshake handshake();

  // As Transport says. An end without close_notify is `failed`, so that nobody takes what was cut
  // off for the whole (RFC 8446 6.1). Of records that hold no data (key updates, tickets, warnings)
  // a call takes a few, and may return without a byte then; more in a row than the limit are a
  // failure.
  Io recv(std::span<const iovec> pieces) override;
  // Encrypts at most 64 KiB a call. What the socket does not take of it is held here; of its
  // plaintext at least one byte stays unsent, as far as the caller is told, until all of it has
  // gone.
  Io send(std::span<const iovec> pieces) override;
  size_t committed() const override { return committed_; }
  bool shutdown_write() override;  // close_notify, then FIN
  const char* failure() const override { return failure_; }

  // More about a failure: names, times and issuers of a certificate that was
  // refused, the limit that was passed and what was seen; or "".
  const std::string& detail() const { return detail_; }

  // For contexts: SSL_CTX_set_verify(3), and SSL_CTX_set_client_cert_cb(3) where none is there.
  static int on_verified(int good, X509_STORE_CTX* verification);
  static int on_certificate_asked(SSL* ssl, X509** certificate, EVP_PKEY** key);

  // Plaintext is told to be sent by the next send() alone.
  bool flush_held() override;
  // Ciphertext that the socket did not take yet.
  size_t unsent_bytes() const override { return unsent_.size(); }

  // The client's verified certificate's subject (RFC 2253 form), "" without one.
  std::string verified_subject() const;
  // As OpenSSL names them: "TLSv1.3", "TLS_AES_128_GCM_SHA256", and the name that the client asked
  // for (SNI); "" where there is none.
  std::string_view version() const;
  std::string_view cipher() const;
  std::string_view server_name() const;
  bool speaks_http2() const;             // agreed by ALPN (RFC 9113 3.2)
  bool heard() const { return heard_; }  // the peer sent at least a byte
  bool resumed() const;
  // Ciphertext that this connection holds; an idle one holds none. For tests, as ssl().
  size_t held_bytes() const { return unread_.size() + unsent_.size(); }
  SSL* ssl() { return ssl_; }

 private:
  enum class Received : uint8_t { bytes, blocked, ended, failed };

  // Around everything that lets OpenSSL work: what is held goes into the thread's buffers, what is
  // left there is held again.
  void begin_call();
  void end_call();
  Handshake advance_handshake();
  Io::State read_records(std::span<const iovec> pieces, Io& io);
  bool count_silent(uint32_t reads, bool then_data);
  // Up to the end of the first record too many, of two reads.
  uint32_t reads_until_refused() const {
    return most_silent_reads_ == 0 ? UINT32_MAX : most_silent_reads_ + 2 - silent_reads_;
  }
  size_t receive_limit(size_t room) const;
  Received receive(size_t most_bytes);
  size_t encrypt(std::span<const iovec> pieces, size_t skipped);
  static const uint8_t* contiguous(std::span<const iovec> pieces, size_t begin, size_t count);
  bool flush();  // false where something is left
  size_t send_some(std::span<const uint8_t> bytes);
  bool output_failed() const { return failed_ || send_error_ != 0; }
  // The first failure counts.
  void fail(const char* failure, int error) {
    if (failed_) return;
    failed_ = true;
    failure_ = failure;
    error_ = error;
  }

  SSL* ssl_;
  int fd_;
  int error_ = 0;       // of `failed_`
  int send_error_ = 0;  // nothing can be sent any more
  const char* failure_ = "";
  std::string detail_;
  HeldBytes unread_;  // ciphertext, received and not yet taken by OpenSSL
  HeldBytes unsent_;  // ciphertext that the socket did not take
  size_t committed_ = 0;
  uint32_t most_silent_reads_;  // 0: any number
  uint32_t silent_reads_ = 0;   // OpenSSL's, in a row, without application data
  bool failed_ : 1 = false;
  bool secured_ : 1 = false;        // the TLS handshake is done
  bool input_ended_ : 1 = false;    // the peer's FIN was read
  bool output_ended_ : 1 = false;   // our FIN is sent
  bool short_count_ : 1 = false;    // the latest recv gave less than it could
  bool heard_ : 1 = false;          // the peer sent at least a byte
  bool asked_in_vain_ : 1 = false;  // for a certificate that we have not
};

// Takes over `ssl`, unless it throws. A file of its own, so that the simulator links another one.
std::unique_ptr<TlsTransport> make_tls_transport(SSL* ssl, int fd, uint32_t records_without_data);

}  // namespace sluice
