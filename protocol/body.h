// BodyScanner: how far an HTTP/1.1 message's body reaches, judged in place (RFC 9112 6.3 and 7.1).
// It reads chunk lines and trailers where they lie and steps over payload; it keeps no bytes and
// changes none, so that a body travels on as it came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// How a body ends (RFC 9112 6.3).
enum class BodyFraming : uint8_t { none, length, chunked, until_close };

// What a body may hold; filled from the route.
struct BodyLimits {
  // In a row that are no payload: chunk lines with their extensions, trailers.
  uint32_t framing_bytes = 16 * 1024;
  uint64_t payload_bytes = UINT64_MAX;
};

// Stricter than RFC 9112 wherever two recipients could read the same bytes in two ways: lines end
// in CRLF; a chunk's size has at most 16 hex digits and stays below 2^63, without signs or blanks;
// extensions are `;name`, `;name=token` or `;name="quoted"` without blanks; trailers are whole
// fields on one line each, and none that says where a message ends, where it goes or who sent it.
//
// A small value that allocates nothing. How the bytes are split into calls changes nothing.
class BodyScanner {
 public:
  enum class Verdict : uint8_t {
    more,      // everything was accepted, and the body goes on
    complete,  // its end was accepted; what follows belongs to the next message
    bad,       // status() and reason() say what is wrong; final
  };

  struct Scan {
    size_t accepted = 0;  // bytes from the beginning that may travel on
    Verdict verdict = Verdict::more;
  };

  // A run of bytes of one kind.
  struct Piece {
    size_t bytes = 0;      // accepted
    bool payload = false;  // else they belong to the chunked coding
    Verdict verdict = Verdict::more;
  };

  // `length` counts with BodyFraming::length alone. A body that is complete without a byte says so
  // at the first call.
  BodyScanner(BodyFraming framing, uint64_t length, const BodyLimits& limits);

  // Judges bytes that follow what was accepted before. Before a bad byte all may travel on.
  Scan scan(std::span<const uint8_t> bytes);
  // The same up to where payload begins or ends; for who takes the coding away.
  Piece next(std::span<const uint8_t> bytes);

  // Payload that comes next without anything else between: it may pass unseen.
  uint64_t unseen_left() const { return state_ == State::payload ? left_ : 0; }
  void step_over(uint64_t payload_bytes);

  bool complete() const { return state_ == State::complete; }
  // Whether the body ends in order where its sender's stream does.
  bool may_end() const { return complete() || framing_ == BodyFraming::until_close; }
  uint64_t payload_bytes() const { return payload_; }  // accepted so far

  // Accepted or looked at since the latest payload, of what is none.
  uint32_t framing_bytes() const { return framing_bytes_; }

  // After `bad`. Of an answer the status means nothing: 502.
  int status() const { return status_; }          // 400, 413 or 431
  const char* reason() const { return reason_; }  // static text for the log

 private:
  enum class State : uint8_t {
    payload,
    size_begin,  // of a chunk line
    size,
    extension,        // behind a ';'
    extension_name,   // and at least one byte of it
    extension_value,  // behind a '='
    extension_token,
    quoted,
    escaped,     // behind a '\' in a quoted value
    quoted_end,  // behind the closing quote
    size_lf,     // a chunk line's
    payload_cr,  // behind a chunk's payload
    payload_lf,
    trailer_begin,  // of a line: a field, or the empty line
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,  // the empty line's
    complete,
    bad,
  };

  Verdict verdict() const;
  Piece take_payload(size_t bytes);
  void take(uint8_t byte);
  void take_size(uint8_t byte);
  void take_extension(uint8_t byte);
  void take_trailer(uint8_t byte);
  void take_trailer_name(uint8_t byte);
  bool end_of_part(uint8_t byte);
  void end_chunk_line();
  void expect(uint8_t byte, uint8_t wanted, State next);
  void fail(int status, const char* reason);

  uint64_t left_ = 0;     // payload of this chunk, or of all
  uint64_t payload_ = 0;  // accepted
  BodyLimits limits_;
  const char* reason_ = "";
  uint32_t framing_bytes_ = 0;  // since the latest payload
  uint32_t names_ = 0;          // a bit for each name that this trailer may have and must not
  uint16_t status_ = 0;
  BodyFraming framing_;
  State state_;
  uint8_t digits_ = 0;   // of this chunk's size
  uint8_t name_at_ = 0;  // bytes of this trailer's name, saturating
};

}  // namespace sluice
