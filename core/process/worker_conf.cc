// Worker: how a new conf takes the place of the old one. Sessions are not touched: each holds the
// conf that it began with.
#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "core/process/worker.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr uint64_t conf_look_ms = 1'000;  // between looks for confs that no session holds

uint32_t random_seed() {
  uint32_t seed = 0;
  sys::random_bytes(&seed, sizeof seed);
  return seed;
}

// The upstream with the peers that its names lead to.
UpstreamConfig now(const UpstreamConfig& upstream, const Members& members) {
  UpstreamConfig fresh = upstream;
  if (!upstream.named.empty()) fresh.peers = peers_now(upstream, members);
  return fresh;
}

}  // namespace

void Worker::on_conf_part(const ConfPart& part, uint32_t sequence) {
  reload_.take(part, sequence, context_.config);
  if (part.bundle < 0) master_->answer_conf(sequence, ControlChannel::Answer::taken);
}

// A conf that cannot be used now comes again: the master waits for it.
void Worker::on_reload_end(uint32_t sequence, const std::string& why) {
  const bool adopted = why.empty();
  if (!adopted) {
    log_.recurring(LogLevel::error, "reload",
                   "worker " + std::to_string(number_) +
                       " keeps the old conf, and tries the new one again: " + why);
  }
  master_->answer_conf(sequence,
                       adopted ? ControlChannel::Answer::taken : ControlChannel::Answer::not_now);
}

// What may fail for lack of memory comes first. Called again with the same conf, it goes on where
// it failed.
bool Worker::adopt(LoadedConf& loaded) {
  const Config& config = *loaded.config;
  std::vector<uint32_t> places;
  note_listeners(config, places);
  old_confs_.reserve(old_confs_.size() + 1);
  // Where names lead may have been told before the conf was ready.
  Members members;
  if (later_members_.generation == loaded.terms.generation) members = later_members_;
  bool any_gone = upstreams_.mark_gone(config, drains_.next_wave());
  for (const UpstreamConfig& upstream : config.upstreams) {
    if (!upstream.named.empty())
      any_gone = upstreams_.mark_gone(now(upstream, members), drains_.next_wave()) || any_gone;
  }
  if (any_gone) drains_.drain_gone(config.drain_timeout_ms);
  add_upstreams(config, members);
  drains_.mark_peers();
  // Clients that are queued on a listener that goes came to the old conf.
  if (!leaving_) sockets_.keep(loaded.sockets, config);
  old_confs_.push_back(std::exchange(context_.config, loaded.config));
  listener_places_.swap(places);
  if (!leaving_) {
    if (const Status added = sockets_.add(loaded.sockets, config); !added.ok()) {
      log_.error(LogLevel::error, "a listener cannot be watched: " + added.fault().text());
      return false;
    }
  }
  sockets_.limit(config);
  retired_ = number_ >= loaded.terms.workers;
  note_routes(config);
  context_.leaving = leaving_ || retired_;
  http2_.shut_down(/*at_once=*/false);  // what they ask next, they ask the new conf
  http2_peers_.retire_all();
  context_.upstream_pool.close_all();  // the new conf may speak otherwise to the same peers
  row_.pid.set(context_.leaving ? 0 : static_cast<uint64_t>(sys::process_id()));
  buffers_.set_most_bytes(loaded.terms.buffer_memory_bytes);
  log_.set_level(config.error_log.level);
  if (const Status bounded = bound_sessions(config); !bounded.ok()) {
    log_.error(LogLevel::error, "worker_connections stays as it was: " + bounded.fault().text());
  }
  generation_ = loaded.terms.generation;
  drains_.watch_health(watches_health(config));
  want_gauges();
  members_ = std::move(members);
  drop_old_confs();
  return true;
}

// A peer's number may be another's by now: nobody may hold the one that it was.
void Worker::drop_unused_connections() {
  http2_peers_.end_idle();
  context_.upstream_pool.close_all();
}

void Worker::add_upstreams(const Config& config, const Members& members) {
  drop_unused_connections();
  for (const UpstreamConfig& upstream : config.upstreams) {
    upstreams_.add(now(upstream, members), random_seed());
  }
}

void Worker::on_members(const Members& members) {
  if (members.generation == generation_) return use_members(members);
  later_members_ = members;
}

// Each upstream whose members changed takes its own place, as at a reload.
void Worker::use_members(const Members& members) {
  bool any_changed = false;
  for (const UpstreamConfig& upstream : context_.config->upstreams) {
    if (upstream.named.empty() || same_members(upstream.id, members, members_)) continue;
    if (!any_changed) drop_unused_connections();
    const UpstreamConfig fresh = now(upstream, members);
    if (upstreams_.mark_gone(fresh, drains_.next_wave()))
      drains_.drain_gone(context_.config->drain_timeout_ms);
    upstreams_.add(fresh, random_seed());
    any_changed = true;
  }
  members_ = members;
  if (any_changed) drains_.mark_peers();
}

// Workers ask nobody for names.
void Worker::on_name_files(const NameFiles& files) {
  for (const int fd : {files.hosts, files.resolv_conf}) {
    if (fd >= 0) sys::close(fd);
  }
}

// It is the keeper's.
void Worker::on_admin(int fd) {
  if (fd >= 0) sys::close(fd);
}

// Who sums the rows looks no further: memory that nobody wrote would become real by being read.
void Worker::note_routes(const Config& config) {
  uint64_t rows = std::max<uint64_t>(row_.routes.value(), LabelRows::first_route);
  for (const RouteConfig& route : config.routes) {
    rows = std::max<uint64_t>(rows, LabelRows::place_of(route.id) + 1);
  }
  row_.routes.set(std::min<uint64_t>(rows, context_.labels.routes.size()));
}

// By ListenerId, the place of each listener in the conf.
void Worker::note_listeners(const Config& config, std::vector<uint32_t>& places) const {
  for (uint32_t place = 0; place < config.listeners.size(); ++place) {
    const auto id = static_cast<size_t>(config.listeners[place].id);
    if (id >= places.size()) places.resize(id + 1);
    places[id] = place;
  }
}

// Forgets the confs that no session holds any more, and the upstreams that they alone had.
void Worker::drop_old_confs() {
  drop_unused_confs();
  row_.confs.set(old_confs_.size() + 1);
}

void Worker::drop_unused_confs() {
  if (old_confs_.empty()) return;
  const size_t before = old_confs_.size();
  for (ConfigRef& each : old_confs_) {
    std::unique_ptr<Config> last = each.take_last();
    if (last != nullptr) attempt([&] { reload_.bury(std::move(last)); });
  }
  std::erase_if(old_confs_, [](const ConfigRef& each) { return !each; });
  if (old_confs_.size() < before) {
    upstreams_.keep_only([this](UpstreamId id) {
      const auto has = [id](const ConfigRef& each) { return each->find_upstream(id) != nullptr; };
      return has(context_.config) || std::any_of(old_confs_.begin(), old_confs_.end(), has);
    });
  }
  if (old_confs_.empty() || conf_timer_armed_) return;
  attempt([this] {
    arm(conf_look_ms, OwnTimer::confs);
    conf_timer_armed_ = true;
  });
}

}  // namespace sluice
