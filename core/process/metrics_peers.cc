// Peers, names, and the conf.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/peers/peer_health.h"
#include "core/process/metrics_writer.h"

namespace sluice {

namespace {

// By PeerFailure.
constexpr const char* failures_told[peer_failures] = {"connect",        "tls",   "lost", "timeout",
                                                      "invalid_answer", "status"};

}  // namespace

void MetricsWriter::write_peers() {
  struct Told {
    const std::string* upstream;
    std::string peer;
    std::string server;
    PeerId id;
    bool checked;
  };
  std::vector<Told> peers;
  std::set<PeerId> once;
  for (const UpstreamConfig& upstream : from_.config.upstreams) {
    const bool checked = upstream.check.kind != CheckSettings::Kind::off;
    for (const PeerConfig& peer : peers_now(upstream, from_.members)) {
      if (!once.insert(peer.id).second || !board_.shares(peer.id)) continue;
      peers.push_back({&upstream.name, peer.name, text_of(peer.uri), peer.id, checked});
    }
  }
  const auto write = [this, &peers](auto value) {
    for (const Told& each : peers) {
      text_.sample({{"upstream", *each.upstream}, {"peer", each.peer}, {"server", each.server}},
                   value(each.id));
    }
  };
  text_.gauge("sluice_peer_up", "1: the peer gets sessions; 0: it is out for its failures.");
  write([this](PeerId id) -> uint64_t {
    return standing_of(board_.health(id), from_.now_ms) == Standing::up ? 1 : 0;
  });
  text_.gauge("sluice_peer_sessions_active", "Sessions with it, those that are dialling included.");
  write([this](PeerId id) -> uint64_t { return board_.active(id); });
  text_.gauge("sluice_peer_draining", "1: it gets no sessions, by an order to drain it.");
  write([this](PeerId id) -> uint64_t { return board_.health(id).draining.load() ? 1 : 0; });
  text_.counter(
      "sluice_peer_failures",
      "What failed of its sessions: to connect, TLS, before an answer (lost), in time, by "
      "an answer that is none, or by its status.");
  for (const Told& each : peers) {
    for (size_t i = 0; i < peer_failures; ++i) {
      text_.sample({{"upstream", *each.upstream},
                    {"peer", each.peer},
                    {"server", each.server},
                    {"reason", failures_told[i]}},
                   board_.health(each.id).failed_by[i].load());
    }
  }
  text_.counter("sluice_peer_outs", "How often it went out.");
  write([this](PeerId id) -> uint64_t { return board_.health(id).outs.load(); });
  text_.counter("sluice_peer_health_checks", "Checks of the peer that ended.");
  for (const Told& each : peers) {
    if (!each.checked) continue;
    const PeerHealth& health = board_.health(each.id);
    const uint64_t failed = health.failed_checks.load();
    const uint64_t made = std::max<uint64_t>(health.checks.load(), failed);
    for (const auto& [result, count] :
         {std::pair("passed", made - failed), std::pair("failed", failed)}) {
      text_.sample({{"upstream", *each.upstream},
                    {"peer", each.peer},
                    {"server", each.server},
                    {"result", result}},
                   count);
    }
  }
}

void MetricsWriter::write_names() {
  text_.counter("sluice_dns_queries", "Servers' names that were asked for, by what came of it.");
  text_.sample({{"result", "found"}}, from_.names.ok);
  text_.sample({{"result", "none"}}, from_.names.none);
  text_.sample({{"result", "failed"}}, from_.names.failed);
  text_.sample({{"result", "timeout"}}, from_.names.timed_out);
}

void MetricsWriter::write_conf() {
  const MasterRow& master = from_.rows.master();
  text_.counter("sluice_config_reloads", "Reloads of the conf.");
  text_.sample({{"result", "good"}}, master.reloads.value());
  text_.sample({{"result", "bad"}}, master.failed_reloads.value());
  text_.gauge("sluice_config_last_reload_successful", "Whether the latest one was good.");
  text_.sample({}, 1 - master.last_reload_failed.value());
  text_.gauge("sluice_config_last_reload_success_timestamp_seconds",
              "When the conf in force was loaded, since 1970.");
  text_.sample({}, master.last_reload_s.value());
  uint64_t confs = 1;
  for (const WorkerRow* row : workers_) confs = std::max(confs, row->confs.value());
  text_.gauge("sluice_config_generations_active",
              "Confs that are in use, those of older sessions among them: the most in any worker.");
  text_.sample({}, confs);
  text_.gauge("sluice_config_generation", "Its number, from 1 at the start.");
  text_.sample({}, master.generation.value());
}

}  // namespace sluice
