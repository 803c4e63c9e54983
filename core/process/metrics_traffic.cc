// What travels: messages, frames and bytes by route and side, and the proxy's own pings.
#include <array>
#include <string_view>

#include "core/process/metrics_writer.h"

namespace sluice {

namespace {

constexpr Buckets ping_buckets{.first = 6, .last = 24, .digits = 6};  // 64 us to 17 s

// A value's place in FrameCounts::Control.
constexpr const char* control_told[] = {"close", "ping", "pong"};

// Whom the frames from that side are for.
std::string_view target_of(std::string_view side) {
  return side == metric_sides[0] ? metric_sides[1] : metric_sides[0];
}

}  // namespace

// Sums that only grow are read in any order; what is queued or carried is a difference.
void RouteSums::Side::add(const TrafficCounters& traffic, bool masked) {
  queued += traffic.queued();
  payload += traffic.payload(masked);
  received += traffic.received();
  sent_on += traffic.sent();
  dropped += traffic.dropped.value();
  own += traffic.own.value();
  waited_ms += traffic.waited_ms.value();
  texts += traffic.frames.messages(FrameCounts::text);
  binaries += traffic.frames.messages(FrameCounts::binary);
  for (size_t i = 0; i < control.size(); ++i) {
    control[i] += traffic.frames.control(static_cast<FrameCounts::Control>(i));
  }
}

void MetricsWriter::write_messages() {
  text_.counter("sluice_messages", "WebSocket messages that began, by the side they came from.");
  each_side([this](std::string_view route, std::string_view from, const RouteSums::Side& sums) {
    text_.sample({{"route", route}, {"from", from}, {"type", "text"}}, sums.texts);
    text_.sample({{"route", route}, {"from", from}, {"type", "binary"}}, sums.binaries);
  });
  text_.counter("sluice_payload_bytes",
                "What messages carried, as it travels: compressed where it is, without the headers "
                "of frames.");
  each_side([this](std::string_view route, std::string_view from, const RouteSums::Side& sums) {
    text_.sample({{"route", route}, {"from", from}}, sums.payload);
  });
  text_.counter("sluice_control_frames",
                "Control frames that came; pongs to pings of the proxy's own are left out.");
  each_side([this](std::string_view route, std::string_view from, const RouteSums::Side& sums) {
    for (size_t i = 0; i < sums.control.size(); ++i) {
      text_.sample({{"route", route}, {"from", from}, {"type", control_told[i]}}, sums.control[i]);
    }
  });
}

void MetricsWriter::write_traffic() {
  text_.counter("sluice_received_bytes",
                "Bytes of WebSocket frames, headers included, that were accepted from each side.");
  each_side([this](std::string_view route, std::string_view side, const RouteSums::Side& sums) {
    text_.sample({{"route", route}, {"side", side}}, sums.received);
  });
  const auto write_toward = [this](const char* label, auto value) {
    each_side([&](std::string_view route, std::string_view from, const RouteSums::Side& sums) {
      text_.sample({{"route", route}, {label, target_of(from)}}, sums.*value);
    });
  };
  text_.counter("sluice_sent_bytes",
                "Bytes of WebSocket frames, headers included, that each side's connection took.");
  write_toward("side", &RouteSums::Side::sent_on);
  text_.counter("sluice_own_frame_bytes",
                "Bytes of the proxy's own frames, Closes and pings, beside those received.");
  write_toward("toward", &RouteSums::Side::own);
  text_.counter("sluice_dropped_bytes",
                "Bytes of frames that will never be sent, since that side or its session is gone.");
  write_toward("toward", &RouteSums::Side::dropped);
  text_.gauge("sluice_queued_bytes",
              "Bytes of frames that wait to be sent: received and own, less sent and dropped.");
  write_toward("toward", &RouteSums::Side::queued);
  text_.counter("sluice_backpressure_seconds",
                "How long sessions had bytes for a side that took none, summed over them.");
  each_side([this](std::string_view route, std::string_view from, const RouteSums::Side& sums) {
    text_.sample_fraction({{"route", route}, {"toward", target_of(from)}}, sums.waited_ms, 3);
  });
}

void MetricsWriter::write_pings() {
  text_.counter("sluice_pings", "Pings of the proxy's own.");
  text_.sample({{"side", metric_sides[0]}}, sum_of(&WorkerRow::pings_to_client));
  text_.sample({{"side", metric_sides[1]}}, sum_of(&WorkerRow::pings_to_upstream));
  text_.histogram("sluice_ping_rtt_seconds", "Until the pongs to them came.");
  DurationSums sums[2];
  for (const WorkerRow* row : workers_) {
    sums[0].add(row->client_round_trips);
    sums[1].add(row->upstream_round_trips);
  }
  for (size_t i = 0; i < 2; ++i) {
    text_.sample_histogram({{"side", metric_sides[i]}}, sums[i], ping_buckets);
  }
}

}  // namespace sluice
