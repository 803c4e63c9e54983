// Traces: what clients of the control socket want to see of handshakes. Each worker sends a piece
// and waits until it was told, so that a trace costs the master one piece a worker, however slowly
// its client reads; and one handshake's lines are told in one go.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "core/process/control_socket.h"
#include "core/process/trace_messages.h"
#include "core/session/one_timer.h"
#include "net/reactor.h"

namespace sluice {

// What the traces ask of the master.
class TracesOwner {
 public:
  virtual ~TracesOwner() = default;
  virtual uint32_t worker_places() const = 0;
  virtual pid_t worker_pid(uint32_t number) const = 0;  // 0: nobody has the place
  // Whether it is on its way.
  virtual bool send_trace(uint32_t number, const TraceCommand& command) = 0;
  virtual void tell(ControlTicket ticket, std::string lines) = 0;
  virtual void answer(ControlTicket ticket, std::string text) = 0;
};

class Traces final : public EventHandler {
 public:
  // Both outlive it.
  Traces(Reactor& reactor, TracesOwner& owner)
      : reactor_(reactor), id_(reactor.attach(*this)), owner_(owner) {}

  // `order` without number and until_ms. `warning` is told at the end; "": none.
  void begin(ControlTicket ticket, TraceOrder order, uint64_t for_ms, std::string warning);
  // Those in force, for a worker that starts now.
  std::vector<TraceOrder> orders() const;
  // False where nobody awaits such a piece of that worker.
  bool on_piece(uint32_t worker, TracePiece piece);
  // Both return whether the ticket is a trace's.
  bool on_taken(ControlTicket ticket);
  bool forget(ControlTicket ticket);
  // Workers may be gone.
  void on_crew_progress();
  size_t size() const { return traces_.size(); }

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  // A worker's piece that is still to be told.
  struct Waiting {
    uint32_t worker = 0;
    pid_t pid = 0;  // its process, which may have gone since
    TracePiece piece;
  };
  struct Trace {
    ControlTicket ticket;
    TraceOrder order;
    std::vector<Waiting> waiting{};  // one a process at most
    // Whose handshake is being told, of which further pieces come; its process.
    std::optional<uint32_t> speaker{};
    pid_t speaker_pid = 0;
    bool telling = false;  // the client has not taken what it was told
    bool over = false;     // it ends when that is taken
    uint32_t told = 0;     // handshakes
    uint64_t left_out = 0;
    uint32_t cut_off = 0;    // handshakes whose worker ended while they were told
    uint32_t unreached = 0;  // workers that the order did not reach
    std::string warning{};
    OneTimer timer{};
  };
  using Place = std::list<Trace>::iterator;

  Place find(ControlTicket ticket);
  void go_on(Place trace);
  std::vector<Waiting>::iterator next_of(Trace& trace);
  void end(Place trace);
  void erase(Place trace);
  static std::string end_text(const Trace& trace);

  Reactor& reactor_;
  Reactor::HandlerId id_;
  TracesOwner& owner_;
  std::list<Trace> traces_;  // as many as the control socket has clients, at most
  uint32_t last_number_ = 0;
};

}  // namespace sluice
