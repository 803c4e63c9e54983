// Pages are made when they are asked for, and kept by nobody; only totals are noted.
#include "core/process/admin_pages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/conf/conf_ids.h"
#include "core/peers/peer_health.h"
#include "core/process/admin_page.h"
#include "core/process/overview.h"
#include "net/sys.h"

namespace sluice {

namespace {

void name(std::vector<std::string>& labels, size_t id, const std::string& label) {
  if (labels.size() <= id) labels.resize(id + 1);
  labels[id] = label;
}

AdminAnswer verdict(const std::string& why_not) {
  if (why_not.empty()) return {.body = "ok\n"};
  return {.status = 503, .body = why_not + "\n"};
}

}  // namespace

KeeperPages::KeeperPages(const CounterRows* rows, PeerBoard::Memory peers,
                         std::vector<std::string> routes, std::vector<std::string> listeners,
                         const NameCounts* names)
    : rows_(rows),
      peers_(peers),
      routes_(std::move(routes)),
      listeners_(std::move(listeners)),
      names_(names) {}

void KeeperPages::use(const Config& config, const Members& members) {
  for (const RouteConfig& route : config.routes) {
    name(routes_, static_cast<size_t>(route.id), label_of(route));
  }
  for (const ListenConfig& each : config.listeners) {
    name(listeners_, static_cast<size_t>(each.id), each.address.text());
  }
  members_ = members;
  config_ = &config;
}

AdminAnswer KeeperPages::answer(const AdminRequest& request) {
  if (rows_ == nullptr || config_ == nullptr) return verdict("there is nothing to tell");
  switch (request.page) {
    case AdminPage::page:
      return {.content_type = "text/html; charset=utf-8",
              .body = std::string(admin_page()),
              .policy = admin_page_policy()};
    case AdminPage::events:  // are told one by one
      break;
    case AdminPage::health:
      return verdict(unhealthy());
    case AdminPage::ready:
      return verdict(unready());
    case AdminPage::status:
      return {.content_type = "application/json", .body = status() + "\n"};
    case AdminPage::metrics:
      return {.content_type = content_type_of(request.format),
              .body = metrics_text(sources(), request.format)};
  }
  return verdict("there is nothing to tell");
}

void KeeperPages::note_moment() {
  if (rows_ != nullptr) recent_.note(totals_of(*rows_), sys::monotonic_ms());
}

// What is to be seen of the minutes before, so that a page that was just opened shows them, too. A
// browser comes again after a second where the stream ends.
std::string KeeperPages::first_event() {
  return "retry: 1000\nevent: history\ndata: " + line_of(recent_.points()) + "\n\n";
}

std::string KeeperPages::event() {
  if (rows_ == nullptr || config_ == nullptr) return ": nothing to tell\n\n";
  return "data: " + status() + "\n\n";
}

std::string KeeperPages::status() const {
  const MetricsSources from = sources();
  const Totals totals = totals_of(*rows_);
  Json all = overview(from, totals, sys::wall_clock_ms() / 1000);
  all["refused_lately"] = recent_.refused(totals, from.now_ms);
  return line_of(all);
}

MetricsSources KeeperPages::sources() const {
  return {.rows = *rows_,
          .peers = peers_,
          .config = *config_,
          .members = members_,
          .routes = routes_,
          .listeners = listeners_,
          .now_ms = sys::monotonic_ms(),
          .names = names_ != nullptr ? *names_ : NameCounts()};
}

std::string KeeperPages::unhealthy() const {
  for (uint32_t i = 0; i < rows_->workers(); ++i) {
    if (rows_->row(i).pid.value() != 0) return "";
  }
  return "no worker accepts clients";
}

// A peer that is due, whose time out is over, counts as there: only a session finds out whether it
// is well, and nobody sends any where we are not ready.
bool KeeperPages::has_peer(const UpstreamConfig& upstream) const {
  PeerBoard board(peers_, 0);
  const std::vector<PeerConfig> peers = peers_now(upstream, members_);
  const uint64_t now_ms = sys::monotonic_ms();
  return std::any_of(peers.begin(), peers.end(), [&](const PeerConfig& peer) {
    return standing_of(board.health(peer.id), now_ms) != Standing::out;
  });
}

std::string KeeperPages::unready() const {
  if (rows_->master().ending.value() != 0) return "sluice ends";
  std::string why = unhealthy();
  if (!why.empty()) return why;
  for (const UpstreamId id : config_->admin_rules.ready_requires) {
    const UpstreamConfig* const upstream = config_->find_upstream(id);
    if (upstream == nullptr || has_peer(*upstream)) continue;
    return "upstream " + upstream->name + " has no peer that is up";
  }
  return "";
}

}  // namespace sluice
