// Where a vector would grow, and move what it holds, room is made before.
#include "core/conf/resolve.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "core/conf/resolve_logs.h"
#include "core/conf/rows.h"
#include "core/conf/suggest.h"
#include "core/members.h"
#include "core/observe/limit_text.h"
#include "protocol/ascii.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

constexpr uint32_t behind_all_lines = std::numeric_limits<uint32_t>::max();

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(),
                     [&name](const std::string& each) { return equals_ignoring_case(each, name); });
}

// A route's own names, then those of the top that it lacks.
std::vector<std::string> joined_names(const std::vector<std::string>& own,
                                      const std::vector<std::string>& top) {
  std::vector<std::string> all = own;
  for (const std::string& name : top) {
    if (!has_name(own, name)) all.push_back(name);
  }
  return all;
}

// What the top sets and the route neither removes nor sets, then what the route sets.
std::vector<HeaderSetting> joined_settings(const std::vector<HeaderSetting>& own,
                                           const std::vector<HeaderSetting>& top,
                                           const std::vector<std::string>& removed) {
  std::vector<HeaderSetting> all;
  for (const HeaderSetting& header : top) {
    const bool overridden = std::any_of(own.begin(), own.end(), [&](const HeaderSetting& mine) {
      return equals_ignoring_case(mine.name, header.name);
    });
    if (!overridden && !has_name(removed, header.name)) all.push_back(header);
  }
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

// Why a server has no peers yet, or never will.
std::string unanswered(const NameQuestion& question, const Fault& fault, bool followed) {
  if (!question.service) return "the host cannot be found (" + fault.text() + ")";
  return std::string("SRV records are asked for once sluice runs; write ") +
         (followed ? "resolve_at_start try" : "resolve_interval with times, not off");
}

}  // namespace

std::string described(const SectionDraft& section) {
  const std::string label = section.label.empty() ? "" : " " + section.label;
  for (const Directive* row : directives()) {
    if (section.kind() != Section::top && row->opens == section.kind()) {
      return std::string(row->name) + label;
    }
  }
  return "the conf";
}

const ConfResolver::Pass ConfResolver::passes[] = {
    &ConfResolver::check_required,
    &ConfResolver::add_listener_or_upstream,
    &ConfResolver::add_admin,
    &ConfResolver::add_route,
    &ConfResolver::warn_where_walked_around,
    &ConfResolver::warn_of_unused,
    &ConfResolver::warn_of_foreign_pages,
    &ConfResolver::warn_of_unused_jwt_keys,
};

bool ConfResolver::step() {
  if (pass_ == std::size(passes)) return false;
  if (securing_) {
    secure_listener();
    return true;
  }
  if (pass_ == 0 && section_ == 0) prepare();
  const Pass pass = passes[pass_];
  (this->*pass)(draft_.sections[section_]);
  if (++section_ == draft_.sections.size()) {
    section_ = 0;
    ++pass_;
  }
  return true;
}

void ConfResolver::prepare() {
  const auto count = [this](Section kind) {
    return static_cast<size_t>(
        std::count_if(draft_.sections.begin(), draft_.sections.end(),
                      [kind](const SectionDraft& section) { return section.kind() == kind; }));
  };
  draft_.config.listeners.reserve(count(Section::listen));
  draft_.config.routes.reserve(count(Section::route));
  keep_what_runs();
  check_buffer_memory();
  resolve_logs(draft_, errors_, warnings_);
}

// What is laid out once stays as it is: the Config says what is in force, and the next start takes
// what the conf says.
void ConfResolver::keep_what_runs() {
  if (draft_.options.running == nullptr) return;
  const SectionDraft& top = draft_.top();
  for (const Directive* row : directives()) {
    if (row->keep == nullptr || !row->keep(*draft_.options.running, draft_.config)) continue;
    const auto given = top.given.find(row);
    warnings_.push_back(text_at(given == top.given.end() ? top.place : given->second,
                                std::string(row->name) + ": takes effect at the next start"));
  }
}

