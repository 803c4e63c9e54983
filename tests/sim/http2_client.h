// Http2Client: a simulated client's HTTP/2 connection, by nghttp2 over a wire. Each of its streams
// is a wire to whoever speaks there, who writes a request of HTTP/1.1 and then bytes: an upgrade
// becomes an extended CONNECT (RFC 8441), what answers it is told as HTTP/1.1 again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/byte_queue.h"
#include "tests/sim/http2_plan.h"
#include "tests/sim/http2_tap.h"
#include "tests/sim/wire.h"

struct nghttp2_session;

namespace sluice::sim {

class Http2Client;

class Http2StreamWire final : public Wire {
 public:
  Http2StreamWire(Http2Client& client, std::unique_ptr<Http2Leg> leg)
      : Wire(*leg), client_(client), leg_(std::move(leg)) {}

  void attach(PeerEnd& user) override { user_ = &user; }
  void write(std::string_view bytes) override;
  void finish() override;
  void close_both() override;
  void reset() override;
  std::string read(size_t bytes) override;
  size_t unread() const override { return inbox_.size(); }
  void mark_urgent() override {}
  bool gone() const override { return gone_; }

  Http2Leg& leg() { return *leg_; }
  const Http2Leg& leg() const { return *leg_; }
  // No session has it, and none will.
  bool in_vain() const;
  // Behind its head; sent or not.
  const std::string& written() const { return written_; }
  bool got_end() const { return got_end_; }

 private:
  friend class Http2Client;
  friend struct Http2ClientCallbacks;

  bool asked() const { return leg_->id() != 0; }
  void fall();  // its connection is lost, or it was reset

  Http2Client& client_;
  std::unique_ptr<Http2Leg> leg_;
  PeerEnd* user_ = nullptr;
  std::string head_;  // of the request
  std::string written_;
  ByteQueue outbox_;
  ByteQueue inbox_;
  std::string answer_;       // the head that comes
  size_t head_unread_ = 0;   // of inbox_: what no window knows
  bool head_whole_ = false;  // of the request
  bool connects_ = false;    // it asks for a WebSocket
  bool finished_ = false;    // END_STREAM stands behind outbox_
  bool got_end_ = false;
  bool fell_ = false;
  bool gone_ = false;
  bool over_ = false;  // nghttp2 knows it no more
  // to be told its user
  bool bytes_news_ = false;
  bool end_news_ = false;
  bool fall_news_ = false;
};

class Http2Client final : private PeerEnd {
 public:
  // All three outlive it.
  Http2Client(Wire& wire, Http2Tap& tap, const Http2Plan& plan, uint64_t random_seed);
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;
  ~Http2Client() override;

  void start();
  // Another stream may be begun.
  bool usable() const { return !lost_ && !leaving_ && !frozen_; }
  Http2StreamWire& open(const Link& link, uint32_t number);
  Http2Tap& tap() { return tap_; }
  const Http2Tap& tap() const { return tap_; }

 private:
  friend class Http2StreamWire;
  friend struct Http2ClientCallbacks;

  void on_bytes() override;
  void on_fin() override;
  void on_reset() override;

  void read_some();
  void feed(std::string_view bytes);
  void flush();
  void send(std::string_view bytes);
  void cut();
  void plan_trouble();
  void chatter(unsigned left);
  void submit(Http2StreamWire& stream);
  void submit_waiting();
  void resume(Http2StreamWire& stream);
  void consume(Http2StreamWire& stream, size_t bytes);
  void reset(Http2StreamWire& stream);
  void tell_news_soon();
  void tell_news();
  void lose();
  void give_up_waiting();
  void leave_soon();
  bool has_streams() const;
  Http2StreamWire* stream_of(int32_t id) const;
  [[noreturn]] void fail(const std::string& what) const;

  Wire& wire_;
  Http2Tap& tap_;
  const Http2Plan& plan_;
  Random random_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Http2StreamWire>> streams_;
  std::map<int32_t, Http2StreamWire*> by_id_;
  uint64_t written_ = 0;
  bool started_ = false;
  bool settled_ = false;  // the proxy's SETTINGS are here
  bool leaving_ = false;  // no further streams: GOAWAY of either side
  bool lost_ = false;
  bool cut_ = false;
  bool frozen_ = false;
  bool stalled_ = false;
  bool news_due_ = false;
  bool leave_due_ = false;
};

}  // namespace sluice::sim
