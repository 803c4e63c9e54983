// Resolver: its handles are questions, and with the second timer lookups.
#include "core/keeper/resolver.h"

#include <algorithm>
#include <new>
#include <set>
#include <tuple>
#include <utility>

#include "core/keeper/name_limits.h"
#include "core/members.h"
#include "core/observe/limit_text.h"
#include "net/check.h"

namespace sluice {

namespace {

using Kind = NameAnswer::Kind;
using Outcome = DnsAnswer::Outcome;

constexpr unsigned question_timer = 0;
constexpr unsigned lookup_timer = 1;

std::string out_of_time(const ResolverRules& rules) {
  std::string text = "no answer from " + rules.servers[0].text();
  if (const size_t others = rules.servers.size() - 1; others > 0) {
    text += " and " + std::to_string(others) + (others == 1 ? " other" : " others");
  }
  return text + " within " + time_setting_text("resolver_timeout", rules.timeout_ms);
}

}  // namespace

ResolverRules resolver_rules(const ResolverSettings& settings, const ResolverFile& file) {
  ResolverRules rules;
  rules.servers = settings.servers.empty() ? file.servers : settings.servers;
  rules.domains = file.domains;
  rules.ndots = file.ndots;
  rules.try_timeout_ms = file.timeout_s * 1'000;
  rules.tries = file.attempts;
  rules.rotate = file.rotate;
  rules.timeout_ms = settings.timeout_ms;
  rules.most_addresses = settings.most_addresses;
  return rules;
}

std::vector<std::string> names_to_try(const std::string& host, const ResolverRules& rules) {
  if (host.ends_with('.')) return {host.substr(0, host.size() - 1)};
  const auto dots = static_cast<uint32_t>(std::count(host.begin(), host.end(), '.'));
  std::vector<std::string> names;
  for (const std::string& domain : rules.domains) {
    if (host.size() + 1 + domain.size() <= most_name_text_bytes)
      names.push_back(host + '.' + domain);
  }
  names.insert(dots >= rules.ndots ? names.begin() : names.end(), host);
  return names;
}

Resolver::Resolver(Reactor& reactor)
    : reactor_(reactor), id_(reactor.attach(*this)), channels_(reactor, *this) {}

Resolver::~Resolver() {
  asked_.for_each([this](Handle, const Asked& asked) { reactor_.cancel(asked.timer); });
  lookups_.for_each([this](Handle, const Lookup& lookup) { reactor_.cancel(lookup.timer); });
}

void Resolver::use(const ResolverRules& rules) {
  SLUICE_CHECK(!rules.servers.empty() && rules.tries > 0);
  channels_.use(rules.servers);
  rules_ = rules;
}

Handle Resolver::ask(const NameQuestion& question, Told told) {
  SLUICE_CHECK(channels_.size() > 0);  // use() came before
  const Handle handle = asked_.create(Asked{.question = question, .told = std::move(told)});
  try {
    Asked& asked = *asked_.get(handle);
    asked.deadline_ms = reactor_.now_ms() + rules_.timeout_ms;
    asked.timer = reactor_.arm(asked.deadline_ms, id_, handle, question_timer);
    reactor_.enqueue(id_, handle);
  } catch (const std::bad_alloc&) {
    retire(handle);
    throw;
  }
  return handle;
}

void Resolver::cancel(Handle asked) {
  if (asked_.get(asked) != nullptr) retire(asked);
}

template <class Call>
void Resolver::with(Handle handle, Call call) {
  Asked* const asked = asked_.get(handle);
  if (asked == nullptr) return;
  try {
    call(*asked);
  } catch (const std::bad_alloc&) {
    fail(handle, Kind::failed, "out of memory");
  }
}

void Resolver::on_run(Handle handle) {
  with(handle, [&](Asked& asked) { begin(handle, asked); });
}

void Resolver::begin(Handle handle, Asked& asked) {
  Part part{.kind = asked.question.service ? RecordKind::srv : RecordKind::a};
  part.names = names_to_try(asked.question.host, rules_);
  part.port = asked.question.port;
  asked.parts.push_back(std::move(part));
  begin_parts(handle, asked);
}

void Resolver::begin_parts(Handle handle, Asked& asked) {
  while (asked.open < targets_at_once && asked.next_part < asked.parts.size()) {
    ++asked.open;
    begin_next_name(handle, asked, asked.next_part++);
  }
}

// False where no name is left.
bool Resolver::begin_next_name(Handle handle, Asked& asked, size_t part) {
  if (asked.parts[part].next_name == asked.parts[part].names.size()) return false;
  ++asked.parts[part].next_name;
  begin_lookup(handle, asked, part, asked.parts[part].kind);
  if (asked.parts[part].kind == RecordKind::a) {
    begin_lookup(handle, asked, part, RecordKind::aaaa);
  }
  return true;
}

void Resolver::begin_lookup(Handle handle, Asked& asked, size_t number, RecordKind kind) {
  Part& part = asked.parts[number];
  const Handle begun = lookups_.create(Lookup{.asked = handle, .part = number, .kind = kind});
  part.lookups[part.open++] = begun;
  Lookup& lookup = *lookups_.get(begun);
  lookup.name = part.names[part.next_name - 1];
  lookup.first_server = rules_.rotate ? turn_++ % channels_.size() : 0;
  SLUICE_CHECK(send(begun, lookup, asked));
}

// False where every server had its tries. What is left of the time is shared by the tries that are
// left, so that servers that are gone do not take it all.
bool Resolver::send(Handle handle, Lookup& lookup, const Asked& asked) {
  const size_t tries = channels_.size() * rules_.tries;
  if (lookup.sent >= tries) return false;
  lookup.server = (lookup.first_server + lookup.sent) % channels_.size();
  const uint64_t now_ms = reactor_.now_ms();
  const uint64_t left_ms = asked.deadline_ms - std::min(asked.deadline_ms, now_ms);
  const uint64_t share_ms = left_ms / (tries - lookup.sent) + 1;  // the question's own end is first
  ++lookup.sent;
  reactor_.cancel(std::exchange(lookup.timer, 0));
  lookup.timer = reactor_.arm(now_ms + std::min<uint64_t>(share_ms, rules_.try_timeout_ms), id_,
                              handle, lookup_timer);
  channels_.ask(lookup.server, lookup.name, lookup.kind, handle);
  return true;
}

// An answer counts also where the next server is asked by then; a failure counts as long as its
// server is the latest one.
void Resolver::on_dns_answer(Handle handle, size_t server, DnsAnswer& answer) {
  Lookup* const lookup = lookups_.get(handle);
  if (lookup == nullptr) return;
  const bool failure = answer.outcome == Outcome::failed || answer.outcome == Outcome::timed_out;
  if (failure && server != lookup->server) return;
  with(lookup->asked, [&](Asked& asked) {
    if (failure && send(handle, *lookup, asked)) return;
    take(lookup->asked, asked, handle, answer);
  });
}

void Resolver::on_timer(Handle handle, unsigned which) {
  if (which == question_timer) {
    return with(handle, [&](Asked& asked) {
      asked.timer = 0;
      asked.answer.kind = Kind::timed_out;
      asked.answer.incomplete = true;
      if (asked.answer.why.empty()) asked.answer.why = out_of_time(rules_);
      finish(handle, asked);
    });
  }
  Lookup* const lookup = lookups_.get(handle);
  if (lookup == nullptr) return;
  lookup->timer = 0;
  with(lookup->asked, [&](Asked& asked) {
    if (send(handle, *lookup, asked)) return;
    DnsAnswer answer = DnsAnswer::failure(Outcome::timed_out, "did not answer");
    take(lookup->asked, asked, handle, answer);
  });
}

void Resolver::take(Handle handle, Asked& asked, Handle ended, DnsAnswer& answer) {
  const Lookup& lookup = *lookups_.get(ended);
  const size_t number = lookup.part;
  Part& part = asked.parts[number];
  switch (answer.outcome) {
    case Outcome::records:
      part.found = part.known = true;
      take_records(asked, part, answer);
      break;
    case Outcome::none:
      part.known = true;
      break;
    case Outcome::no_such_name:
      break;
    case Outcome::timed_out:
      part.timed_out = true;
      [[fallthrough]];
    case Outcome::failed:
      part.failed = true;
      note(asked, lookup, answer);
  }
  for (Handle& each : part.lookups) {
    if (each == ended) each = Handle();
  }
  end_lookup(ended);
  if (--part.open > 0) return;
  // The same names in other domains are another server's: they count only where this one is not.
  if (!part.found && !part.failed && begin_next_name(handle, asked, number)) return;
  end_part(handle, asked, part);
}

void Resolver::take_records(Asked& asked, Part& part, const DnsAnswer& answer) {
  asked.answer.ttl_s =
      asked.answer.ttl_s == 0 && asked.answer.targets.empty() && asked.services.empty()
          ? answer.ttl_s
          : std::min(asked.answer.ttl_s, answer.ttl_s);
  for (Address address : answer.addresses) {
    address.set_port(part.port);
    asked.answer.targets.push_back({address, part.priority, part.weight});
  }
  // Each target of a service may have thousands; the best ones of all stay the same ones.
  if (asked.answer.targets.size() > rules_.most_addresses) {
    put_in_order(asked.answer.targets, rules_.most_addresses, asked.answer.left_out);
  }
  asked.services.insert(asked.services.end(), answer.services.begin(), answer.services.end());
}

// The first failure stands for the others.
void Resolver::note(Asked& asked, const Lookup& lookup, const DnsAnswer& answer) {
  asked.answer.incomplete = true;
  if (!asked.answer.why.empty()) return;
  asked.answer.why = channels_.server(lookup.server).text() + " " + answer.why;
  if (lookup.name != asked.question.host) asked.answer.why += ", asked for " + lookup.name;
  if (channels_.size() > 1) {
    asked.answer.why += ", the last of " + std::to_string(channels_.size()) + " name servers";
  }
}

void Resolver::end_part(Handle handle, Asked& asked, const Part& part) {
  --asked.open;
  if (part.kind == RecordKind::srv && part.found) begin_targets(asked);
  begin_parts(handle, asked);
  if (asked.open == 0) finish(handle, asked);
}

// The best ones where there are more than addresses may be: their order is not the name server's.
void Resolver::begin_targets(Asked& asked) {
  std::vector<ServiceTarget>& services = asked.services;
  std::sort(services.begin(), services.end(), [](const ServiceTarget& a, const ServiceTarget& b) {
    return std::tie(a.priority, a.host, a.port) < std::tie(b.priority, b.host, b.port);
  });
  for (const ServiceTarget& each : services) {
    if (each.host.empty()) continue;  // ".": no such service (RFC 2782)
    if (Address::from_ip(each.host, each.port).ok()) continue;
    if (asked.parts.size() > rules_.most_addresses) {
      ++asked.answer.left_out;
      continue;
    }
    Part part{.kind = RecordKind::a};
    part.names = {each.host};
    part.port = each.port;
    part.priority = each.priority;
    part.weight = each.weight;
    asked.parts.push_back(std::move(part));
  }
}

void Resolver::finish(Handle handle, Asked& asked) {
  NameAnswer& answer = asked.answer;
  put_in_order(answer.targets, rules_.most_addresses, answer.left_out);
  const auto any = [&asked](bool Part::*what) {
    return std::any_of(asked.parts.begin(), asked.parts.end(),
                       [what](const Part& part) { return part.*what; });
  };
  if (!answer.targets.empty()) {
    answer.kind = Kind::targets;
  } else if (answer.kind != Kind::timed_out) {
    if (any(&Part::failed)) {
      answer.kind = any(&Part::timed_out) ? Kind::timed_out : Kind::failed;
    } else if (asked.question.service && any(&Part::found)) {
      answer.kind = Kind::no_addresses;
      answer.why = asked.parts.size() == 1 ? "there is no such service: its targets are no names"
                                           : "none of its targets has an address";
    } else if (any(&Part::known)) {
      answer.kind = Kind::no_addresses;
      answer.why = asked.question.service ? "the name is there and has no SRV record"
                                          : "the name is there and has no address";
    } else {
      answer.kind = Kind::no_such_name;
      answer.why = "there is no such name";
    }
  }
  NameAnswer told = std::move(answer);
  retire(handle)(told);
}

// Needs no memory.
void Resolver::fail(Handle handle, Kind kind, const char* why) {
  NameAnswer told{.kind = kind};
  const Told tell = retire(handle);
  try {
    told.why = why;
  } catch (const std::bad_alloc&) {
    // The kind says enough.
  }
  tell(told);
}

void Resolver::end_lookup(Handle handle) {
  reactor_.cancel(lookups_.get(handle)->timer);
  lookups_.retire(handle);
}

Resolver::Told Resolver::retire(Handle handle) {
  Asked& asked = *asked_.get(handle);
  for (const Part& part : asked.parts) {
    for (const Handle each : part.lookups) {
      if (lookups_.get(each) != nullptr) end_lookup(each);
    }
  }
  reactor_.cancel(asked.timer);
  Told told = std::move(asked.told);
  asked_.retire(handle);
  return told;
}

void Resolver::on_turn_end() {
  lookups_.sweep();
  asked_.sweep();
}

}  // namespace sluice
