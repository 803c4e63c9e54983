// Traces: pieces wait for the client, never the other way round.
#include "core/process/traces.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/observe/json.h"

namespace sluice {

using Verb = TraceCommand::Verb;

void Traces::begin(ControlTicket ticket, TraceOrder order, uint64_t for_ms, std::string warning) {
  order.number = ++last_number_;
  reactor_.update_clock();
  order.until_ms = reactor_.now_ms() + for_ms;
  Trace& trace = traces_.emplace_back();
  trace.ticket = ticket;
  trace.order = std::move(order);
  trace.warning = std::move(warning);
  for (uint32_t worker = 0; worker < owner_.worker_places(); ++worker) {
    if (owner_.worker_pid(worker) == 0) continue;  // it inherits the order when it starts
    if (!owner_.send_trace(worker, {Verb::begin, trace.order})) ++trace.unreached;
  }
  trace.timer.arm(reactor_, id_, Handle{trace.order.number, 1}, for_ms);
}

std::vector<TraceOrder> Traces::orders() const {
  std::vector<TraceOrder> orders;
  for (const Trace& each : traces_) orders.push_back(each.order);
  return orders;
}

Traces::Place Traces::find(ControlTicket ticket) {
  return std::find_if(traces_.begin(), traces_.end(),
                      [ticket](const Trace& each) { return each.ticket.client == ticket.client; });
}

bool Traces::on_piece(uint32_t worker, TracePiece piece) {
  const auto trace = std::find_if(traces_.begin(), traces_.end(), [&piece](const Trace& each) {
    return each.order.number == piece.order;
  });
  if (trace == traces_.end()) return piece.order <= last_number_;  // that one has ended meanwhile
  const pid_t pid = owner_.worker_pid(worker);
  if (std::any_of(trace->waiting.begin(), trace->waiting.end(),
                  [pid](const Waiting& each) { return each.pid == pid; })) {
    return false;
  }
  trace->waiting.push_back({worker, pid, std::move(piece)});
  go_on(trace);
  return true;
}

bool Traces::on_taken(ControlTicket ticket) {
  const Place trace = find(ticket);
  if (trace == traces_.end()) return false;
  trace->telling = false;
  go_on(trace);
  return true;
}

// The next piece, of whoever speaks, else of whoever was first.
std::vector<Traces::Waiting>::iterator Traces::next_of(Trace& trace) {
  if (!trace.speaker) return trace.waiting.begin();
  const auto next =
      std::find_if(trace.waiting.begin(), trace.waiting.end(),
                   [&trace](const Waiting& each) { return each.pid == trace.speaker_pid; });
  if (next != trace.waiting.end() || owner_.worker_pid(*trace.speaker) == trace.speaker_pid) {
    return next;
  }
  trace.speaker.reset();
  ++trace.cut_off;
  return trace.waiting.begin();
}

void Traces::go_on(Place trace) {
  if (trace->telling) return;
  if (trace->over) return end(trace);
  const auto next = next_of(*trace);
  if (next == trace->waiting.end()) return;
  Waiting told = std::move(*next);
  trace->waiting.erase(next);
  trace->left_out += told.piece.left_out;
  trace->speaker.reset();
  if (told.piece.whole) {
    trace->over = ++trace->told >= trace->order.handshakes;
  } else {
    trace->speaker = told.worker;
    trace->speaker_pid = told.pid;
  }
  trace->telling = true;
  TraceOrder named;
  named.number = trace->order.number;
  if (owner_.worker_pid(told.worker) == told.pid) {
    owner_.send_trace(told.worker, {Verb::more, named});
  }
  owner_.tell(trace->ticket, std::move(told.piece.text));
}

void Traces::on_crew_progress() {
  for (auto trace = traces_.begin(); trace != traces_.end();) go_on(trace++);
}

void Traces::on_timer(Handle handle, unsigned) {
  const auto trace = std::find_if(traces_.begin(), traces_.end(), [handle](const Trace& each) {
    return each.order.number == handle.index;
  });
  if (trace == traces_.end()) return;
  trace->timer.expired();
  trace->over = true;
  go_on(trace);
}

bool Traces::forget(ControlTicket ticket) {
  const Place trace = find(ticket);
  if (trace == traces_.end()) return false;
  erase(trace);
  return true;
}

void Traces::erase(Place trace) {
  TraceOrder named;
  named.number = trace->order.number;
  for (uint32_t worker = 0; worker < owner_.worker_places(); ++worker) {
    if (owner_.worker_pid(worker) != 0) owner_.send_trace(worker, {Verb::end, named});
  }
  trace->timer.cancel(reactor_);
  traces_.erase(trace);
}

void Traces::end(Place trace) {
  const ControlTicket ticket = trace->ticket;
  std::string text = end_text(*trace);
  erase(trace);
  owner_.answer(ticket, std::move(text));
}

std::string Traces::end_text(const Trace& trace) {
  Json json;
  json["ok"] = true;
  json["handshakes"] = trace.told;
  const auto warn = [&json](std::string text) { json["warnings"].push_back(std::move(text)); };
  if (!trace.warning.empty()) warn(trace.warning);
  if (trace.left_out > 0) {
    warn(std::to_string(trace.left_out) +
         " handshakes could not be observed for want of lines: lines=N keeps more");
  }
  if (trace.cut_off > 0) {
    warn(std::to_string(trace.cut_off) + " handshakes break off, because their worker ended");
  }
  if (trace.unreached > 0) {
    warn(std::to_string(trace.unreached) +
         " of the workers could not be told, as the error log says: handshakes of theirs lack");
  }
  return line_of(json) + "\n";
}

}  // namespace sluice