void ConfResolver::check_required(SectionDraft& section) {
  if (draft_.incomplete) return;
  for (const Directive* row : directives()) {
    if (!row->required) continue;
    if ((row->sections & bit(section.kind())) == 0 || section.given.count(row) > 0) continue;
    if (row == &directive::proxy_pass && (section.given.count(&directive::reply) > 0 ||
                                          section.given.count(&directive::upstream_by) > 0)) {
      continue;
    }
    Place place = section.place;
    if (section.kind() == Section::top) place.order = behind_all_lines;
    errors_.add(place, described(section) + " has no " + std::string(row->name));
  }
}

void ConfResolver::add_listener_or_upstream(SectionDraft& section) {
  if (section.label.empty()) return;  // its opening line was wrong
  if (section.kind() == Section::listen) add_listener(section);
  if (section.kind() == Section::upstream) add_upstream(section);
}

void ConfResolver::add_listener(SectionDraft& section) {
  const ListenDraft& own = section.as<ListenDraft>();
  for (const SectionDraft* earlier : listeners_) {
    const Address& taken = earlier->as<ListenDraft>().address;
    if (!overlap(taken, own.address)) continue;
    const bool wider = own.address.is_any() && !taken.is_any();
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
  listener.access = section.access;
  listener.most_per_client = own.most_per_client;
  warn_where_nobody_is_denied(section);
  static_cast<ListenSettings&>(listener) = settings_for(Section::listen, {&section, &draft_.top()});
  check_proxy_protocol(section, listener);
  check_listener_limit(section, listener);
  check_http2(section, listener);
  std::optional<TlsServerSettings> settings =
      resolve_tls_server(draft_, section, described(section), errors_, warnings_);
  if (settings) {
    securing_.emplace(
        Securing{&section, std::move(listener), TlsServerMaker(*std::move(settings), draft_.tls)});
  } else {
    draft_.config.listeners.push_back(std::move(listener));
  }
}

// A listener that would close every connection.
void ConfResolver::check_proxy_protocol(const SectionDraft& section, const ListenConfig& listener) {
  const bool by_unix = listener.address.is_unix();
  const TrustedProxies& trusted = listener.trusted_proxies;
  if (!listener.proxy_protocol || (by_unix ? trusted.unix_sockets : !trusted.ranges.empty())) {
    return;
  }
  const auto given = section.given.find(&directive::proxy_protocol);
  errors_.add(
      given == section.given.end() ? section.place : given->second,
      "proxy_protocol: " + described(section) +
          (by_unix ? " believes nobody; write trusted_proxies unix"
                   : " believes nobody; write trusted_proxies with the balancer's address"));
}

void ConfResolver::secure_listener() {
  if (securing_->maker.step()) return;
  Result<std::unique_ptr<TlsServer>> server = securing_->maker.finish();
  if (server.ok()) {
    securing_->listener.tls = std::move(server.value());
  } else {
    const SectionDraft& section = *securing_->section;
    errors_.add(section.place,
                described(section) + ": TLS cannot be set up: " + server.fault().text());
  }
  draft_.config.listeners.push_back(std::move(securing_->listener));
  securing_.reset();
}

void ConfResolver::add_upstream(const SectionDraft& section) {
  const UpstreamDraft& own = section.as<UpstreamDraft>();
  const UpstreamId id = draft_.ids.upstream(own.name);
  const auto [known, fresh] = upstreams_.emplace(own.name, Named{id, &section});
  if (!fresh) {
    errors_.add(section.place, described(section) + " is already given " +
                                   seen_from(section.place, known->second.section->place));
    return;
  }
  make_upstream(section, id, own.name, own.servers);
}

void ConfResolver::make_upstream(const SectionDraft& section, UpstreamId id,
                                 const std::string& name, std::span<const ServerDraft> servers) {
  UpstreamConfig upstream;
  static_cast<UpstreamSettings&>(upstream) =
      settings_for(Section::upstream, {&section, &draft_.top()});
  upstream.id = id;
  upstream.name = name;
  upstream.sticky_key = draft_.config.sticky_key;
  for (uint32_t i = 0; i < servers.size(); ++i) add_server(servers[i], i, upstream);
  for (PeerConfig& peer : upstream.peers) peer.id = draft_.ids.peer(id, peer.address, peer.uri);
  upstream.tls =
      resolve_tls_client(draft_, section, servers, described(section), errors_, warnings_);
  std::vector<UpstreamConfig>& upstreams = draft_.config.upstreams;
  const auto behind = std::find_if(upstreams.rbegin(), upstreams.rend(),
                                   [id](const UpstreamConfig& each) { return each.id < id; });
  upstreams.insert(behind.base(), std::move(upstream));
}

// A name has its first answer here, and later ones from the keeper. Without an answer its peers
// come when there is one, if anybody goes on to ask.
void ConfResolver::add_server(const ServerDraft& server, uint32_t number,
                              UpstreamConfig& upstream) {
  NamedServer named{.question = server.question.value_or(NameQuestion()), .like = server.like};
  named.like.server = number;
  if (!server.question) return upstream.peers.push_back(std::move(named.like));
  const ResolverSettings& settings = draft_.config.resolver;
  const bool followed = settings.follow && !is_local_name(named.question.host);
  // A host that this machine does not know may be another one's, a service never is answered here.
  const bool required =
      (!followed || settings.required) && (named.question.service || !draft_.options.open_files);
  const Result<NameTargets> found = draft_.inputs.resolve(named.question);
  if (found.ok()) {
    NameTargets targets = found.value();
    targets.resize(std::min<size_t>(targets.size(), settings.most_addresses));
    for (PeerConfig& peer : peers_of(named, targets)) upstream.peers.push_back(std::move(peer));
  } else if (required) {
    errors_.add(server.place,
                server.shown + ": " + unanswered(named.question, found.fault(), followed));
  } else if (!named.question.service) {
    warnings_.push_back(text_at(
        server.place, server.shown + ": " + unanswered(named.question, found.fault(), followed) +
                          (followed && !settings.required ? "; its peers come when it is" : "")));
  }
  if (followed) upstream.named.push_back(std::move(named));
}

void ConfResolver::add_admin(SectionDraft& section) {
  if (section.kind() != Section::top) return;
  AdminRules& rules = draft_.config.admin_rules;
  rules.limits = settings_for(Section::listen, {&section});
  const auto required = section.given.find(&directive::ready_requires);
  for (const Word& name : section.as<TopDraft>().ready_requires) {
    const Named* const named = find_upstream(required->second, "ready_requires", name);
    if (named != nullptr) rules.ready_requires.push_back(named->id);
  }
  const auto given = section.given.find(&directive::admin);
  if (!draft_.config.admin || given == section.given.end()) return;
  const Address& address = draft_.config.admin->address;
  for (const SectionDraft* listener : listeners_) {
    if (!overlap(listener->as<ListenDraft>().address, address)) continue;
    errors_.add(given->second, "admin: " + address.text() + " is taken by " + described(*listener) +
                                   " " + seen_from(given->second, listener->place) +
                                   "; clients come there: give it a port of its own");
  }
  if (address.is_unix() || !rules.allow.empty() || address.is_loopback()) return;
  warnings_.push_back(text_at(given->second,
                              "admin: only this machine may ask there; write admin_allow with the "
                              "addresses of those who are to"));
}

void ConfResolver::add_route(SectionDraft& section) {
  if (section.kind() != Section::route || section.label.empty()) return;
  RouteDraft& own = section.as<RouteDraft>();
  check_match_listener(section);
  if (!leads_somewhere(section)) return;
  const bool replies = own.route.reply.has_value();
  RouteConfig route = std::move(own.route);
  route.key = key_of(route);
  route.id = draft_.ids.route(label_of(route));
  const SectionDraft* upstream = nullptr;
  if (replies) {
    // Nothing lies behind it.
  } else if (own.by) {
    if (!add_choices(section, route)) return;
  } else if (!own.server) {
    upstream = find_target(section, route);
    if (upstream == nullptr) return;
  } else {
    if (refuse_name_in_uri(section)) return;
    share_anonymous(section, route);
  }
  inherit(section, upstream, route);
  add_authorizer(section, route);
  check_jwt(section, route);
  warn_where_nobody_is_denied(section);
  if (!own.by) check_as(route);
  warn_where_hidden(section, route);
  routes_.push_back(&section);
  draft_.config.route_index.add(route);
  RouteConditions anywhere;
  anywhere.path_form = route.path_form;
  anywhere.path = route.path;
  routes_by_path_.add(anywhere);
  draft_.config.routes.push_back(std::move(route));
}

// False, and an error, where nothing says where to, or several lines do.
bool ConfResolver::leads_somewhere(const SectionDraft& section) {
  const RouteDraft& own = section.as<RouteDraft>();
  const char* const other = own.proxy_pass ? "proxy_pass" : "upstream_by";
  if ((own.proxy_pass || own.by) && own.route.reply) {
    errors_.add(section.given.at(&directive::reply), std::string("return: the route has ") +
                                                         (own.by ? "an " : "a ") + other +
                                                         " as well; give each a route of its own");
  }
  if (own.proxy_pass && own.by) {
    errors_.add(section.given.at(&directive::upstream_by),
                "upstream_by: the route has a proxy_pass as well; write that as default=UPSTREAM");
  }
  return own.proxy_pass || own.by || own.route.reply;
}

// The route once more for each of its upstreams. False, and an error, where there is not one of
// them.
bool ConfResolver::add_choices(const SectionDraft& section, RouteConfig& route) {
  const UpstreamByDraft& own = *section.as<RouteDraft>().by;
  const Place& place = section.given.at(&directive::upstream_by);
  UpstreamBy by{own.value, {}, std::nullopt};
  std::vector<RouteConfig> choices;
  bool known = true;
  const auto choice_of = [&](const Word& name) {
    Named* const named = find_upstream(place, "upstream_by", name);
    if (named == nullptr) known = false;
    if (named == nullptr) return size_t{0};
    named->used = true;
    const auto same = std::find_if(choices.begin(), choices.end(), [named](const auto& each) {
      return each.upstream == named->id;
    });
    const auto place_of = static_cast<size_t>(same - choices.begin());
    if (place_of == choices.size()) choices.push_back(choice(section, *named, route));
    return place_of;
  };
  for (const auto& [value, name] : own.choices) by.places.emplace(value, choice_of(name));
  if (own.otherwise) by.otherwise = choice_of(*own.otherwise);
  if (!known) return false;
  route.upstream = choices.front().upstream;
  route.by = std::move(by);
  route.choices = std::move(choices);
  return true;
}

// Which requests it takes was asked before it is chosen.
RouteConfig ConfResolver::choice(const SectionDraft& section, const Named& named,
                                 const RouteConfig& route) {
  RouteConfig made;
  made.key = route.key;
  made.id = route.id;
  made.path_form = route.path_form;
  made.path = route.path;
  made.rewrites = route.rewrites;
  made.upstream = named.id;
  inherit(section, named.section, made);
  add_authorizer(section, made);
  check_as(made);
  return made;
}

void ConfResolver::check_match_listener(const SectionDraft& section) {
  if (draft_.incomplete) return;
  const RouteDraft& own = section.as<RouteDraft>();
  for (size_t i = 0; i < own.match_listeners.size(); ++i) {
    const Address& wanted = own.route.match_listeners[i];
    const bool known = std::any_of(
        listeners_.begin(), listeners_.end(),
        [&wanted](const SectionDraft* each) { return each->as<ListenDraft>().address == wanted; });
    if (known) continue;
    errors_.add(section.given.at(&directive::match_listener),
                "match_listener: there is no listen " + quoted(own.match_listeners[i].text));
  }
}

// The upstream that proxy_pass names; null, and an error, where there is none.
const SectionDraft* ConfResolver::find_target(const SectionDraft& section, RouteConfig& route) {
  const Place& place = section.given.at(&directive::proxy_pass);
  Named* const named = find_upstream(place, "proxy_pass", *section.as<RouteDraft>().proxy_pass);
  if (named == nullptr) return nullptr;
  named->used = true;
  route.upstream = named->id;
  return named->section;
}

// The same of any line.
ConfResolver::Named* ConfResolver::find_upstream(const Place& place, const char* directive,
                                                 const Word& name) {
  const auto known = upstreams_.find(name.value);
  if (known != upstreams_.end()) return &known->second;
  // A missing file, or an upstream with a wrong opening line, may have held that name.
  if (draft_.incomplete || draft_.upstream_unnamed) return nullptr;
  std::vector<std::string_view> names;
  for (const auto& [each, named] : upstreams_) {
    if (named.section->label == quoted(each)) names.push_back(each);  // not an expanded one
  }
  errors_.add(place, std::string(directive) + ": there is no upstream " + quoted(name.text) +
                         (name.expanded() ? "" : suggestion(name.value, names)));
  return nullptr;
}

// nginx has an upstream's name behind http://. Here that would be a host's, which nobody means who
// has an upstream of that name.
bool ConfResolver::refuse_name_in_uri(const SectionDraft& section) {
  const RouteDraft& own = section.as<RouteDraft>();
  const Word& word = *own.proxy_pass;
  if (!lower_case(word.value).starts_with("http")) return false;
  const auto known = upstreams_.find(own.server->like.uri.host);
  if (known == upstreams_.end()) return false;
  const bool told = known->second.section->label == quoted(known->first) && !word.expanded();
  errors_.add(section.given.at(&directive::proxy_pass),
              "proxy_pass: " + quoted(word.text) + " is a server's URI, and its host the name of " +
                  described(*known->second.section) + " " +
                  seen_from(section.place, known->second.section->place) + "; write proxy_pass " +
                  (told ? known->first : "NAME") + " (TLS and paths go into its servers' URIs)");
  known->second.used = true;
  return true;
}

// Routes that give the same URI share an upstream, and with it the turn of its peers.
void ConfResolver::share_anonymous(const SectionDraft& section, RouteConfig& route) {
  const RouteDraft& own = section.as<RouteDraft>();
  route.upstream = draft_.ids.upstream(own.proxy_pass->value);
  if (!anonymous_.insert(route.upstream).second) return;
  make_upstream(section, route.upstream, own.proxy_pass->text, {&*own.server, 1});
}

// A check comes to its peers as the sessions of the first route do that leads there, and asks for
// the host that handshakes ask for, as far as a route names one.
void ConfResolver::check_as(const RouteConfig& route) {
  std::vector<UpstreamConfig>& upstreams = draft_.config.upstreams;
  const auto found = std::lower_bound(
      upstreams.begin(), upstreams.end(), route.upstream,
      [](const UpstreamConfig& each, UpstreamId wanted) { return each.id < wanted; });
  if (found == upstreams.end() || found->id != route.upstream) return;
  CheckSettings& check = found->check;
  if (check.host.empty() && route.host.policy == HostPolicy::fixed) check.host = route.host.name;
  if (!routed_.insert(route.upstream).second) return;
  check.max_answer_header_bytes = route.max_answer_header_bytes;
  check.send_proxy_protocol = route.send_proxy_protocol;
  check.bind_addresses = route.bind_addresses;
}

void ConfResolver::inherit(const SectionDraft& own, const SectionDraft* upstream,
                           RouteConfig& route) const {
  const SectionDraft& top = draft_.top();
  static_cast<RouteSettings&>(route) = settings_for(Section::route, {&own, upstream, &top});
  route.access = own.access;
  route.set_headers = joined_settings(own.set_headers, top.set_headers, own.remove_headers);
  route.remove_headers = joined_names(own.remove_headers, top.remove_headers);
  route.keep_headers = joined_names(own.keep_headers, top.keep_headers);
  route.set_answer_headers =
      joined_settings(own.set_answer_headers, top.set_answer_headers, own.remove_answer_headers);
  route.remove_answer_headers = joined_names(own.remove_answer_headers, top.remove_answer_headers);
}

// A session that keeps up needs a whole ring beside those of sessions that do not.
void ConfResolver::check_buffer_memory() {
  const uint64_t bytes = draft_.config.buffer_memory_bytes;
  const uint64_t least = uint64_t{least_rings_in_buffer_memory} * draft_.config.ring_bytes;
  if (bytes == 0 || bytes >= least) return;
  errors_.add(draft_.sections.front().given.at(&directive::buffer_memory),
              "buffer_memory: " + size_text(bytes) + " has no room for four rings of ring_size " +
                  size_text(draft_.config.ring_bytes) + "; at least " + size_text(least));
}

}  // namespace sluice
