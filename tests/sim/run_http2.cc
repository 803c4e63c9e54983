// Run, clients that speak HTTP/2: which sessions are streams, and on which connections they meet.
#include <algorithm>
#include <string>

#include "tests/sim/run.h"

namespace sluice::sim {

namespace {

constexpr unsigned http2_percent = 80;  // of clients
constexpr uint32_t first_stream_number = 10'000;
// The least that holds what HTTP/2 begins with, which the proxy looks at before it reads it.
constexpr size_t least_receive_bytes = 64;

}  // namespace

// Before its record is made.
void Run::plan_stream(Session& session) {
  Link& link = session.client_link;
  link.proxy_receive_bytes = std::max(link.proxy_receive_bytes, least_receive_bytes);
  session.http2 = http2_plans_.chance(http2_percent);
  if (!session.http2) return;
  session.line_tls = std::exchange(session.plan.client.tls, std::nullopt);
  adapt_to_http2(http2_plans_, session.plan);
}

TlsWire& Run::secure_wire(const TlsHabits& habits, Connection& connection, bool http2) {
  SslPtr ssl = TlsGround::get().new_client(habits.certified, &resumable_);
  if (habits.resumes && resumable_ != nullptr) SSL_set_session(ssl.get(), resumable_.get());
  constexpr unsigned char only_http2[] = {2, 'h', '2'};
  if (http2) SSL_set_alpn_protos(ssl.get(), only_http2, sizeof only_http2);
  const bool refusable = scenery_.certificates_needed && !habits.certified;
  auto wire =
      std::make_unique<TlsWire>(connection, std::move(ssl), habits, refusable, tls_plans_.next());
  TlsWire& made = *wire;
  wires_.push_back(std::move(wire));
  return made;
}

// What all of them may have to say, each way.
uint64_t Run::streams_bytes() const {
  uint64_t sum = 0;
  for (const auto& session : sessions_) {
    if (!session->http2) continue;
    sum += session->plan.client.total_bytes() + session->plan.upstream.total_bytes() + 500;
  }
  return sum;
}

// How long what its streams bring may be on its way, with frames around it and windows to wait for.
uint64_t Run::line_way_ns(const Session& session, const Http2Plan& plan) const {
  const uint64_t bytes = streams_bytes();
  const uint64_t around = 9 + (plan.padding_percent > 0 ? 200 : 0);
  const uint64_t framed = bytes + (bytes / plan.most_frame_bytes + 20) * around;
  const uint64_t window =
      std::min(plan.window_bytes, config_.listeners[0].http2_stream_window_bytes);
  const Link& link = session.client_link;
  const uint64_t waits = (2 * bytes / window + 4) * 4 * (link.latency_ns + link.jitter_ns);
  return way_ns(session, tls_ ? 2 * framed + 10'000 : framed) + waits;
}

Run::Line& Run::open_line(Session& session) {
  Line& line = *lines_.emplace_back(std::make_unique<Line>());
  line.plan = make_http2_plan(http2_plans_, scenery_.room, streams_bytes());
  line.introduction = session.plan.introduction;
  line.way_ns = line_way_ns(session, line.plan);
  const auto from =
      Address::from_ip(balancer_host, static_cast<uint16_t>(20'000 + session.plan.number));
  Connection& connection = kernel_.connect_client(listener_, session.client_link, from.value());
  connection.introduction_bytes = line.introduction.bytes();
  TlsWire* tls = nullptr;
  if (session.line_tls) tls = &secure_wire(*session.line_tls, connection, /*http2=*/true);
  Wire& wire = tls != nullptr ? *tls : *wires_.emplace_back(std::make_unique<Wire>(connection));
  line.doomed = line.plan.spoils() || line.introduction.wrong ||
                (tls != nullptr && session.line_tls->trouble.kind != TlsTrouble::Kind::none);
  line.tap = std::make_unique<Http2Tap>(connection);
  line.client = std::make_unique<Http2Client>(wire, *line.tap, line.plan, http2_plans_.next());
  world_.note("HTTP/2 client #%lld connects", connection.number());
  introduce(line.introduction, connection, [&line, tls] {
    if (tls != nullptr) tls->start();
    line.client->start();
  });
  return line;
}

// On the latest connection, or on a new one where that takes no more.
void Run::connect_stream(Session& session) {
  const bool usable = !lines_.empty() && lines_.back()->client->usable();
  Line& line = usable ? *lines_.back() : open_line(session);
  session.plan.introduction = line.introduction;
  const uint64_t close_ns = session.record->route().close_timeout_ms * ms;
  const bool in_time = line.way_ns + 60 * ms < close_ns / 3;
  session.plan.strict = session.plan.strict && in_time && !line.doomed;
  session.stream =
      &line.client->open(session.client_link, first_stream_number + session.plan.number);
  session.client =
      std::make_unique<ClientPeer>(*session.stream, session.plan.client, true, plans_.next());
  session.record->attach_stream(*session.client, *session.stream, line.doomed);
  session.record->dial_statuses = dial_statuses(scenery_, session.record->route());
  session.record->guard_status =
      guards_.status_of(session.record->route(), std::to_string(session.plan.number));
  world_.note("session %lld: client #%lld, on #%lld", session.plan.number, session.stream->number(),
              line.tap->connection().number());
  session.client->start();
}

void Run::expect_goaway() {
  for (const auto& line : lines_) line->tap->expect_goaway();
}

}  // namespace sluice::sim
