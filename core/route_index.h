// RouteIndex: finds the routes that a host and a path may take without asking all of them. Hosts
// lie in a hash table and paths, segment by segment, in one tree for each; what a walk down that
// tree meets is tried in file order. It knows routes by their numbers alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/route_conditions.h"

namespace sluice {

inline constexpr uint32_t no_route_number = UINT32_MAX;

// A request's host as routes know it, made once for all questions.
class HostKey {
 public:
  explicit HostKey(std::string_view host);
  // "" where no route can have it.
  const std::string& text() const { return text_; }

 private:
  std::string text_;  // lower case, without a final dot; an IPv6 literal in one spelling
};

// The routes of some set by host and path: flat arrays, which a walk reads and nobody frees one by
// one.
class RouteTree {
 public:
  RouteTree();

  // Numbers come in file order. `path` is in the reading that will be asked for.
  void add(const RouteConditions& route, std::string_view path, uint32_t number);
  bool empty() const { return steps_used_ == 0 && nodes_[any_host].none(); }

  // The least number below `best` that a path of that host leads to and that takes(number) is true
  // of; `best` where there is none. A pattern's number is asked for whatever the path.
  template <class Takes>
  uint32_t first_below(uint32_t best, const HostKey& host, std::string_view path,
                       const Takes& takes) const {
    best = first_under(any_host, best, path, takes);
    if (steps_used_ == 0 || host.text().empty()) return best;
    const std::string_view name = host.text();
    best = first_under(step(hosts, name), best, path, takes);
    size_t dot = name.size();
    for (uint32_t labels = 0; labels < most_star_labels_; ++labels) {
      dot = dot == 0 ? 0 : name.rfind('.', dot - 1);
      if (dot == 0 || dot == std::string_view::npos) break;
      best = first_under(step(stars, name.substr(dot)), best, path, takes);
    }
    return best;
  }

 private:
  // Numbers in file order, chained through entries_.
  struct List {
    uint32_t first = no_entry;
    uint32_t last = no_entry;
  };
  struct Node {
    List under;     // routes for this path and what is under it
    List exact;     // for it alone
    List patterns;  // of a host's root: tried whatever the path

    bool none() const {
      return under.first == no_entry && exact.first == no_entry && patterns.first == no_entry;
    }
  };
  struct Entry {
    uint32_t number;
    uint32_t next;
  };
  // From a node by a name to another: a slot of a hash table, empty where `to` is no_node.
  struct Step {
    uint64_t hash = 0;
    uint32_t from = 0;
    uint32_t to = no_node;
    uint32_t name_at = 0;  // in names_
    uint32_t name_bytes = 0;
  };

  static constexpr uint32_t no_entry = UINT32_MAX;
  static constexpr uint32_t no_node = UINT32_MAX;
  // Nodes that are always there: the path root of routes for any host, and whence steps lead to
  // the path roots of hosts and of "*.DOMAIN"s.
  static constexpr uint32_t any_host = 0;
  static constexpr uint32_t hosts = 1;
  static constexpr uint32_t stars = 2;

  template <class Takes>
  uint32_t first_of(List list, uint32_t best, const Takes& takes) const {
    for (uint32_t at = list.first; at != no_entry && entries_[at].number < best;
         at = entries_[at].next) {
      if (takes(entries_[at].number)) return entries_[at].number;
    }
    return best;
  }
  template <class Takes>
  uint32_t first_under(uint32_t root, uint32_t best, std::string_view path,
                       const Takes& takes) const {
    if (root == no_node) return best;
    best = first_of(nodes_[root].under, best, takes);
    std::string_view rest = path.substr(std::min<size_t>(1, path.size()));
    for (uint32_t node = root; steps_used_ > 0;) {
      const size_t slash = std::min(rest.find('/'), rest.size());
      node = step(node, rest.substr(0, slash));
      if (node == no_node) break;
      best = first_of(nodes_[node].under, best, takes);
      if (slash == rest.size()) {
        best = first_of(nodes_[node].exact, best, takes);
        break;
      }
      rest.remove_prefix(slash + 1);
    }
    return first_of(nodes_[root].patterns, best, takes);
  }

  uint32_t step(uint32_t from, std::string_view name) const;
  uint32_t step_or_make(uint32_t from, std::string_view name);
  uint32_t root_of(const std::string& host);
  void put(const Step& made);
  void grow();
  void append(List& list, uint32_t number);

  std::vector<Node> nodes_;
  std::vector<Entry> entries_;
  std::vector<Step> steps_;  // a power of two, at most half of them used
  size_t steps_used_ = 0;
  std::string names_;
  uint32_t most_star_labels_ = 0;  // of a "*.DOMAIN" that is there
};

class RouteIndex {
 public:
  // All routes, one by one in file order.
  void add(const RouteConditions& route);
  uint32_t routes() const { return routes_; }

  // The first route that takes a path in its normal form, and in its decoded reading
  // (protocol/uri.h); no_route_number where there is none. takes(number) judges what is no matter
  // of host and path, and whether a pattern is found.
  template <class Takes>
  uint32_t first_normal(const HostKey& host, std::string_view path, const Takes& takes) const {
    const uint32_t best = plain_.first_below(no_route_number, host, path, takes);
    return escaped_.empty() ? best : escaped_.first_below(best, host, path, takes);
  }
  template <class Takes>
  uint32_t first_decoded(const HostKey& host, std::string_view path, const Takes& takes) const {
    const uint32_t best = plain_.first_below(no_route_number, host, path, takes);
    return decoded_.empty() ? best : decoded_.first_below(best, host, path, takes);
  }

 private:
  RouteTree plain_;    // routes whose path is the same in both readings, and patterns
  RouteTree escaped_;  // the others by their normal form
  RouteTree decoded_;  // the same by their decoded one
  uint32_t routes_ = 0;
};

}  // namespace sluice
