// The table of steps is open-addressed; who looks for a step that is not there meets few others,
// because half of the slots are free. Its names come from a conf, so nobody else can crowd it.
#include "core/route_index.h"

#include "net/address.h"
#include "protocol/ascii.h"
#include "protocol/uri.h"

namespace sluice {

namespace {

constexpr size_t least_steps = 16;

// 64-bit FNV-1a.
uint64_t hash_of(uint32_t from, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325 ^ from;
  hash *= 0x100000001b3;
  for (const char byte : name) {
    hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  }
  return hash ^ (hash >> 32);
}

// One address has many spellings (RFC 3986 3.2.2).
std::string literal_key(std::string_view host) {
  const Result<Address> address = Address::parse(std::string(host) + ":1");
  return address.ok() ? address.value().text() : "";
}

}  // namespace

// "example.org." is the same host (RFC 3986 3.2.2: a final dot only says that the name is whole).
HostKey::HostKey(std::string_view host) {
  while (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  text_ = host.starts_with('[') ? literal_key(host) : lower_case(host);
}

RouteTree::RouteTree() : nodes_(3) {}

void RouteTree::add(const RouteConditions& route, std::string_view path, uint32_t number) {
  std::vector<uint32_t> roots;
  for (const std::string& host : route.match_hosts) roots.push_back(root_of(host));
  if (roots.empty()) roots.push_back(any_host);
  for (uint32_t node : roots) {
    if (route.path_form == PathForm::pattern) {
      append(nodes_[node].patterns, number);
      continue;
    }
    const bool exact = route.path_form == PathForm::exact;
    for (std::string_view rest = path; !rest.empty() && (exact || path != "/");) {
      rest.remove_prefix(1);  // the slash
      const size_t slash = std::min(rest.find('/'), rest.size());
      node = step_or_make(node, rest.substr(0, slash));
      rest.remove_prefix(slash);
    }
    append(exact ? nodes_[node].exact : nodes_[node].under, number);
  }
}

// A host's path root. Of "*.DOMAIN" the name is ".DOMAIN".
uint32_t RouteTree::root_of(const std::string& host) {
  if (!host.starts_with("*.")) return step_or_make(hosts, HostKey(host).text());
  const std::string_view domain = std::string_view(host).substr(1);
  const auto labels = static_cast<uint32_t>(std::count(domain.begin(), domain.end(), '.'));
  most_star_labels_ = std::max(most_star_labels_, labels);
  return step_or_make(stars, domain);
}

uint32_t RouteTree::step(uint32_t from, std::string_view name) const {
  if (steps_.empty()) return no_node;
  const uint64_t hash = hash_of(from, name);
  const size_t mask = steps_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Step& step = steps_[at];
    if (step.to == no_node) return no_node;
    if (step.hash == hash && step.from == from &&
        std::string_view(names_).substr(step.name_at, step.name_bytes) == name) {
      return step.to;
    }
  }
}

uint32_t RouteTree::step_or_make(uint32_t from, std::string_view name) {
  if (const uint32_t known = step(from, name); known != no_node) return known;
  if (2 * (steps_used_ + 1) > steps_.size()) grow();
  const auto to = static_cast<uint32_t>(nodes_.size());
  nodes_.emplace_back();
  put({hash_of(from, name), from, to, static_cast<uint32_t>(names_.size()),
       static_cast<uint32_t>(name.size())});
  names_ += name;
  ++steps_used_;
  return to;
}

void RouteTree::put(const Step& made) {
  const size_t mask = steps_.size() - 1;
  size_t at = made.hash & mask;
  while (steps_[at].to != no_node) at = (at + 1) & mask;
  steps_[at] = made;
}

void RouteTree::grow() {
  const std::vector<Step> before = std::move(steps_);
  steps_.assign(std::max(least_steps, 2 * before.size()), Step());
  for (const Step& each : before) {
    if (each.to != no_node) put(each);
  }
}

void RouteTree::append(List& list, uint32_t number) {
  if (list.last != no_entry && entries_[list.last].number == number) return;  // by another host
  const auto at = static_cast<uint32_t>(entries_.size());
  entries_.push_back({number, no_entry});
  (list.first == no_entry ? list.first : entries_[list.last].next) = at;
  list.last = at;
}

void RouteIndex::add(const RouteConditions& route) {
  const uint32_t number = routes_++;
  if (route.path_form == PathForm::pattern || route.path.find('%') == std::string::npos) {
    plain_.add(route, route.path, number);
    return;
  }
  escaped_.add(route, route.path, number);
  decoded_.add(route, decoded_path(route.path), number);
}

}  // namespace sluice
