// Resolver: finds out where one name leads, once: which server is asked when, in which domains a
// name is looked for, and what a service's targets are. It remembers nothing; who asks again, and
// when, is Names'.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/keeper/dns_channels.h"
#include "core/keeper/name_files.h"
#include "core/names.h"
#include "net/pool.h"
#include "net/reactor.h"

namespace sluice {

struct NameAnswer {
  enum class Kind : uint8_t {
    targets,
    no_such_name,
    no_addresses,  // the name is there
    failed,
    timed_out  // after resolver_timeout
  };

  Kind kind = Kind::failed;
  // Something was not found out (one kind of addresses, one of a service's targets), so that there
  // may be more of them. `why` says what.
  bool incomplete = false;
  NameTargets targets = {};  // sorted as core/names.h says; never empty with Kind::targets
  uint32_t ttl_s = 0;        // the smallest
  size_t left_out = 0;       // beyond resolve_max_addresses
  std::string why = {};      // where it is no whole answer: "10.0.0.2:53 answered SERVFAIL: ..."
};

// How questions are asked.
struct ResolverRules {
  std::vector<Address> servers;  // IP addresses, never none
  std::vector<std::string> domains;
  uint32_t ndots = 1;
  uint32_t try_timeout_ms = 5'000;  // for one server to answer, before the next one is asked
  uint32_t tries = 2;               // of each server
  bool rotate = false;
  uint32_t timeout_ms = 5'000;  // for the whole question
  uint32_t most_addresses = 256;

  bool operator==(const ResolverRules&) const = default;
};

// The conf's `resolver` takes the place of the file's name servers; domains and options are the
// file's, as the C library has them, so that a name means the same at load and later.
ResolverRules resolver_rules(const ResolverSettings& settings, const ResolverFile& file);

// The names to ask for, in turn, where `host` is looked for as resolv.conf(5) says.
std::vector<std::string> names_to_try(const std::string& host, const ResolverRules& rules);

// Of one question: A and AAAA at the same time, of the first name to try that has any; of a
// service SRV, then the same for each target, which is a whole name (RFC 2782). A server that does
// not answer in its share of the time, or fails, is followed by the next one.
class Resolver final : public EventHandler, public DnsSink {
 public:
  // Never called from within a call of Resolver. Takes what it likes of the answer.
  using Told = std::function<void(NameAnswer& answer)>;

  // Targets of one service that are asked at the same time: a large one is no burst.
  static constexpr size_t targets_at_once = 16;

  explicit Resolver(Reactor& reactor);  // outlives this
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver() override;  // calls nobody

  // Before privileges are given up; see DnsChannels.
  Status open() { return channels_.open(); }
  // Before the first question. For what is asked from then on, and for what comes next of questions
  // under way. Throws std::bad_alloc, and may be called again.
  void use(const ResolverRules& rules);
  const ResolverRules& rules() const { return rules_; }

  // Throws std::bad_alloc, and nothing was asked; later such faults are answers.
  Handle ask(const NameQuestion& question, Told told);
  void cancel(Handle asked);  // stale ones are allowed; `told` is not called
  size_t under_way() const { return asked_.live(); }

  void on_dns_answer(Handle lookup, size_t server, DnsAnswer& answer) override;
  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  // What one name is asked for: the question's own, or one of its service's targets.
  struct Part {
    RecordKind kind = RecordKind::a;  // srv, or a for both kinds of addresses
    std::vector<std::string> names = {};
    size_t next_name = 0;
    uint16_t port = 0;
    uint16_t priority = 0;
    uint16_t weight = 0;
    unsigned open = 0;  // lookups
    std::array<Handle, 2> lookups = {};
    bool found = false;
    bool known = false;  // one of the names is there
    bool failed = false;
    bool timed_out = false;
  };
  struct Asked {
    NameQuestion question;
    Told told;
    uint64_t deadline_ms = 0;
    TimerId timer = 0;
    std::vector<Part> parts = {};
    size_t next_part = 0;  // those before it have begun
    size_t open = 0;       // parts that have begun and not ended
    std::vector<ServiceTarget> services = {};
    NameAnswer answer = {};
  };
  // One name of one kind, over servers and tries.
  struct Lookup {
    Handle asked;
    size_t part = 0;
    RecordKind kind = RecordKind::a;
    std::string name = {};
    size_t first_server = 0;
    unsigned sent = 0;
    size_t server = 0;  // the latest
    TimerId timer = 0;
  };

  template <class Call>
  void with(Handle handle, Call call);
  void begin(Handle handle, Asked& asked);
  void begin_parts(Handle handle, Asked& asked);
  bool begin_next_name(Handle handle, Asked& asked, size_t part);
  void begin_lookup(Handle handle, Asked& asked, size_t part, RecordKind kind);
  bool send(Handle handle, Lookup& lookup, const Asked& asked);
  void take(Handle handle, Asked& asked, Handle ended, DnsAnswer& answer);
  void take_records(Asked& asked, Part& part, const DnsAnswer& answer);
  void begin_targets(Asked& asked);
  void end_part(Handle handle, Asked& asked, const Part& part);
  void end_lookup(Handle handle);
  void note(Asked& asked, const Lookup& lookup, const DnsAnswer& answer);
  void finish(Handle handle, Asked& asked);
  void fail(Handle handle, NameAnswer::Kind kind, const char* why);
  Told retire(Handle handle);

  Reactor& reactor_;
  Reactor::HandlerId id_;
  ResolverRules rules_;
  size_t turn_ = 0;  // the server that is asked first, with rotate
  Pool<Asked> asked_;
  Pool<Lookup> lookups_;
  DnsChannels channels_;
};

}  // namespace sluice
