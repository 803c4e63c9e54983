// Sections are taken in reading order; upstreams first, because a route may stand before the
// upstream that it names.
#include "core/conf/resolve.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "core/conf/resolve_tls.h"
#include "core/conf/rows.h"
#include "core/conf/suggest.h"
#include "core/observe/limit_text.h"
#include "core/router.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

constexpr uint32_t behind_all_lines = std::numeric_limits<uint32_t>::max();

bool takes_all(const Address& address) {
  return address.host_text() == (address.family() == AF_INET ? "0.0.0.0" : "::");
}

// 0.0.0.0:80 takes every IPv4 address's port 80, [::]:80 every IPv6 address's.
bool overlap(const Address& a, const Address& b) {
  if (a == b) return true;
  if (a.is_unix() || a.family() != b.family() || a.port() != b.port()) return false;
  return takes_all(a) || takes_all(b);
}

// Limits of which 0 is none.
bool laxer(uint64_t narrow, uint64_t broad) {
  return narrow != 0 && (broad == 0 || broad > narrow);
}

bool laxer(const RateLimit& narrow, const RateLimit& broad) {
  return laxer(uint64_t{narrow.a_second}, broad.a_second) ||
         (narrow.a_second != 0 && broad.burst > narrow.burst);
}

// Whether the broader route believes a field that the narrower one does not let pass.
bool keeps_more(const RouteConfig& narrow, const RouteConfig& broad) {
  return std::any_of(
      broad.keep_headers.begin(), broad.keep_headers.end(), [&narrow](const std::string& name) {
        return std::none_of(
            narrow.keep_headers.begin(), narrow.keep_headers.end(),
            [&name](const std::string& own) { return equals_ignoring_case(name, own); });
      });
}

// Whether the broader route lets pass what the narrower one was written to prevent. Timeouts
// prevent nothing.
bool gives_way(const RouteConfig& narrow, const RouteConfig& broad) {
  return narrow.set_headers != broad.set_headers || narrow.remove_headers != broad.remove_headers ||
         keeps_more(narrow, broad) || (!narrow.underscore_headers && broad.underscore_headers) ||
         (!narrow.subprotocols.empty() && narrow.subprotocols != broad.subprotocols) ||
         (narrow.validate_utf8 && !broad.validate_utf8) ||
         laxer(narrow.max_message_bytes, broad.max_message_bytes) ||
         laxer(narrow.max_small_fragments, broad.max_small_fragments) ||
         laxer(narrow.control_frame_rate, broad.control_frame_rate);
}

// `upstream "chat"`, for messages.
std::string described(const SectionDraft& section) {
  const std::string label = section.label.empty() ? "" : " " + section.label;
  for (const Directive* row : directives()) {
    if (section.kind() != Section::top && row->opens == section.kind()) {
      return std::string(row->name) + label;
    }
  }
  return "the conf";
}

class Resolver {
 public:
  Resolver(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings)
      : draft_(draft), errors_(errors), warnings_(warnings) {}

  void run() {
    check_required();
    for (SectionDraft& section : draft_.sections) {
      if (section.label.empty()) continue;  // its opening line was wrong
      if (section.kind() == Section::listen) add_listener(section);
      if (section.kind() == Section::upstream) add_upstream(section);
    }
    for (const SectionDraft& section : draft_.sections) {
      if (section.kind() == Section::route && !section.label.empty()) add_route(section);
    }
    warn_where_walked_around();
    warn_of_unused();
    check_buffer_memory();
  }

 private:
  void check_required();
  void add_listener(SectionDraft& section);
  void add_upstream(const SectionDraft& section);
  void add_route(const SectionDraft& section);
  void make_upstream(const SectionDraft& section, UpstreamId id, const std::string& name,
                     std::vector<PeerConfig> peers);
  const SectionDraft* find_target(const SectionDraft& section, RouteConfig& route);
  void share_anonymous(const SectionDraft& section, RouteConfig& route);
  void inherit(const SectionDraft& own, const SectionDraft* upstream, RouteConfig& route) const;
  void warn_where_hidden(const SectionDraft& section, const RouteConfig& route);
  void warn_where_walked_around();
  const RouteConfig* way_around(size_t number) const;
  bool same_server(const RouteConfig& a, const RouteConfig& b) const;
  void warn_of_unused();
  void check_buffer_memory();

  struct Named {
    UpstreamId id;
    const SectionDraft* section;
    bool used = false;
  };

  ConfDraft& draft_;
  ConfErrors& errors_;
  std::vector<std::string>& warnings_;
  std::vector<const SectionDraft*> listeners_;
  std::vector<const SectionDraft*> routes_;  // one for each of config.routes
  std::map<std::string, Named, std::less<>> upstreams_;
  std::set<UpstreamId> anonymous_;  // made of a URI
};

