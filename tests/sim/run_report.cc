// Run, what the worker says of itself: its logs, and its reports of what it lends and holds.
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "tests/sim/run.h"

namespace sluice::sim {

void Run::on_signal(int signal) {
  if (signal == SIGUSR2) expected_ = expect_report();
  if (signal == SIGTERM || signal == SIGQUIT) {
    listening_ = false;
    expect_goaway();
    for (const auto& session : sessions_) {
      if (session->visit != nullptr) session->visit->on_leaving();
    }
  }
  if (signal != SIGTERM) return;
  scenery_.climate.leaving_ns = world_.now_ns();
  for (const auto& session : sessions_) session->record->on_leaving();
}

ssize_t Run::on_error_log(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    take_report(bytes.substr(at, end - at));
    at = end + 1;
  }
  return static_cast<ssize_t>(bytes.size());
}

ssize_t Run::on_access_log(std::string_view bytes) {
  if (scenery_.broken_access_log) {
    if (world_.random.chance(50)) return -EAGAIN;
    return static_cast<ssize_t>(world_.random.between(1, bytes.size()));
  }
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = bytes.substr(at, end - at);
    opens_logged_ += line.find(" open id=") != std::string_view::npos;
    closes_logged_ += line.find(" close id=") != std::string_view::npos;
    at = end + 1;
  }
  return static_cast<ssize_t>(bytes.size());
}

void Run::take_report(std::string_view line) {
  const size_t at = line.find("sessions ");
  if (!report_asked_ || at == std::string_view::npos) return;
  unsigned long long v[9] = {};
  const int found = std::sscanf(std::string(line.substr(at)).c_str(),
                                "sessions %llu, relaying %llu, rings lent %llu, blocks lent %llu, "
                                "bytes lent %llu, pipes lent %llu, transits lent %llu, timers %llu,"
                                " bytes a session %*u, confs %llu",
                                &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8]);
  if (found != 9) return;
  report_asked_ = false;
  check_report(Report{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]});
}

Run::Expected Run::expect_report() const {
  Expected expected;
  for (const auto& line : lines_) {
    const bool lives = line->tap->lives();
    expected.live += lives && !line->tap->begun();  // a session that awaits the preface
    expected.lines += lives && line->tap->begun();
  }
  for (const auto& session : sessions_) {
    Record& record = *session->record;
    if (const Visit* const visit = session->visit.get(); visit != nullptr && visit->live()) {
      ++expected.live;
      if (visit->waiting()) continue;
      expected.rings += 2;  // both bodies at once
      expected.blocks += 2;
    }
    if (!record.live()) continue;
    ++expected.live;
    const bool unread = session->stream != nullptr && session->stream->leg().unread_by_proxy();
    expected.rings += unread;
    expected.blocks += unread;
    if (!record.relaying()) {
      expected.rings += record.relays_answer();  // a client may be slow to take its body
      continue;
    }
    for (const int side : {0, 1}) {
      const Lane& lane = record.lane_from(side);
      const bool waits = lane.undelivered() > 0 || record.closing() || record.limited();
      expected.rings += waits;
      const bool partial = lane.in().size() > lane.judge.accepted();
      expected.blocks += waits || partial;
      expected.transits += waits || partial || lane.judge.in_frame() || lane.judge.in_message();
    }
  }
  return expected;
}

// An idle session holds no ring and one timer; what nobody owns is lost.
void Run::check_report(const Report& report) {
  const uint64_t live = expected_.live;
  const std::string text =
      std::to_string(report.sessions) + " sessions, " + std::to_string(report.rings) + " rings, " +
      std::to_string(report.blocks) + " blocks, " + std::to_string(report.pipes) + " pipes, " +
      std::to_string(report.transits) + " transits, " + std::to_string(report.timers) + " timers";
  if (report.sessions != live) {
    world_.fail("the worker has " + text + ", live are " + std::to_string(live));
  }
  // Besides the sessions': stalls, leaving, a paused listener, old confs.
  if (report.timers < live || report.timers > live + expected_.lines + 5) {
    world_.fail("the worker has " + text + " for " + std::to_string(live));
  }
  if (report.rings + report.pipes > expected_.rings || report.blocks > expected_.blocks ||
      report.transits > expected_.transits) {
    world_.fail("idle sessions hold memory: " + text + ", " + std::to_string(expected_.rings) +
                " rings and " + std::to_string(expected_.transits) + " transits may be held");
  }
  const unsigned looks = scenery_.climate.drain_ns != 0 ? 1 : 0;  // for who comes late
  // The worker looks once a second whether anybody still has an older conf, as a line of HTTP/2
  // may.
  const bool old = http2_ && reloads_.any();
  if (final_report_ && report.timers > looks + expected_.lines + old)
    world_.fail("a timer is left: " + text);
  if (final_report_ && report.confs != 1 && !old)
    world_.fail("confs are left that no session holds");
}

}  // namespace sluice::sim
