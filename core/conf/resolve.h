// From draft to Config: inheritance, references, and what is missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/conf/draft.h"
#include "core/conf/resolve_tls.h"

namespace sluice {

// `upstream "chat"`, for messages.
std::string described(const SectionDraft& section);

// Fills draft.config's listeners, upstreams and routes; errors are added in no order of their own.
// Warnings are about confs that are legal, but hardly meant.
class ConfResolver {
 public:
  // All belong to the caller and outlive the resolver. The draft is whole.
  ConfResolver(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings)
      : draft_(draft), errors_(errors), warnings_(warnings) {}

  // One section, by one question, or one TLS context. False when nothing is left.
  bool step();

 private:
  // What step() does with each section, in reading order, before it begins the next pass: upstreams
  // before routes, because a route may stand before the upstream that it names.
  using Pass = void (ConfResolver::*)(SectionDraft& section);
  static const Pass passes[];

  struct Named {
    UpstreamId id;
    const SectionDraft* section;
    bool used = false;
  };
  // A listener whose TLS is being made, one certificate a step.
  struct Securing {
    const SectionDraft* section;
    ListenConfig listener;
    TlsServerMaker maker;
  };

  void prepare();
  void keep_what_runs();
  void check_buffer_memory();
  void check_required(SectionDraft& section);
  void add_listener_or_upstream(SectionDraft& section);
  void add_listener(SectionDraft& section);
  void check_proxy_protocol(const SectionDraft& section, const ListenConfig& listener);
  void check_http2(const SectionDraft& section, const ListenConfig& listener);
  void check_listener_limit(const SectionDraft& section, const ListenConfig& listener);
  void secure_listener();
  void add_upstream(const SectionDraft& section);
  void add_admin(SectionDraft& section);
  void add_route(SectionDraft& section);
  void check_match_listener(const SectionDraft& section);
  void add_authorizer(const SectionDraft& section, RouteConfig& route);
  void check_auth_variables(const SectionDraft& section, const RouteConfig& route);
  bool leads_somewhere(const SectionDraft& section);
  bool add_choices(const SectionDraft& section, RouteConfig& route);
  RouteConfig choice(const SectionDraft& section, const Named& named, const RouteConfig& route);
  void make_upstream(const SectionDraft& section, UpstreamId id, const std::string& name,
                     std::span<const ServerDraft> servers);
  void add_server(const ServerDraft& server, uint32_t number, UpstreamConfig& upstream);
  const SectionDraft* find_target(const SectionDraft& section, RouteConfig& route);
  Named* find_upstream(const Place& place, const char* directive, const Word& name);
  bool refuse_name_in_uri(const SectionDraft& section);
  void share_anonymous(const SectionDraft& section, RouteConfig& route);
  void inherit(const SectionDraft& own, const SectionDraft* upstream, RouteConfig& route) const;
  void check_as(const RouteConfig& route);
  void warn_where_hidden(const SectionDraft& section, const RouteConfig& route);
  void warn_where_walked_around(SectionDraft& section);
  const RouteConfig* way_around(size_t number) const;
  bool same_server(const RouteConfig& a, const RouteConfig& b) const;
  void warn_of_unused(SectionDraft& section);
  void warn_where_nobody_is_denied(const SectionDraft& section);
  void warn_of_foreign_pages(SectionDraft& section);
  void check_jwt(const SectionDraft& section, const RouteConfig& route);
  void warn_of_unused_jwt_keys(SectionDraft& section);

  ConfDraft& draft_;
  ConfErrors& errors_;
  std::vector<std::string>& warnings_;
  size_t pass_ = 0;
  size_t section_ = 0;  // the next one of this pass
  std::optional<Securing> securing_;
  std::vector<const SectionDraft*> listeners_;
  std::vector<const SectionDraft*> routes_;  // one for each of config.routes
  RouteIndex routes_by_path_;                // all of them, as if each were for any host
  size_t walked_ = 0;                        // how many of them were asked for a way around
  std::map<std::string, Named, std::less<>> upstreams_;
  std::set<UpstreamId> anonymous_;  // made of a URI
  std::set<UpstreamId> routed_;     // that some route leads to
  bool top_jwt_keys_used_ = false;  // some route takes tokens that they have signed
};

}  // namespace sluice
