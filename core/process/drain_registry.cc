// DrainRegistry: few entries; a number is never given twice.
#include "core/process/drain_registry.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/conf/suggest.h"
#include "net/printable.h"
#include "protocol/close_code.h"

namespace sluice {

namespace {

constexpr size_t most_names = 30;  // in an answer

// `no upstream "x", did you mean "y"?; there are a, b and 3 more`
std::string unknown(const std::string& what, const std::string& name,
                    const std::vector<std::string>& known) {
  std::vector<std::string_view> candidates(known.begin(), known.end());
  std::string text = "no " + what + " \"" + printable(name) + "\"" +
                     suggestion(std::string_view(name).substr(0, 64), candidates);
  if (known.empty()) return text + "; there is none";
  text += "; there " + std::string(known.size() == 1 ? "is " : "are ");
  for (size_t i = 0; i < std::min(known.size(), most_names); ++i) {
    text += (i == 0 ? "" : ", ") + known[i];
  }
  const size_t untold = known.size() - std::min(known.size(), most_names);
  return untold == 0 ? text : text + " and " + std::to_string(untold) + " more";
}

void add_once(std::vector<std::string>& names, std::string name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

// A path may be a secret, so nobody has to say it, and no answer does.
ServerUri without_path(ServerUri uri) {
  uri.path.clear();
  return uri;
}

Part server_of(UpstreamId upstream, const ServerUri& uri) {
  return {Part::Kind::server, upstream, ListenerId{}, text_of(uri)};
}

// Those with an address, then names, which may have none yet.
std::vector<ServerUri> servers_of(const UpstreamConfig* config) {
  std::vector<ServerUri> servers;
  if (config == nullptr) return servers;
  for (const PeerConfig& peer : config->peers) servers.push_back(peer.uri);
  for (const NamedServer& named : config->named) servers.push_back(named.like.uri);
  return servers;
}

// `config`: the upstream as the conf has it; null: it has none of that name any more.
Part find_server(UpstreamId upstream, const UpstreamConfig* config, const NamedPart& named,
                 const ConfIds& ids, std::string& wrong) {
  const Result<ServerUri> asked = parse_server_uri(named.server);
  std::vector<std::string> known;
  std::vector<std::string> matching;
  for (const ServerUri& uri : servers_of(config)) {
    if (asked.ok() && uri == asked.value()) return server_of(upstream, uri);
    if (asked.ok() && without_path(uri) == asked.value()) add_once(matching, text_of(uri));
    add_once(known, text_of(without_path(uri)));
  }
  if (matching.size() == 1) {
    return {Part::Kind::server, upstream, ListenerId{}, matching.front()};
  }
  if (matching.empty() && asked.ok() && ids.knows_server(upstream, asked.value())) {
    return server_of(upstream, asked.value());
  }
  wrong = matching.empty() ? unknown("server", named.server, known)
                           : "several servers are " + printable(named.server) +
                                 " with another path each: say the path, too";
  return {};
}

Part find_upstream(const Config& config, const NamedPart& named, const ConfIds& ids,
                   std::string& wrong) {
  const UpstreamConfig* present = nullptr;
  std::vector<std::string> known;
  for (const UpstreamConfig& each : config.upstreams) {
    if (each.name == named.name) present = &each;
    known.push_back(each.name);
  }
  const std::optional<UpstreamId> id =
      present != nullptr ? std::optional(present->id) : ids.known_upstream(named.name);
  if (!id) {
    wrong = unknown("upstream", named.name, known);
    return {};
  }
  if (named.kind == Part::Kind::server) return find_server(*id, present, named, ids, wrong);
  return {Part::Kind::upstream, *id, ListenerId{}, ""};
}

Part find_route(const Config& config, const NamedPart& named, std::string& wrong) {
  std::vector<std::string> known;
  for (const RouteConfig& each : config.routes) {
    if (each.is_called(named.name)) {
      return {Part::Kind::route, UpstreamId{}, ListenerId{}, each.name()};
    }
    add_once(known, each.name());
  }
  wrong = unknown("route", named.name, known);
  return {};
}

Part find_listener(const Config& config, const NamedPart& named, const ConfIds& ids,
                   std::string& wrong) {
  const Result<Address> asked = Address::parse(named.name);
  std::vector<std::string> known;
  for (const ListenConfig& each : config.listeners) {
    if (asked.ok() && each.address == asked.value()) {
      return {Part::Kind::listener, UpstreamId{}, each.id, ""};
    }
    known.push_back(each.address.text());
  }
  const std::optional<ListenerId> id =
      asked.ok() ? ids.known_listener(asked.value()) : std::nullopt;
  if (id) return {Part::Kind::listener, UpstreamId{}, *id, ""};
  wrong = unknown("listener", named.name, known);
  return {};
}

bool same_address(const std::string& a, const std::string& b) {
  const Result<Address> one = Address::parse(a);
  const Result<Address> other = Address::parse(b);
  return one.ok() && other.ok() && one.value() == other.value();
}

// Whether `named` means what was drained as `drained`, and is the server `uri` where it is one.
bool same(const NamedPart& drained, const std::string& uri, const NamedPart& named) {
  if (drained.kind != named.kind) return false;
  if (drained.kind == Part::Kind::listener) {
    return drained.name == named.name || same_address(drained.name, named.name);
  }
  if (drained.name != named.name || drained.kind != Part::Kind::server) {
    return drained.name == named.name;
  }
  const Result<ServerUri> whole = parse_server_uri(uri);
  const Result<ServerUri> asked = parse_server_uri(named.server);
  if (!whole.ok() || !asked.ok()) return false;
  return whole.value() == asked.value() || without_path(whole.value()) == asked.value();
}

}  // namespace

Part find_part(const NamedPart& named, const Config& config, const ConfIds& ids,
               std::string& wrong) {
  switch (named.kind) {
    case Part::Kind::everything:
      break;
    case Part::Kind::upstream:
    case Part::Kind::server:
      return find_upstream(config, named, ids, wrong);
    case Part::Kind::route:
      return find_route(config, named, wrong);
    case Part::Kind::listener:
      return find_listener(config, named, ids, wrong);
  }
  return {};
}

ControlAnswer DrainRegistry::drain(const DrainRequest& request, const Config& config,
                                   const ConfIds& ids, uint64_t now_ms) {
  std::string wrong;
  DrainOrder order;
  order.part = find_part(request.part, config, ids, wrong);
  if (!wrong.empty()) return refusal(std::move(wrong));
  const uint64_t by_conf_ms =
      config.drain_timeout_ms == 0 ? Drain::endless : uint64_t{config.drain_timeout_ms};
  order.window_ms = request.over_ms.value_or(by_conf_ms);
  order.code = static_cast<CloseCode>(config.drain_code);
  order.number = last_number_ + 1;
  DrainOrders orders = orders_;
  std::vector<Entry> entries = entries_;
  const size_t place = find(order.part);
  if (place < orders.size()) {
    order.place = orders[place].place;
    orders[place] = std::move(order);
  } else {
    if (orders.size() == most_drains) {
      return refusal(std::to_string(most_drains) +
                     " parts are drained already: undrain one of them first");
    }
    order.place = free_place();
    orders.push_back(std::move(order));
    entries.push_back({request.part, now_ms});
  }
  if (!drains_fit(orders)) {
    return refusal("the names of what is drained are too long together: undrain something first");
  }
  ++last_number_;
  orders_.swap(orders);
  entries_.swap(entries);
  return {};
}

ControlAnswer DrainRegistry::undrain(const NamedPart& part) {
  std::vector<std::string> drained;
  std::vector<size_t> meant;
  for (size_t place = 0; place < entries_.size(); ++place) {
    if (same(entries_[place].part, orders_[place].part.text, part)) meant.push_back(place);
    drained.push_back(text_of(entries_[place].part));
  }
  // Of several that one name fits, the one that was drained by just that name is meant.
  const auto named = std::find_if(meant.begin(), meant.end(), [&](size_t place) {
    return entries_[place].part.server == part.server;
  });
  if (meant.size() == 1 || named != meant.end()) {
    const auto place = static_cast<ptrdiff_t>(named != meant.end() ? *named : meant.front());
    entries_.erase(entries_.begin() + place);
    orders_.erase(orders_.begin() + place);
    return {};
  }
  if (!meant.empty()) {
    return refusal("several drained servers are " + printable(part.server) +
                   " with another path each: say the path, too");
  }
  std::string text = printable(text_of(part)) + " is not drained";
  for (size_t i = 0; i < drained.size(); ++i) {
    text += (i == 0 ? "; drained are: " : ", ") + printable(drained[i]);
  }
  return refusal(drained.empty() ? text + "; nothing is" : text);
}

Json DrainRegistry::status(const Left& left) const {
  Json drained = Json::array();
  for (size_t place = 0; place < entries_.size(); ++place) {
    const std::optional<uint64_t> sessions = left(orders_[place]);
    drained.push_back({{"part", text_of(entries_[place].part)},
                       {"since", entries_[place].since_ms / 1000},
                       {"sessions_left", sessions ? Json(*sessions) : Json()}});
  }
  return drained;
}

// orders_.size() where it is not there.
size_t DrainRegistry::find(const Part& part) const {
  const auto found = std::find_if(orders_.begin(), orders_.end(),
                                  [&part](const DrainOrder& each) { return each.part == part; });
  return static_cast<size_t>(found - orders_.begin());
}

uint8_t DrainRegistry::free_place() const {
  uint8_t place = 0;
  const auto taken = [&place](const DrainOrder& each) { return each.place == place; };
  while (std::any_of(orders_.begin(), orders_.end(), taken)) ++place;
  return place;
}

}  // namespace sluice