void Resolver::check_required() {
  if (draft_.incomplete) return;
  for (const Directive* row : directives()) {
    if (!row->required) continue;
    for (const SectionDraft& section : draft_.sections) {
      if ((row->sections & bit(section.kind())) == 0 || section.given.count(row) > 0) continue;
      Place place = section.place;
      if (section.kind() == Section::top) place.order = behind_all_lines;
      errors_.add(place, described(section) + " has no " + std::string(row->name));
    }
  }
}

void Resolver::add_listener(SectionDraft& section) {
  const ListenDraft& own = section.as<ListenDraft>();
  for (const SectionDraft* earlier : listeners_) {
    const Address& taken = earlier->as<ListenDraft>().address;
    if (!overlap(taken, own.address)) continue;
    const bool wider = takes_all(own.address) && !takes_all(taken);
    errors_.add(section.place,
                described(section) + (wider ? " covers " : " is already covered by ") +
                    described(*earlier) + " " + seen_from(section.place, earlier->place));
    return;
  }
  listeners_.push_back(&section);
  ListenConfig listener;
  listener.id = draft_.ids.listener(own.address);
  listener.address = own.address;
  listener.socket_file = own.socket_file;
  listener.backlog = own.backlog;
  static_cast<ListenSettings&>(listener) = settings_for(Section::listen, {&section, &draft_.top()});
  listener.tls = resolve_tls_server(draft_, section, described(section), errors_, warnings_);
  draft_.config.listeners.push_back(std::move(listener));
}

void Resolver::add_upstream(const SectionDraft& section) {
  const UpstreamDraft& own = section.as<UpstreamDraft>();
  const UpstreamId id = draft_.ids.upstream(own.name);
  const auto [known, fresh] = upstreams_.emplace(own.name, Named{id, &section});
  if (!fresh) {
    errors_.add(section.place, described(section) + " is already given " +
                                   seen_from(section.place, known->second.section->place));
    return;
  }
  make_upstream(section, id, own.name, own.peers);
}

void Resolver::make_upstream(const SectionDraft& section, UpstreamId id, const std::string& name,
                             std::vector<PeerConfig> peers) {
  for (PeerConfig& peer : peers) peer.id = draft_.ids.peer(id, peer.address, peer.uri);
  std::unique_ptr<TlsClient> tls =
      resolve_tls_client(draft_, section, peers, described(section), errors_, warnings_);
  std::vector<UpstreamConfig>& upstreams = draft_.config.upstreams;
  const auto behind = std::find_if(upstreams.rbegin(), upstreams.rend(),
                                   [id](const UpstreamConfig& each) { return each.id < id; });
  upstreams.insert(behind.base(), {id, name, std::move(peers), std::move(tls)});
}

void Resolver::add_route(const SectionDraft& section) {
  const RouteDraft& own = section.as<RouteDraft>();
  if (!own.proxy_pass) return;
  RouteConfig route = own.route;
  route.key = key_of(route);
  const SectionDraft* upstream = nullptr;
  if (own.peers.empty()) {
    upstream = find_target(section, route);
    if (upstream == nullptr) return;
  } else {
    share_anonymous(section, route);
  }
  inherit(section, upstream, route);
  warn_where_hidden(section, route);
  routes_.push_back(&section);
  draft_.config.routes.push_back(std::move(route));
}

// The upstream that proxy_pass names; null, and an error, where there is none.
const SectionDraft* Resolver::find_target(const SectionDraft& section, RouteConfig& route) {
  const Word& target = *section.as<RouteDraft>().proxy_pass;
  const auto known = upstreams_.find(target.value);
  if (known != upstreams_.end()) {
    known->second.used = true;
    route.upstream = known->second.id;
    return known->second.section;
  }
  // A missing file, or an upstream with a wrong opening line, may have held that name.
  if (draft_.incomplete || draft_.upstream_unnamed) return nullptr;
  std::vector<std::string_view> names;
  for (const auto& [name, named] : upstreams_) {
    if (named.section->label == quoted(name)) names.push_back(name);  // not an expanded one
  }
  const Place& place = section.given.at(&directive::proxy_pass);
  errors_.add(place, "proxy_pass: there is no upstream " + quoted(target.text) +
                         (target.expanded() ? "" : suggestion(target.value, names)));
  return nullptr;
}

// Routes that give the same URI share an upstream, and with it the turn of its peers.
void Resolver::share_anonymous(const SectionDraft& section, RouteConfig& route) {
  const RouteDraft& own = section.as<RouteDraft>();
  route.upstream = draft_.ids.upstream(own.proxy_pass->value);
  if (!anonymous_.insert(route.upstream).second) return;
  make_upstream(section, route.upstream, own.proxy_pass->text, own.peers);
}

