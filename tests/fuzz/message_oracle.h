// A whole HTTP/1.1 message as a reader of a few lines understands it: lines, colons, a length or
// chunks. It knows nothing of llhttp and of BodyScanner.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::fuzz {

struct Message {
  std::string_view first_line;
  std::string payload;
};

// A chunked body as RFC 9112 7.1.3 decodes it, extensions and trailers skipped; none where it is
// not whole. `bytes` keeps what stands behind it.
std::optional<std::string> decode_chunked(std::string_view& bytes);

// The first message of `bytes`, which keeps what stands behind it; none where it is not whole or
// says in two ways where it ends. `answers_head`: none of them has a body. An answer of neither
// length nor chunks has all that is left.
std::optional<Message> read_message(std::string_view& bytes, bool is_answer, bool answers_head);

}  // namespace sluice::fuzz
