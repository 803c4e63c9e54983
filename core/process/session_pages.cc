// Session pages: places stay where they are, so that a page goes on where the one before ended,
// whoever has come and gone meanwhile.
#include "core/process/session_pages.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/observe/json.h"
#include "core/session/session.h"
#include "net/printable.h"

namespace sluice {

namespace {

using By = SessionFilter::By;

constexpr size_t most_name_bytes = 200;  // of a route, a peer

bool relays(const Session& session) {
  return session.state() == Session::State::relaying || session.state() == Session::State::closing;
}

bool matches(const WorkerContext& context, const Session& session, const PageRequest& request) {
  const SessionFilter& filter = request.filter;
  switch (filter.by) {
    case By::all:
      return true;
    case By::upstream:
      return session.route()->upstream == request.upstream;
    case By::route:
      return session.route()->is_called(filter.value);
    case By::client:
      return session.client().host_text() == filter.value ||
             session.client().text() == filter.value;
    case By::listener:
      return session.listener().id == request.listener;
    case By::id:
      return context.id_text(session.number()) == filter.value;
  }
  return false;
}

// `rtt_us`: of that side, 0 where no ping of ours was answered.
Json way_status(const SessionRecord::Traffic& traffic, size_t queued, uint32_t rtt_us) {
  Json way = {{"messages", traffic.messages}, {"bytes", traffic.bytes}, {"queued", queued}};
  if (rtt_us > 0) way["rtt_us"] = rtt_us;
  return way;
}

std::string line_about(const Session& session) {
  const SessionRecord record = session.record();
  Json json;
  json["id"] = record.id;
  json["client"] = record.client;
  json["route"] = record.route.substr(0, most_name_bytes);
  json["peer"] = record.peer.substr(0, most_name_bytes);
  json["age_ms"] = record.duration_ms;
  json["idle_ms"] = session.idle_ms();
  json["from_client"] =
      way_status(record.from_client, session.queued_bytes(Side::client), record.client_rtt_us);
  json["from_upstream"] = way_status(record.from_upstream, session.queued_bytes(Side::upstream),
                                     record.upstream_rtt_us);
  return line_of(json) + "\n";
}

void end(WorkerContext& context, Session& session, const PageRequest& request) {
  context.log.error(LogLevel::notice,
                    "session " + context.id_text(session.number()) + " gets Close " +
                        std::to_string(request.code) + " by command" +
                        (request.reason.empty() ? "" : ": " + printable(request.reason)));
  // One that is told a second time has had its time.
  const bool first = session.state() == Session::State::relaying;
  session.leave(static_cast<CloseCode>(request.code), {EndKind::command, "closed by an operator"},
                first ? Boundary::message : Boundary::frame, request.reason);
}

}  // namespace

Page make_page(WorkerContext& context, const PageRequest& request) {
  Page page;
  page.list = request.list;
  page.text.reserve(Page::most_text_bytes);
  const uint32_t places = context.sessions.places();
  const uint32_t begin = std::min(request.place, places);
  const uint32_t stop = begin + std::min(places_a_page, places - begin);
  for (uint32_t place = begin; place < stop; ++place) {
    Session* const session = context.sessions.at(place);
    if (session == nullptr || !relays(*session) || !matches(context, *session, request)) continue;
    if (request.closes) {
      end(context, *session, request);
      ++page.closed;
      return page;
    }
    if (page.lines == request.lines) {
      ++page.left_out;
      continue;
    }
    const std::string line = line_about(*session);
    if (page.text.size() + line.size() > Page::most_text_bytes) {
      page.next = place;
      return page;
    }
    page.text += line;
    ++page.lines;
  }
  if (stop < places) page.next = stop;
  return page;
}

}  // namespace sluice
