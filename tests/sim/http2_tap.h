// Http2Tap: one client's HTTP/2 connection at the proxy's end: which frames the proxy has read and
// sent there, what each stream has of its windows, and what must be true of that at any time. Its
// streams are connections of their own to whoever watches their sessions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "tests/sim/connection.h"
#include "tests/sim/http2_frames.h"

namespace sluice::sim {

class Http2Tap;

// One stream as a connection: what the proxy's session reads and sends there its observer is told.
class Http2Leg final : public Connection {
 public:
  Http2Leg(Http2Tap& tap, const Link& link, uint32_t number)
      : Connection(link, number, [](Connection&) {}), tap_(tap) {}

  Http2Tap& tap() { return tap_; }
  bool taken() const { return handed_ns != 0; }  // by a session
  bool dropped() const { return dropped_; }      // before one took it
  int32_t id() const { return id_; }
  void be(int32_t id) { id_ = id; }  // the client has opened it
  uint64_t payload_sent() const { return payload_sent_; }
  uint64_t payload_read() const { return payload_read_; }

  bool unread_by_proxy() const override;
  bool writable() const override;

  // --- for the proxy's stream, as it is watched
  void take();
  void told_input(std::string_view bytes);
  void told_end(int error);
  void told_output(std::string_view bytes);
  void told_send_error(int error);
  void told_event(Readiness ready);
  void ended_output();
  void part(Farewell how);

 private:
  bool take_head(std::string& head, std::string_view& bytes) const;

  Http2Tap& tap_;
  int32_t id_ = 0;
  std::string head_in_;   // up to its empty line
  std::string head_out_;  // of the final answer
  bool tunnel_ = false;
  bool end_told_ = false;
  bool dropped_ = false;
  uint64_t payload_read_ = 0;
  uint64_t payload_sent_ = 0;
};

// Who knows the streams of a connection.
class StreamWatch {
 public:
  virtual Http2Leg& leg_of(int32_t stream) = 0;

 protected:
  ~StreamWatch() = default;
};

class Http2Tap final : public Observer, public StreamWatch {
 public:
  struct Stream {
    Http2Leg* leg = nullptr;
    bool asked = false;  // its request was read
    bool ended_in = false;
    bool reset_in = false;
    bool ended_out = false;
    bool reset_out = false;
    uint64_t in = 0;  // payload of DATA
    uint64_t padding_in = 0;
    uint64_t out = 0;
    uint64_t granted = 0;  // by the client's WINDOW_UPDATEs that were read
    uint64_t opened = 0;   // by the proxy's
  };

  // Becomes the connection's observer.
  explicit Http2Tap(Connection& connection);

  // A stream that its client is about to open there.
  std::unique_ptr<Http2Leg> make_leg(const Link& link, uint32_t number) {
    return std::make_unique<Http2Leg>(*this, link, number);
  }
  void open(Http2Leg& leg, int32_t stream);
  Http2Leg& leg_of(int32_t stream) override;
  const Stream* find(int32_t stream) const;

  Connection& connection() { return connection_; }
  const Connection& connection() const { return connection_; }
  bool lives() const { return connection_.fd >= 0; }
  // Nothing that its client does there is read any more.
  bool over() const;
  bool begun() const { return begun_; }  // the proxy has answered in HTTP/2
  bool said_goaway() const { return goaway_ns_ != 0; }
  int32_t last_stream() const { return last_stream_; }
  // No WINDOW_UPDATE is awaited for either window.
  bool window_open(int32_t stream) const;
  // The proxy has to say GOAWAY from now on.
  void expect_goaway();

  void check_turn() const;
  void check_quiet() const;

  void on_recv(Connection& connection, std::string_view bytes) override;
  void on_input_end(Connection&, int) override { input_ended_ = true; }
  void on_send(Connection& connection, std::string_view bytes) override;
  void on_send_error(Connection&, int) override { broken_ = true; }
  void on_farewell(Connection&, Farewell) override {}
  void on_event(Connection&, Readiness) override {}

 private:
  struct Inward final : Http2FrameSink {
    explicit Inward(Http2Tap& whose) : tap(whose) {}
    void on_data(const Http2Frame& frame, size_t bytes, size_t padding) override;
    void on_frame(const Http2Frame& frame, std::string_view payload) override;
    Http2Tap& tap;
  };
  struct Outward final : Http2FrameSink {
    explicit Outward(Http2Tap& whose) : tap(whose) {}
    void on_data(const Http2Frame& frame, size_t bytes, size_t padding) override;
    void on_frame(const Http2Frame& frame, std::string_view payload) override;
    Http2Tap& tap;
  };

  void judge_window_update(int32_t stream, uint32_t more);
  void judge_goaway(std::string_view payload);
  void check_windows() const;
  [[noreturn]] void fail(const std::string& what) const;

  Connection& connection_;
  Inward inward_{*this};
  Outward outward_{*this};
  Http2Frames frames_in_{inward_, http2_preface_bytes};
  Http2Frames frames_out_{outward_, 0};
  std::map<int32_t, Stream> streams_;
  uint64_t introduction_left_;
  uint32_t client_window_ = 65'535;  // of a stream, as the proxy knows
  uint32_t proxy_window_ = 65'535;   // as it told
  uint64_t granted_ = 0;             // of the connection's
  uint64_t opened_ = 0;
  uint64_t first_opened_ = 0;  // to begin with, for nothing that came
  uint64_t in_ = 0;            // DATA with its padding
  uint64_t out_ = 0;
  uint64_t goaway_due_ns_ = 0;
  uint64_t goaway_ns_ = 0;
  int32_t last_stream_ = INT32_MAX;
  bool begun_ = false;
  bool http1_ = false;  // it was answered in HTTP/1.1
  bool input_ended_ = false;
  bool broken_ = false;
};

}  // namespace sluice::sim
