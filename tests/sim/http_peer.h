// The two programs at the ends of plain requests: Visitor makes those of one connection, then lets
// another client go on there; Origin answers one of them. Both do what their plans say.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tests/sim/http_plan.h"
#include "tests/sim/http_reader.h"
#include "tests/sim/wire.h"

namespace sluice::sim {

// A wire with plain requests before its user's own bytes: the user hears of nothing that answers
// these.
class Visitor final : public Wire, private PeerEnd {
 public:
  // `begin_upgrade` is called when the user may write. Wire and plan outlive this.
  Visitor(Wire& wire, const VisitPlan& plan, std::string name, std::function<void()> begin_upgrade);

  void start() { schedule(0); }

  void attach(PeerEnd& user) override { user_ = &user; }
  void write(std::string_view bytes) override { wire_.write(bytes); }
  void finish() override { wire_.finish(); }
  void close_both() override { wire_.close_both(); }
  std::string read(size_t bytes) override;
  size_t unread() const override { return behind_.size() + wire_.unread(); }
  const TlsWire* tls() const override { return wire_.tls(); }

  const AnswerReader& answers() const { return answers_; }

 private:
  void on_bytes() override;
  void on_fin() override;
  void on_reset() override;

  void read_some();
  size_t readable() const;
  void schedule(uint64_t delay_ns);
  void step();
  bool may_write();
  void write_piece();
  void next_request();
  void end_plain();
  void begin_upgrade();
  void cut();
  void leave(Cut how);

  Wire& wire_;
  const VisitPlan& plan_;
  std::function<void()> begin_upgrade_;
  PeerEnd* user_ = nullptr;
  AnswerReader answers_;
  std::string behind_;  // received for the user
  size_t request_ = 0;
  size_t piece_ = 0;
  uint64_t written_ = 0;
  bool scheduled_ = false;
  bool reading_ = false;  // in a while
  bool waited_ = false;   // long enough for a 100
  bool upgraded_ = false;
  bool over_ = false;  // all is answered, and its user goes on
  bool ended_ = false;
  bool frozen_ = false;
};

// Fails the run where what reaches it is not the request, or looks whole and is not.
class Origin final : public PeerEnd {
 public:
  // `received` holds the request's head, and what came behind it. Wire and request outlive this.
  Origin(Wire& wire, const PlainRequest& request, std::string received);

  void on_bytes() override;
  void on_fin() override;
  void on_reset() override {}

  const TlsWire* tls() const { return wire_.tls(); }
  uint64_t body_bytes() const { return body_bytes_; }
  // Of its request's body, it leaves so much unread.
  size_t left_unread() const { return request_.body.size() - static_cast<size_t>(body_bytes_); }
  const PlainHead& head() const { return head_; }

 private:
  void judge_head();
  void take(std::string_view bytes);
  size_t readable() const;
  void schedule(uint64_t delay_ns);
  void step();
  void cut();
  [[noreturn]] void fail(const std::string& what) const;

  Wire& wire_;
  const PlainRequest& request_;
  const PlainAnswer& plan_;
  PlainHead head_;
  uint64_t body_bytes_ = 0;
  size_t piece_ = 0;
  uint64_t written_ = 0;
  bool scheduled_ = false;
  bool ended_ = false;
  bool frozen_ = false;
};

}  // namespace sluice::sim
