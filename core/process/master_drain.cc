// Master: parts that are drained, sessions that are listed or ended, and handshakes that are
// traced, as the control socket asks.
#include <utility>

#include "core/process/master.h"
#include "net/sys.h"

namespace sluice {

ControlAnswer Master::drain(const DrainRequest& request) {
  ControlAnswer answer = drains_.drain(request, *config_, ids_, sys::wall_clock_ms());
  if (answer.ok) send_drains();
  return answer;
}

ControlAnswer Master::undrain(const NamedPart& part) {
  ControlAnswer answer = drains_.undrain(part);
  if (answer.ok) send_drains();
  return answer;
}

// A worker that starts later inherits them.
void Master::send_drains() {
  crew_.send_to_all("drains", [this](uint32_t, ControlChannel& channel) {
    return sluice::send_drains(channel, drains_.orders());
  });
}

// Null until every worker has counted.
std::optional<uint64_t> Master::sessions_left(const DrainOrder& order) {
  uint64_t left = 0;
  for (uint32_t number = 0; number < crew_.places(); ++number) {
    const DrainGauges& told = rows_.row(number).drains[order.place];
    if (crew_.pid(number) == 0) continue;
    if (told.number.value() != order.number) return std::nullopt;
    left += told.left.value();
  }
  return left;
}

// What exists is judged by all confs so far, for sessions outlive theirs; a route by the conf in
// use, so that what may be a mistyped path is told as such and looked for all the same.
void Master::sessions(ControlTicket ticket, const SessionsRequest& request) {
  using By = SessionFilter::By;
  PageRequest page;
  page.filter = request.filter;
  std::string wrong;
  NamedPart named{Part::Kind::upstream, request.filter.value, ""};
  if (request.filter.by == By::route) named.kind = Part::Kind::route;
  if (request.filter.by == By::listener) named.kind = Part::Kind::listener;
  if (named.kind != Part::Kind::upstream || request.filter.by == By::upstream) {
    const Part part = find_part(named, *config_, ids_, wrong);
    page.upstream = part.upstream;
    page.listener = part.listener;
  }
  if (!wrong.empty() && request.filter.by != By::route) {
    return control_.answer(ticket, refusal(std::move(wrong)));
  }
  lists_.list(ticket, std::move(page), request.limit, std::move(wrong));
}

void Master::close_session(ControlTicket ticket, const CloseRequest& request) {
  PageRequest page;
  page.filter = {SessionFilter::By::id, request.id};
  page.code = request.code;
  page.reason = request.reason;
  lists_.close(ticket, std::move(page));
}

bool Master::ask_for_page(uint32_t number, const PageRequest& request) {
  return crew_.send_to(number, "a request for sessions", [&](ControlChannel& channel) {
    return send_page_request(channel, request);
  });
}

// What exists is judged as sessions() judges it.
void Master::trace(ControlTicket ticket, const TraceRequest& request) {
  TraceOrder order;
  order.handshakes = request.handshakes;
  order.lines = request.lines;
  order.client = request.client;
  order.route = request.route;
  order.host = request.host;
  order.path = request.path;
  std::string wrong;
  if (!request.upstream.empty()) {
    order.upstream =
        find_part({Part::Kind::upstream, request.upstream, ""}, *config_, ids_, wrong).upstream;
  }
  if (wrong.empty() && !request.listener.empty()) {
    order.listener =
        find_part({Part::Kind::listener, request.listener, ""}, *config_, ids_, wrong).listener;
  }
  if (!wrong.empty()) return control_.answer(ticket, refusal(std::move(wrong)));
  if (!request.route.empty()) {
    find_part({Part::Kind::route, request.route, ""}, *config_, ids_, wrong);
  }
  traces_.begin(ticket, std::move(order), request.for_ms, std::move(wrong));
}

bool Master::send_trace(uint32_t number, const TraceCommand& command) {
  return crew_.send_to(number, "a trace", [&](ControlChannel& channel) {
    return send_trace_command(channel, command);
  });
}

bool Master::on_worker_says(uint32_t number, const ControlMessage& message) {
  if (std::optional<TracePiece> piece = read_trace_piece(message)) {
    return traces_.on_piece(number, std::move(*piece));
  }
  std::optional<Page> page = read_page(message);
  if (!page) return false;
  return lists_.on_page(number, std::move(*page));
}

void Master::tell(ControlTicket ticket, std::string lines) {
  control_.tell(ticket, std::move(lines));
}

void Master::answer(ControlTicket ticket, std::string text) {
  control_.answer_with(ticket, std::move(text));
}

}  // namespace sluice
