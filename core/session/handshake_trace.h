// HandshakeTrace: one handshake under observation, from its first byte to its verdict. It exists
// only while somebody traces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/session/tracer.h"

namespace sluice {

// What is noted is a stranger's as well: it is written in printable ASCII, and cut. Whoever notes
// has masked what may be secret (masked_head.h). Nothing here throws: what memory is short for is
// left out.
class HandshakeTrace {
 public:
  static constexpr size_t most_text_bytes = 512;  // of a line, so that a message has room for it

  // The tracer outlives it. `id` is the session's, whose client was accepted so long ago.
  HandshakeTrace(Tracer& tracer, std::string id, uint64_t accepted_ago_ms);
  HandshakeTrace(const HandshakeTrace&) = delete;
  HandshakeTrace& operator=(const HandshakeTrace&) = delete;
  // Hands it to the orders that it matches.
  ~HandshakeTrace();

  // `step` is static text: "accept", "tls", "request", "route", "peer", "sent", "answer",
  // "verdict". With the time since the client was accepted.
  void note(const char* step, std::string_view text) noexcept;
  // The same with "NAME: " before the text.
  void note_about(const char* step, std::string_view name, std::string_view text) noexcept;
  // The same at that time.
  void note_at(uint64_t since_us, const char* step, std::string_view text) noexcept;
  uint64_t since_us() const;

  TraceFacts facts;
  // Something could not be noted, because memory was short.
  void lose() noexcept { ++left_out_; }

  // All facts are known. Where no order wants it nothing more is kept.
  void judge() noexcept;
  // It is none that anybody wants; nothing more is kept.
  void dismiss() noexcept;
  bool wanted() const { return !unwanted_; }

 private:
  Tracer& tracer_;
  std::string id_;
  uint64_t accepted_ns_;
  std::string text_;
  uint32_t lines_ = 0;
  uint32_t left_out_ = 0;
  bool unwanted_ = false;
};

}  // namespace sluice