void Resolver::inherit(const SectionDraft& own, const SectionDraft* upstream,
                       RouteConfig& route) const {
  const SectionDraft& top = draft_.top();
  static_cast<RouteSettings&>(route) = settings_for(Section::route, {&own, upstream, &top});

  const auto same = [](const std::string& name) {
    return [&name](const std::string& other) { return equals_ignoring_case(name, other); };
  };
  for (const HeaderSetting& header : top.set_headers) {
    const bool removed =
        std::any_of(own.remove_headers.begin(), own.remove_headers.end(), same(header.name));
    const bool overridden =
        std::any_of(own.set_headers.begin(), own.set_headers.end(),
                    [&](const HeaderSetting& mine) { return same(header.name)(mine.name); });
    if (!removed && !overridden) route.set_headers.push_back(header);
  }
  route.set_headers.insert(route.set_headers.end(), own.set_headers.begin(), own.set_headers.end());
  const auto join = [&same](const std::vector<std::string>& mine,
                            const std::vector<std::string>& inherited,
                            std::vector<std::string>& all) {
    all = mine;
    for (const std::string& name : inherited) {
      if (std::none_of(mine.begin(), mine.end(), same(name))) all.push_back(name);
    }
  };
  join(own.remove_headers, top.remove_headers, route.remove_headers);
  join(own.keep_headers, top.keep_headers, route.keep_headers);
}

// File order is unlike nginx's longest match: a route behind a broader one is a likely mistake.
void Resolver::warn_where_hidden(const SectionDraft& section, const RouteConfig& route) {
  for (size_t i = 0; i < routes_.size(); ++i) {
    const RouteConfig& earlier = draft_.config.routes[i];
    if (!earlier.match_headers.empty() || !path_is_under(route.path, earlier.path)) continue;
    if (!earlier.match_host.empty() && earlier.match_host != route.match_host) continue;
    warnings_.push_back(text_at(
        section.place, described(section) + " is never reached: " + described(*routes_[i]) + " " +
                           seen_from(section.place, routes_[i]->place) + " takes all of it"));
    return;
  }
}

// Path parameters are data to the router, but many servers drop them: "/admin;x" takes the route
// behind `route /admin` and may be answered as "/admin" was.
void Resolver::warn_where_walked_around() {
  for (size_t number = 0; number < routes_.size(); ++number) {
    const RouteConfig* around = way_around(number);
    if (around == nullptr) continue;
    const SectionDraft& section = *routes_[number];
    const SectionDraft& other = *routes_[static_cast<size_t>(around - draft_.config.routes.data())];
    warnings_.push_back(
        text_at(section.place,
                described(section) +
                    " can be walked around: " + quoted(draft_.config.routes[number].path + ";x") +
                    " takes " + described(other) + " " + seen_from(section.place, other.place) +
                    ", which leads to the same server with other headers or limits; a server "
                    "that drops path parameters takes both for the same"));
  }
}

// The route that takes the path with a parameter; null where it leads elsewhere, or forbids as
// much.
const RouteConfig* Resolver::way_around(size_t number) const {
  const std::vector<RouteConfig>& routes = draft_.config.routes;
  const RouteConfig& narrow = routes[number];
  if (!narrow.match_headers.empty()) return nullptr;  // leaving the header out walks around it
  for (size_t i = number + 1; i < routes.size(); ++i) {
    const RouteConfig& broad = routes[i];
    if (broad.path == narrow.path || !path_is_under(narrow.path, broad.path)) continue;
    if (!narrow.match_host.empty() && !broad.match_host.empty() &&
        broad.match_host != narrow.match_host) {
      continue;
    }
    if (same_server(narrow, broad)) return gives_way(narrow, broad) ? &broad : nullptr;
    if (broad.match_headers.empty() && broad.match_host.empty()) return nullptr;
  }
  return nullptr;
}

bool Resolver::same_server(const RouteConfig& a, const RouteConfig& b) const {
  const std::vector<PeerConfig>& others = draft_.config.upstream(b.upstream).peers;
  const std::vector<PeerConfig>& peers = draft_.config.upstream(a.upstream).peers;
  return std::any_of(peers.begin(), peers.end(), [&others](const PeerConfig& peer) {
    return std::any_of(others.begin(), others.end(),
                       [&peer](const PeerConfig& other) { return other.address == peer.address; });
  });
}

void Resolver::warn_of_unused() {
  for (const SectionDraft& section : draft_.sections) {
    if (section.kind() != Section::upstream) continue;
    const auto known = upstreams_.find(section.as<UpstreamDraft>().name);
    if (known == upstreams_.end() || known->second.used) continue;
    warnings_.push_back(text_at(section.place, described(section) + " is used by no route"));
  }
}

// A session that keeps up needs a whole ring beside those of sessions that do not.
void Resolver::check_buffer_memory() {
  const uint64_t bytes = draft_.config.buffer_memory_bytes;
  const uint64_t least = uint64_t{least_rings_in_buffer_memory} * draft_.config.ring_bytes;
  if (bytes == 0 || bytes >= least) return;
  errors_.add(draft_.sections.front().given.at(&directive::buffer_memory),
              "buffer_memory: " + size_text(bytes) + " has no room for four rings of ring_size " +
                  size_text(draft_.config.ring_bytes) + "; at least " + size_text(least));
}

}  // namespace

void resolve_conf(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings) {
  Resolver(draft, errors, warnings).run();
}

}  // namespace sluice
