// What stands behind a command's word: which part is drained, which sessions are listed, which one
// is ended. Only words are judged here, not whether what they name exists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/session/drained.h"

namespace sluice {

// A part as whoever runs sluice names it.
struct NamedPart {
  Part::Kind kind = Part::Kind::upstream;
  std::string name;    // an upstream's name, a route's path, a listener's address
  std::string server;  // a server's URI, of one of the upstream
};
// "upstream backend server ws://10.0.0.1:80": as drain and undrain take it.
std::string text_of(const NamedPart& part);

struct DrainRequest {
  NamedPart part;
  std::optional<uint64_t> over_ms;  // none: drain_timeout
};

// Of which sessions a list is. All words are one kind each: sessions have a value for it.
struct SessionFilter {
  enum class By : uint8_t { all, upstream, route, client, listener, id };

  By by = By::all;
  std::string value;
};

struct SessionsRequest {
  static constexpr uint32_t default_limit = 100;
  static constexpr uint32_t most_limit = 100'000'000;

  SessionFilter filter;
  uint32_t limit = default_limit;  // sessions that are told of; the others are counted
};

// Of which of the next handshakes whoever asks wants to see the steps. All that is named must be
// so.
struct TraceRequest {
  static constexpr uint32_t most_handshakes = 1'000'000;
  static constexpr uint32_t most_lines = 100'000'000;

  std::string client;  // as sessions have it
  std::string route;   // a path
  std::string upstream;
  std::string listener;
  std::string host;  // lower case
  std::string path;
  uint32_t handshakes = 10;
  uint32_t lines = 5'000;  // that each worker keeps
  uint64_t for_ms = 600'000;
};

struct CloseRequest {
  std::string id;
  uint16_t code = 1001;
  std::string reason;  // UTF-8 of at most max_close_reason_bytes; "": none
};

// Each reads what is left of a line. "" where it is well-formed, else what is wrong with it, in
// less than 400 bytes.
std::string read_drain(std::string_view words, DrainRequest& request);
std::string read_undrain(std::string_view words, NamedPart& part);
std::string read_sessions(std::string_view words, SessionsRequest& request);
std::string read_trace(std::string_view words, TraceRequest& request);
std::string read_close(std::string_view words, CloseRequest& request);

// The next word of a line, which is taken from it; "" where none is left.
std::string_view take_word(std::string_view& line);

}  // namespace sluice
