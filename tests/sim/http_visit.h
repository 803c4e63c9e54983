// Visit: the plain requests on one client's connection as the kernel saw them, and the judgement of
// them. Where an upgrade follows, the record of its session is told the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "tests/sim/connection.h"
#include "tests/sim/http_peer.h"
#include "tests/sim/http_plan.h"
#include "tests/sim/http_reader.h"
#include "tests/sim/record.h"

namespace sluice::sim {

class Visit final : public Observer {
 public:
  // What is known before it begins.
  struct Circumstances {
    bool strict = true;               // buffers and times permit exact expectations
    bool patient = true;              // its client reads, and leaves no sooner than it says
    bool reloaded = false;            // a newer conf may end kept connections at any time
    std::vector<bool> sure_routes;    // by route: each of its servers can be reached
    std::vector<int> guard_statuses;  // by request: what its guard makes of it, 0: it lets it in
    std::string forwarded_for;        // what upstreams are told of the client
    uint64_t introduction_bytes = 0;  // a balancer's, before the client's first
  };

  // The plan and what the references lead to outlive this.
  Visit(const VisitPlan& plan, const Config& config, const Climate& climate,
        Circumstances circumstances);

  // `upgrading` makes the upgrade, if any, of which `record` is told.
  void attach_client(Visitor& visitor, ClientPeer& upgrading, Record& record);
  void start() { visitor_->start(); }
  // A request with that number has reached a server, which answers it unless it is deaf.
  void note_asked(const Connection& connection, size_t number);
  // `on_kept` takes over where another request may come on the connection: behind what the server
  // left unread of this one, if it has not ended.
  using OnKept = std::function<void(Wire& wire, size_t unread, bool ended)>;
  void answer(Doorman& doorman, size_t number, OnKept on_kept);
  // From whom it comes, as far as the proxy can know.
  std::string client_of(size_t number) const;

  void on_recv(Connection& connection, std::string_view bytes) override;
  void on_input_end(Connection& connection, int error) override;
  void on_send(Connection& connection, std::string_view bytes) override;
  void on_send_error(Connection& connection, int error) override;
  void on_farewell(Connection& connection, Farewell farewell) override;
  void on_event(Connection&, Readiness) override {}

  // --- for the watch -----------------------------------------------------------------------------
  bool accepted() const { return connection_ != nullptr && connection_->handed_ns != 0; }
  bool live() const;  // the proxy holds one of its descriptors, and no session has it
  bool over() const { return accepted() && !handed_over_ && !live(); }
  bool handed_over() const { return handed_over_; }
  // Between two requests it holds no memory but its session's.
  bool waiting() const;
  const AnswerReader& sent() const { return sent_; }
  void on_leaving() { disturbed_ = disturbed_ || !over(); }
  void check_turn() const;   // at the end of a turn: deadlines
  void check_quiet() const;  // nothing is ready: is anything forgotten?
  void judge() const;        // at the end

 private:
  struct Leg {  // of one request, to one server
    Connection* connection;
    size_t request;
    std::unique_ptr<Origin> origin;
    Wire* wire = nullptr;
    OnKept on_kept = {};
    bool told_to_end = false;  // the server was, behind its answer
    bool kept = false;         // another request may go there: it is not this visit's any more
    uint64_t body_out = 0;
    uint64_t in = 0;
    uint64_t asked_ns = 0;       // something of the request last went out
    bool asked_in_time = false;  // all of it, before the answer came
    bool ended = false;          // in order
  };

  const ListenConfig& listener() const { return config_.listeners[0]; }
  const RouteConfig& route_of(size_t request) const {
    return config_.routes[plan_.requests[request].route];
  }
  Leg* leg_at(const Connection& connection);
  const Leg* leg_of(size_t request) const;  // the latest
  uint64_t begin_of(size_t request) const {
    return request == 0 ? 0 : plan_.bytes_until_end(request - 1);
  }
  bool calm() const;
  void on_client_sent(std::string_view bytes);
  void hand_over();
  void judge_keeping(size_t request) const;
  void judge_own_time(size_t request) const;
  void judge_told(Leg& leg) const;
  bool may_be_kept(const Leg& leg) const;
  void release(size_t request);
  void judge_forwarded(const Origin& origin, size_t request) const;
  void check_exchange(const Leg& leg) const;
  std::vector<int> permitted(size_t request) const;
  bool excused(size_t request) const;
  void judge_endless() const;
  [[noreturn]] void fail(const std::string& what) const;

  const VisitPlan& plan_;
  const Config& config_;
  const Climate& climate_;
  const Circumstances circumstances_;
  AnswerReader sent_;
  Visitor* visitor_ = nullptr;
  ClientPeer* upgrading_ = nullptr;
  Record* record_ = nullptr;
  Connection* connection_ = nullptr;
  std::vector<Leg> legs_;
  std::vector<int> times_asked_;  // by request
  std::string early_;             // read behind the last request
  uint64_t introduction_left_;
  uint64_t received_ = 0;
  uint64_t moved_ns_ = 0;
  uint64_t body_moved_ns_ = 0;  // something of a request was received
  uint64_t answered_ns_ = 0;    // an answer was whole
  uint64_t farewell_ns_ = 0;
  Farewell farewell_ = Farewell::none;
  bool input_ended_ = false;
  bool client_gone_ = false;
  bool handed_over_ = false;
  bool disturbed_ = false;
};

}  // namespace sluice::sim
