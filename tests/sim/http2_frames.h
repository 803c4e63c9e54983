// Http2Frames: what passes one way over an HTTP/2 connection, cut into frames by their headers
// alone (RFC 9113 4.1), so that it owes nothing to nghttp2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::sim {

// What every client says first (RFC 9113 3.4).
inline constexpr size_t http2_preface_bytes = 24;

struct Http2Frame {
  enum Type : uint8_t {
    data = 0,
    headers = 1,
    rst_stream = 3,
    settings = 4,
    goaway = 7,
    window_update = 8,
  };
  static constexpr uint8_t end_stream = 0x1;  // of DATA and HEADERS
  static constexpr uint8_t ack = 0x1;         // of SETTINGS
  static constexpr uint8_t padded = 0x8;

  size_t length = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  int32_t stream = 0;

  bool ends_stream() const {
    return (type == data || type == headers) && (flags & end_stream) != 0;
  }
};

class Http2FrameSink {
 public:
  // DATA, as it comes: so many bytes of payload, and so many of padding around it.
  virtual void on_data(const Http2Frame& frame, size_t bytes, size_t padding) = 0;
  // It is whole. `payload` is empty for DATA.
  virtual void on_frame(const Http2Frame& frame, std::string_view payload) = 0;

 protected:
  ~Http2FrameSink() = default;
};

class Http2Frames {
 public:
  // The first `skipped` bytes are no frames.
  Http2Frames(Http2FrameSink& sink, size_t skipped) : sink_(sink), skipped_(skipped) {}

  void feed(std::string_view bytes);
  bool at_boundary() const { return header_.empty(); }

 private:
  bool take_header(std::string_view& bytes);
  void take_payload(std::string_view& bytes);
  void take_data(std::string_view part);
  void finish();

  Http2FrameSink& sink_;
  size_t skipped_;
  std::string header_;
  std::string payload_;
  Http2Frame frame_;
  size_t taken_ = 0;    // of the frame's payload
  size_t padding_ = 0;  // behind a frame of DATA
};

// The number of four bytes there.
uint32_t http2_number(std::string_view bytes, size_t at);

}  // namespace sluice::sim
