// Master: a reload. A conf that is not wholly good changes nothing: it is loaded, its logs and
// sockets are opened, and only then it takes the old one's place.
#include <signal.h>

#include <algorithm>
#include <utility>

#include "core/conf/conf.h"
#include "core/conf/machine_inputs.h"
#include "core/conf/recording.h"
#include "core/process/keeper.h"
#include "core/process/master.h"
#include "net/sys.h"

namespace sluice {

namespace {

// A conf with its certificates and keys; more is a mistake.
constexpr size_t most_recorded_bytes = size_t{256} << 20;

}  // namespace

struct Master::Candidate {
  ConfigRef config;
  ConfIds ids;
  std::optional<ConfBundle> bundle;
  LogHandover logs;
  ControlAnswer outcome;
};

void Master::reload(ReloadDone done) {
  if (leaving_ != Leaving::no) return done(refusal("sluice is ending"));
  if (rollout_) {
    waiting_.push_back(std::move(done));
    return log_.error(LogLevel::notice,
                      "reload: it begins when the workers use the conf before it");
  }
  const uint64_t began_ms = sys::monotonic_ms();
  notify_.reloading();
  file_watch_.before_load();
  Candidate next = load_candidate();
  if (next.outcome.errors.empty()) open_for(next);
  for (const std::string& each : next.outcome.errors) log_.error(LogLevel::error, each);
  for (const std::string& each : next.outcome.warnings) log_.error(LogLevel::warn, each);
  next.outcome.ok = next.outcome.errors.empty();
  MasterRow& told = rows_.master();
  told.last_reload_failed.set(next.outcome.ok ? 0 : 1);
  if (!next.outcome.ok) {
    told.failed_reloads.add(1);
    log_.error(LogLevel::error, "reload: " + conf_path_ + " is bad; nothing changes");
    tell_ready();
    return done(next.outcome);
  }
  use(next);
  rollout_.emplace(Rollout{std::move(*next.bundle), std::move(next.outcome), {}, began_ms});
  rollout_->done.push_back(std::move(done));
  hand_out();
  crew_.start_missing();
  keeper_.crew().start_missing();
  on_crew_progress();  // there may be nobody to wait for
}

void Master::reload(ControlTicket ticket) {
  reload([this, ticket](const ControlAnswer& outcome) { control_.answer(ticket, outcome); });
}

Master::Candidate Master::load_candidate() {
  Candidate next;
  next.ids = ids_;
  MachineInputs machine(membership_.answers());
  RecordingInputs inputs(machine, most_recorded_bytes);
  ConfOptions options;
  options.ids = &next.ids;
  options.running = &*config_;
  options.tls_store = &tls_store_;
  ConfOutcome loaded = load_conf(conf_path_, options, inputs);
  for (const ConfError& error : loaded.errors) next.outcome.errors.push_back(error.text());
  next.outcome.warnings = std::move(loaded.warnings);
  if (loaded.config == nullptr) return next;
  next.config = ConfigRef(loaded.config.release());
  if (inputs.full()) {
    next.outcome.errors.push_back(conf_path_ + ": the files that it names hold more than " +
                                  std::to_string(most_recorded_bytes) + " bytes");
    return next;
  }
  Result<ConfBundle> bundle = ConfBundle::make(next.ids, inputs.bytes());
  if (bundle.ok()) {
    next.bundle.emplace(std::move(bundle.value()));
  } else {
    next.outcome.errors.push_back(bundle.fault().text());
  }
  return next;
}

// Opens what the machine has to give for that conf. Where something is missing nothing stays open.
void Master::open_for(Candidate& candidate) {
  std::vector<std::string>& errors = candidate.outcome.errors;
  errors = listeners_.open(*candidate.config, wanted_workers(*candidate.config));
  if (!errors.empty()) return;
  std::string wrong = admin_.open(candidate.config->admin);
  if (wrong.empty()) {
    wrong = open_logs(*candidate.config, candidate.logs, candidate.outcome.warnings);
  }
  if (wrong.empty()) return;
  errors.push_back(wrong);
  listeners_.roll_back();
  admin_.roll_back();
}

void Master::use(Candidate& candidate) {
  const ConfigRef old = std::exchange(config_, candidate.config);
  ids_ = candidate.ids;
  ++generation_;
  rows_.master().generation.set(generation_);
  rows_.master().reloads.add(1);
  rows_.master().last_reload_s.set(sys::wall_clock_ms() / 1000);
  tls_store_.forget_unused();
  const auto had = [&old](const ListenConfig& listener) {
    return std::any_of(old->listeners.begin(), old->listeners.end(),
                       [&](const ListenConfig& each) { return each.id == listener.id; });
  };
  for (const ListenConfig& each : config_->listeners) {
    if (!had(each)) log_.error(LogLevel::info, "listening on " + each.address.text());
  }
  // A gone listener's copies are closed here first: a worker closes its own after its last accept.
  crew_.set_size(wanted_workers(*config_));
  const bool all_told =
      !members_owed_ && !crew_.awaits(static_cast<uint16_t>(ControlKind::members));
  membership_.use_conf(*config_, generation_, all_told);
  members_owed_ = false;
  keeper_.want(needs_keeper(*config_));
  admin_.adopt(config_->admin, [this](int fd) { keeper_.send_admin(fd); });
  own_use_told_.want(config_->admin.has_value());
  watch_name_files();
  challenge_watch_.use(config_->acme_dir);
  for (const std::string& each : listeners_.adopt(*config_, crew_.size())) {
    log_.error(LogLevel::warn, each);
    candidate.outcome.warnings.push_back(each);
  }
  log_.set_level(config_->error_log.level);
  use_logs(std::move(candidate.logs));
  watch_certificates();
  if (old->tls_ticket_lifetime_ms != config_->tls_ticket_lifetime_ms || rotation_ == 0) {
    plan_rotation();
  }
}

void Master::hand_out() {
  const ConfTerms terms{generation_, crew_.size(), buffer_memory()};
  crew_.send_to_all("the conf", [&](uint32_t number, ControlChannel& channel) {
    return send_conf(channel, terms, listeners_.of_worker(number), rollout_->bundle.fd(),
                     rollout_->bundle.bytes());
  });
  keeper_.send_conf(generation_, rollout_->bundle);
}

// Until the last session has gone the admin address tells how many there are, and that we are not
// ready.
void Master::end_keeper_behind_workers() {
  if (leaving_ == Leaving::when_empty && !crew_.any_alive()) keeper_.crew().signal_all(SIGTERM);
}

// Ends a rollout with the last acknowledgement, or with the last worker that owed one. A worker's
// successor has the new conf from its start on; where the master leaves there is none.
void Master::on_crew_progress() {
  end_if_hopeless();
  end_keeper_behind_workers();
  lists_.on_crew_progress();
  traces_.on_crew_progress();
  if (!rollout_ || crew_.awaits(static_cast<uint16_t>(ControlKind::conf))) return;
  if (keeper_.awaits_conf()) return;
  if (leaving_ != Leaving::no) {
    return refuse_reloads("sluice ended before all workers used the conf");
  }
  const Rollout ended = std::move(*rollout_);
  rollout_.reset();
  log_.error(LogLevel::notice, "reload: " + conf_path_ + " is in use as generation " +
                                   std::to_string(generation_) + ", after " +
                                   std::to_string(sys::monotonic_ms() - ended.began_ms) + " ms");
  tell_ready();
  for (const ReloadDone& each : ended.done) each(ended.outcome);
  if (waiting_.empty()) return;
  // One reload answers all that came meanwhile.
  const std::vector<ReloadDone> waiting = std::exchange(waiting_, {});
  reload([waiting](const ControlAnswer& outcome) {
    for (const ReloadDone& each : waiting) each(outcome);
  });
}

void Master::refuse_reloads(const std::string& why) {
  const Rollout ended = std::move(*rollout_);
  rollout_.reset();
  const std::vector<ReloadDone> waiting = std::exchange(waiting_, {});
  for (const ReloadDone& each : ended.done) each(refusal(why));
  for (const ReloadDone& each : waiting) each(refusal(why));
}

}  // namespace sluice
